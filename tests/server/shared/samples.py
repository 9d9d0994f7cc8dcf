"""Arguments with which a method of the registry may be called: one value for each name of an argument."""

import itertools
import time
from typing import Any

from scene import Scene
from tautwire.server.services.access.identity import TokenKind
from tautwire.server.web_api.method import METHODS
from tautwire.server.web_api.methods.retired import ALIASES
from uploader import store

NOT_BESIDE = {
    "conversations.open": ["channel"],
    "users.info": ["users"],
    "users.profile.set": ["name"],
    "files.upload": ["file"],
}
"""The arguments of ``ONE_OF`` that are left out beside the other one."""


async def place(scene: Scene, method: str) -> str:
    """Return a conversation of alice in which a method can succeed."""
    alias = next((alias for alias in ALIASES if alias.name == method), None)
    called = alias.successor if alias is not None else method
    family = method.partition(".")[0]
    if method in ("im.open", "mpim.open"):
        return scene.general  # it opens one itself
    if family == "mpim" or method == "groups.close":
        others = f"{scene.users['bob']},{scene.users['carol']}"
        return str((await scene.ok("alice", "conversations.open", users=others))["channel"]["id"])
    if family == "im" or called == "conversations.close":
        return str((await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"])
    if family == "groups":
        return scene.ops
    if called.rpartition(".")[2] in ("archive", "invite", "kick", "leave", "rename", "unarchive"):
        town = str((await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"])
        await scene.ok("relaybot", "conversations.join", channel=town)
        return town
    return scene.general


DAYS = (int(time.time()) + 3_600 + 600 * number for number in itertools.count())
"""Times in the future, each in five minutes of its own."""


def caller_of(method: str) -> str:
    """Return who may call a method: alice, or the bot if people may not."""
    access = METHODS[method].access
    return "relaybot" if access and TokenKind.USER not in access else "alice"


async def sample(scene: Scene, who: str, method: str, channel: str) -> dict[str, Any]:
    """Return what a call of a method needs: the required arguments, and those of which it needs one."""
    ts = await scene.post(who, channel, "hello")
    if method.startswith("views."):
        return await view_sample(scene, who, method)
    if method == "auth.revoke":
        return {"test": True}  # or the caller could call nothing more
    if method == "pins.remove":
        await scene.ok(who, "pins.add", channel=channel, timestamp=ts)
    scheduled = ""
    if method == "chat.deleteScheduledMessage":
        later = await scene.ok(who, "chat.scheduleMessage", channel=channel, text="later", post_at=next(DAYS))
        scheduled = later["scheduled_message_id"]
    if method in ("chat.appendStream", "chat.stopStream"):
        ts = await stream(scene, who, channel)
    if method in ("assistant.threads.setTitle", "assistant.threads.setSuggestedPrompts"):
        direct = await scene.ok(who, "conversations.open", users=scene.users["alice"])
        channel = direct["channel"]["id"]
        ts = await scene.post(who, channel, "thread")
    if method == "chat.unfurl":
        ts = await scene.post(who, channel, "see https://example.test/a")
    alias = next((alias for alias in ALIASES if alias.name == method), None)
    called = alias.successor if alias is not None else method
    if called == "conversations.unarchive" and channel != scene.general:
        await scene.ok(who, "conversations.archive", channel=channel)
    if method == "reactions.remove":
        await scene.ok(who, "reactions.add", channel=channel, timestamp=ts, name="eyes")
    file = ""
    if method.startswith("files.") and method not in ("files.getUploadURLExternal", "files.upload", "files.list"):
        file = await store(scene, who, b"hello")
        if method != "files.completeUploadExternal":
            await scene.ok(who, "files.completeUploadExternal", files=[{"id": file}], channel_id=channel)
    bot = (await scene.ok("relaybot", "auth.test"))["bot_id"]
    values: dict[str, Any] = {
        "bot": bot, "channel": channel, "presence": "away", "text": "hello", "timestamp": ts, "ts": ts,
        "message_ts": ts, "post_at": next(DAYS), "scheduled_message_id": scheduled,
        "unfurls": {"https://example.test/a": {"text": "what is there"}},
        "channel_id": channel, "status": "is thinking", "title": "Lunch",
        "prompts": [{"title": "Menu", "message": "What is there today?"}], "markdown_text": "more",
        "recipient_user_id": scene.users["alice"], "recipient_team_id": scene.directory.team["id"],
        "user": scene.users["bob"], "users": scene.users["carol"], "thread_ts": ts, "email": "alice@example.test",
        "name": "eyes" if called.startswith("reactions.") else "new", "profile": {"status_text": "out"},
        "usergroup": "S1", "app_id": "A0NOPE", "client_id": "1.2", "client_secret": "wrong", "code": "wrong",
        "event_context": "4-e30", "manifest": {"display_information": {"name": "Desk"}},
        "file": file, "files": [{"id": file}], "content": "hello", "filename": "notes.txt",
        "length": 5, "query": "hello",
    }  # fmt: skip
    if called in ("conversations.kick", "conversations.invite"):
        values["user"] = scene.users["relaybot" if called == "conversations.kick" else "carol"]
    if method == "mpim.open":
        values["users"] = f"{scene.users['bob']},{scene.users['carol']}"
    for name in NOT_BESIDE.get(method, ()):
        del values[name]
    arguments = METHODS[method].arguments
    if "text" in arguments.ONE_OF:
        del values["markdown_text"]  # one of them is enough
    wanted = {*arguments.REQUIRED, *(name for name in arguments.ONE_OF if name in values)}
    unknown = sorted(wanted - set(values))
    assert not unknown, f"tests/server/shared/samples.py has no value for {', '.join(unknown)} of {method}: add one"
    return {name: values[name] for name in wanted}


VIEW = {"type": "modal", "title": {"type": "plain_text", "text": "A modal"}, "blocks": [{"type": "divider"}]}


async def view_sample(scene: Scene, who: str, method: str) -> dict[str, Any]:
    """Return what a call of a method of views needs; for some of them a modal is opened."""
    workspace = scene.server.workspace
    app = (await scene.ok(who, "bots.info", bot=(await scene.ok(who, "auth.test"))["bot_id"]))["bot"]["app_id"]
    if method == "views.publish":
        return {"user_id": scene.users["alice"], "view": {"type": "home", "blocks": []}}
    trigger = workspace.triggers.issue(app, scene.users["alice"])
    if method == "views.open":
        return {"trigger_id": trigger, "view": VIEW}
    opened = (await scene.ok(who, "views.open", trigger_id=trigger, view=VIEW))["view"]["id"]
    if method == "views.push":
        return {"trigger_id": workspace.triggers.issue(app, scene.users["alice"], opened), "view": VIEW}
    return {"view_id": opened, "view": VIEW}


async def stream(scene: Scene, who: str, channel: str) -> str:
    """Begin a message that grows; return its ts."""
    recipient = {"recipient_user_id": scene.users["alice"], "recipient_team_id": scene.directory.team["id"]}
    return str((await scene.ok(who, "chat.startStream", channel=channel, markdown_text="so far", **recipient))["ts"])
