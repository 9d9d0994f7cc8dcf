"""Every retired method through the gateway and at the upstream, which serves them itself: the same answers."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stage import Stage
from tautwire.server.web_api.methods.retired import ALIASES

Case = Callable[[Stage], Awaitable[dict[str, Any]]]


NUMBERS = itertools.count()


async def private(stage: Stage) -> str:
    return await room(stage, is_private=True)


async def public(stage: Stage) -> str:
    return await room(stage)


async def room(stage: Stage, **arguments: bool) -> str:
    """Make a channel with two members."""
    name = f"room-{next(NUMBERS)}"
    channel = (await stage.upstream.ok("desk", "conversations.create", name=name, **arguments))["channel"]["id"]
    await stage.upstream.ok("desk", "conversations.invite", channel=channel, users=stage.upstream.users["bob"])
    return str(channel)


async def direct(stage: Stage, *people: str) -> str:
    users = ",".join(stage.upstream.users[each] for each in people or ("alice",))
    return str((await stage.upstream.ok("desk", "conversations.open", users=users))["channel"]["id"])


PLACES: dict[str, Callable[[Stage], Awaitable[str]]] = {
    "channels": public, "groups": private, "im": direct, "mpim": lambda stage: direct(stage, "alice", "bob"),
}  # fmt: skip


async def arguments_for(stage: Stage, name: str) -> dict[str, Any]:
    """Return arguments with which a call succeeds, made anew for each call."""
    family, _, verb = name.partition(".")
    if verb == "list":
        return {}
    if name == "presence.set":
        return {"presence": "away"}
    if verb == "create":
        return {"name": f"made-{next(NUMBERS)}"}
    if name == "channels.join":
        return {"name": "lounge"}
    if name == "im.open":
        await direct(stage, "bob")
        return {"user": stage.upstream.users["bob"]}
    if name == "mpim.open":
        await direct(stage, "alice", "carol")
        return {"users": f"{stage.upstream.users['alice']},{stage.upstream.users['carol']}"}
    place = PLACES["mpim" if name in ("groups.close", "groups.open") else family]
    channel = await place(stage)
    given: dict[str, Any] = {"channel": channel}
    ts = await stage.post("desk", channel, "said") if verb in ("mark", "history", "replies") else ""
    if verb in ("invite", "kick"):
        given["user"] = stage.upstream.users["carol"]
    if verb == "kick":
        await stage.upstream.ok("desk", "conversations.invite", channel=channel, users=given["user"])
    if verb == "unarchive":
        await stage.upstream.ok("desk", "conversations.archive", channel=channel)
    more = {
        "mark": {"ts": ts}, "replies": {"thread_ts": ts}, "history": {"count": "1000"},
        "rename": {"name": f"renamed-{next(NUMBERS)}"}, "setPurpose": {"purpose": "to talk"},
        "setTopic": {"topic": "tea"},
    }  # fmt: skip
    return given | more.get(verb, {})


def shape(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an answer, with those of a conversation; what only some conversations have is left out."""
    varying = {"latest", "last_read", "priority", "members", "num_members", "user", "is_open"}
    return {
        name: sorted(value.keys() - varying) if isinstance(value, dict) else type(value).__name__
        for name, value in answer.items()
    }


@pytest.mark.parametrize("name", [alias.name for alias in ALIASES])
async def test_a_retired_method_is_answered_as_the_upstream_does_itself(stage: Stage, name: str) -> None:
    native = await stage.upstream.call("desk", name, **await arguments_for(stage, name))
    if name == "channels.join":
        await stage.upstream.ok("desk", "conversations.leave", channel=native["channel"]["id"])
    stage.line.calls.clear()
    relayed = await stage.request(name, **await arguments_for(stage, name))
    assert native["ok"], native
    assert relayed["ok"], relayed
    assert shape(relayed) == shape(native)
    assert not {method.partition(".")[0] for method, _ in stage.line.calls} & {*PLACES, "presence"}
    assert name.startswith("conversations") or stage.line.calls


@pytest.mark.parametrize(
    ("name", "place"), [("channels.info", private), ("groups.info", public), ("groups.info", direct)]
)
async def test_a_family_does_not_find_conversations_of_another(
    stage: Stage, name: str, place: Callable[[Stage], Awaitable[str]]
) -> None:
    """Old programs ask one family after the other to learn what an id is."""
    channel = await place(stage)
    assert (await stage.request(name, channel=channel))["error"] == "channel_not_found"


async def test_one_who_is_in_a_group_already_is_no_error(stage: Stage) -> None:
    answer = await stage.ok("groups.invite", channel=stage.ops, user=stage.upstream.users["alice"])
    assert (answer["already_in_group"], answer["group"]["name"]) == (True, "ops")


async def test_a_private_channel_is_always_open(stage: Stage) -> None:
    answer = await stage.ok("groups.open", channel=stage.ops)
    assert (answer["no_op"], answer["already_open"]) == (True, True)


async def test_a_join_of_a_channel_that_the_bot_is_in(stage: Stage) -> None:
    answer = await stage.ok("channels.join", name="#general")
    assert (answer["already_in_channel"], answer["channel"]["id"]) == (True, stage.general)
    assert (await stage.request("channels.join", name="ops"))["error"] == "name_taken"
    assert (await stage.request("channels.join", name=""))["error"] == "channel_not_found"


async def test_a_list_is_whole_where_today_s_is_a_page(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.translate.retired.PAGE", 2)
    for number in range(5):
        await stage.upstream.ok("alice", "conversations.create", name=f"hall-{number}")
    answer = await stage.ok("channels.list")
    assert len(answer["channels"]) == 7
    assert answer["response_metadata"] == {"next_cursor": ""}
    assert stage.line.count("conversations.list") >= 4
    page = await stage.ok("channels.list", limit="3")
    assert len(page["channels"]) == 3
    assert page["response_metadata"]["next_cursor"]


async def test_set_active_has_no_effect_and_no_error(stage: Stage) -> None:
    assert await stage.ok("users.setActive") == {"ok": True}
    assert stage.line.count("users.setActive") == 0
