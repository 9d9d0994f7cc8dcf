"""Arguments with which a method of the registry may be called: one value for each name of an argument."""

import itertools
import time
from typing import Any

from scene import Scene
from tautwire.server.web_api.method import METHODS

DAYS = (int(time.time()) + 3_600 + 600 * number for number in itertools.count())
"""Times in the future, each in five minutes of its own."""


async def sample(scene: Scene, who: str, method: str, channel: str) -> dict[str, Any]:
    """Return what a call of a method needs: the required arguments, and those of which it needs one."""
    ts = await scene.post(who, channel, "hello")
    if method == "auth.revoke":
        return {"test": True}  # or the caller could call nothing more
    if method == "pins.remove":
        await scene.ok(who, "pins.add", channel=channel, timestamp=ts)
    scheduled = ""
    if method == "chat.deleteScheduledMessage":
        later = await scene.ok(who, "chat.scheduleMessage", channel=channel, text="later", post_at=next(DAYS))
        scheduled = later["scheduled_message_id"]
    if method == "chat.unfurl":
        ts = await scene.post(who, channel, "see https://example.test/a")
    if method == "reactions.remove":
        await scene.ok(who, "reactions.add", channel=channel, timestamp=ts, name="eyes")
    bot = (await scene.ok("relaybot", "auth.test"))["bot_id"]
    values: dict[str, Any] = {
        "bot": bot, "channel": channel, "presence": "away", "text": "hello", "timestamp": ts, "ts": ts,
        "message_ts": ts, "post_at": next(DAYS), "scheduled_message_id": scheduled,
        "unfurls": {"https://example.test/a": {"text": "what is there"}},
        "user": scene.users["bob"], "users": scene.users["carol"],
        "name": "new" if method == "conversations.create" else "eyes",
    }  # fmt: skip
    if method == "conversations.open":
        del values["channel"]
    arguments = METHODS[method].arguments
    wanted = {*arguments.REQUIRED, *(name for name in arguments.ONE_OF if name in values)}
    unknown = sorted(wanted - set(values))
    assert not unknown, f"tests/server/samples.py has no value for {', '.join(unknown)} of {method}: add one"
    return {name: values[name] for name in wanted}
