"""What each method says it cannot do without: the table of methods shows it, so it has to be true."""

import pytest

from samples import caller_of, sample
from scene import Scene
from tautwire.server.web_api.method import METHODS


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_a_call_succeeds_with_what_is_required_and_fails_without_any_of_it(scene: Scene, method: str) -> None:
    place = scene.ops if method in ("conversations.invite", "conversations.leave") else scene.general
    entry = METHODS[method]
    who = caller_of(method)
    arguments = await sample(scene, who, method, place)

    for name in arguments.keys() & {*entry.arguments.REQUIRED, *entry.arguments.ONE_OF}:
        rest = {other: value for other, value in arguments.items() if other != name}
        assert not (await scene.call(who, method, **rest))["ok"], f"{method} does without {name}"
    await scene.ok(who, method, **arguments)
