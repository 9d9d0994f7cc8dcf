"""What each method says it cannot do without: the table of methods shows it, so it has to be true."""

import pytest

from samples import caller_of, place, sample
from scene import Scene
from tautwire.server.services.access.identity import TokenKind
from tautwire.server.web_api.method import METHODS

HOPELESS = {"usergroups.users.list"}
"""Methods that never succeed: there are no user groups."""
OF_APPS = {
    name
    for name, entry in METHODS.items()
    if set(entry.access) in ({TokenKind.APP}, {TokenKind.CONFIGURATION}) or "client_secret" in entry.arguments.REQUIRED
}
"""Methods that need an app-level or configuration token, or the secret of an app: the tests of apps call them."""


@pytest.mark.parametrize("method", sorted(METHODS.keys() - HOPELESS - OF_APPS))
async def test_a_call_succeeds_with_what_is_required_and_fails_without_any_of_it(scene: Scene, method: str) -> None:
    entry = METHODS[method]
    who = caller_of(method)
    arguments = await sample(scene, who, method, await place(scene, method))

    for name in arguments.keys() & {*entry.arguments.REQUIRED, *entry.arguments.ONE_OF}:
        rest = {other: value for other, value in arguments.items() if other != name}
        assert not (await scene.call(who, method, **rest))["ok"], f"{method} does without {name}"
    await scene.ok(who, method, **arguments)
