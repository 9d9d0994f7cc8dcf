"""What each method says it cannot do without: the table of methods shows it, so it has to be true."""

from typing import Any

import msgspec
import pytest

from scene import Scene
from tautwire.server.web_api.method import METHODS


async def sample(scene: Scene, method: str) -> dict[str, Any]:
    """Return arguments with which alice may call a method: what is required, and one of what may stand for another."""
    general = scene.general
    ts = await scene.post("alice", general, "hello")
    if method == "reactions.remove":
        await scene.ok("alice", "reactions.add", channel=general, timestamp=ts, name="eyes")
    bot = (await scene.ok("relaybot", "auth.test"))["bot_id"]
    values: dict[str, Any] = {
        "bot": bot, "channel": general, "presence": "away", "text": "hello", "timestamp": ts, "ts": ts,
        "user": scene.users["bob"], "users": scene.users["carol"],
        "name": "new" if method == "conversations.create" else "eyes",
    }  # fmt: skip
    if method in ("conversations.invite", "conversations.leave"):
        values["channel"] = scene.ops
    if method == "conversations.open":
        del values["channel"]
    arguments = METHODS[method].arguments
    wanted = {*arguments.REQUIRED, *(name for name in arguments.ONE_OF if name in values)}
    return {name: values[name] for name in wanted}


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_a_call_succeeds_with_what_is_required_and_fails_without_any_of_it(scene: Scene, method: str) -> None:
    arguments = await sample(scene, method)

    for name in arguments:
        rest = {other: value for other, value in arguments.items() if other != name}
        assert not (await scene.call("alice", method, **rest))["ok"], f"{method} does without {name}"
    await scene.ok("alice", method, **arguments)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_is_required_is_an_argument(method: str) -> None:
    arguments = METHODS[method].arguments
    names = {field.name for field in msgspec.structs.fields(arguments)}

    assert names >= {*arguments.REQUIRED, *arguments.ONE_OF}
    assert not set(arguments.REQUIRED) & set(arguments.ONE_OF)
