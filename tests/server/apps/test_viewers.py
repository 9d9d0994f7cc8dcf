"""As whom an app gets events: its bot and people who authorised it, with the scopes of each; and its last events."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from appside import AppSide, LinkSocket
from installing import DESK_SEED, Desk, manifest
from scene import Frame, OpenScene, Scene, eventually
from tautwire.server.log.entry import WORKSPACE, Entry, Topic
from tautwire.server.log.tail import Audience, visible
from tautwire.server.services.access.apps import uninstall_app
from tautwire.server.services.access.consents import Wish
from tautwire.server.taps.envelope import read_context

EVERYTHING = Wish(["app_mentions:read", "channels:history", "chat:write"], [])
MESSAGES = Wish([], ["channels:history", "im:history"])


class Side(AppSide):
    """The app of the manifest, in Socket Mode."""

    def __init__(self, desk: Desk) -> None:
        self.scene, self.name, self.id, self.bot = desk.scene, "desk", desk.id, desk.bot
        self.desk = desk


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(seed=DESK_SEED)


@pytest.fixture
async def side(scene: Scene) -> Side:
    return Side(await Desk.made_in(scene))


async def place(scene: Scene) -> str:
    return scene.directory.channels["lounge"]


def viewer(envelope: Frame) -> tuple[str, bool]:
    (found,) = envelope["payload"]["authorizations"]
    return found["user_id"], found["is_bot"]


async def next_of(socket: LinkSocket) -> Frame:
    envelope = await socket.envelope()
    await socket.ack(envelope)
    return envelope


async def test_a_person_who_authorised_sees_for_the_app(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", MESSAGES)
    socket = await side.connect()
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    await scene.post("bob", direct, "between us")
    first = await next_of(socket)
    assert first["payload"]["event"]["channel_type"] == "im"
    assert viewer(first) == (scene.users["alice"], False)
    await scene.post("alice", await place(scene), "for all")
    second = await next_of(socket)
    assert (second["payload"]["event"]["text"], viewer(second)) == ("for all", (scene.users["alice"], False))


async def test_what_no_viewer_sees_does_not_come(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", MESSAGES)
    socket = await side.connect()
    hidden = (await scene.ok("bob", "conversations.open", users=scene.users["carol"]))["channel"]["id"]
    await scene.post("bob", hidden, "not for alice")
    await scene.post("alice", scene.ops, "a private channel is not subscribed to")
    await scene.post("alice", await place(scene), "end")
    assert (await socket.take())["text"] == "end"


async def test_an_event_comes_once_however_many_see_it_and_as_the_bot_first(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", Wish(EVERYTHING.scopes, MESSAGES.user_scopes))
    await side.desk.installed("bob", MESSAGES)
    channel = await place(scene)
    socket = await side.connect()
    await scene.post("carol", channel, "before the bot")
    assert viewer(await next_of(socket))[1] is False
    await scene.ok("alice", "conversations.invite", channel=channel, users=side.bot)
    await scene.post("carol", channel, f"<@{side.bot}> with the bot")
    found = [await next_of(socket) for _ in range(3)]
    texts = [each["payload"]["event"]["text"] for each in found]
    assert [each["payload"]["event"]["type"] for each in found] == ["message", "message", "app_mention"], texts
    assert [viewer(each) for each in found[1:]] == [(side.bot, True)] * 2
    assert len({each["payload"]["event_id"] for each in found}) == 3
    await scene.post("carol", channel, "end")
    assert (await next_of(socket))["payload"]["event"]["text"] == "end", "none came twice"


async def test_people_come_and_go_while_the_app_is_connected(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", MESSAGES)
    socket = await side.connect()
    direct = (await scene.ok("bob", "conversations.open", users=scene.users["carol"]))["channel"]["id"]
    await side.settled()
    await side.desk.installed("bob", MESSAGES)
    await scene.post("carol", direct, "now bob sees for the app")
    assert viewer(await next_of(socket)) == (scene.users["bob"], False)
    await side.settled()
    await scene.ok("bob for desk", "auth.revoke")
    assert (await next_of(socket))["payload"]["event"] | {"event_ts": ""} == {
        "type": "tokens_revoked",
        "tokens": {"oauth": [scene.users["bob"]], "bot": []},
        "event_ts": "",
    }
    await scene.post("carol", direct, "no longer")
    await scene.post("alice", await place(scene), "end")
    assert (await socket.take())["text"] == "end"


async def test_scopes_decide_which_events_come(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", Wish(["chat:write", "app_mentions:read"], ["im:history"]))
    channel = await place(scene)
    await scene.ok("alice", "conversations.invite", channel=channel, users=side.bot)
    socket = await side.connect()
    await scene.post("bob", channel, "without channels:history")
    await scene.post("bob", channel, f"<@{side.bot}> a mention")
    assert (await socket.take())["type"] == "app_mention"
    await side.desk.installed("alice", Wish(["channels:history"], []))
    await scene.post("bob", channel, "with it")
    assert (await socket.take())["text"] == "with it"


async def test_a_lenient_operator_lets_all_events_through(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=DESK_SEED, enforce_scopes=False)
    side = Side(await Desk.made_in(scene))
    await side.desk.installed("alice", Wish(["chat:write"], []))
    channel = await place(scene)
    await scene.ok("alice", "conversations.invite", channel=channel, users=side.bot)
    socket = await side.connect()
    await scene.post("bob", channel, "hello")
    assert "hello" in [event.get("text") for event in await socket.until(lambda event: event.get("text") == "hello")]


async def test_an_app_that_is_uninstalled_is_told_and_gets_nothing_else(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", Wish(EVERYTHING.scopes, MESSAGES.user_scopes))
    channel = await place(scene)
    await scene.ok("alice", "conversations.invite", channel=channel, users=side.bot)
    socket = await side.connect()
    await socket.until(lambda event: event.get("subtype") == "channel_join")
    await scene.server.workspace.writer.write(lambda tx: uninstall_app(tx, side.id))
    await scene.post("alice", channel, "not for the app any more")
    found = [await next_of(socket) for _ in range(2)]
    assert [each["payload"]["event"]["type"] for each in found] == ["tokens_revoked", "app_uninstalled"]
    assert found[0]["payload"]["event"]["tokens"] == {"oauth": [scene.users["alice"]], "bot": [side.bot]}
    assert all("authorizations" not in each["payload"] for each in found)
    await side.settled()
    await side.desk.installed("alice", EVERYTHING)
    await scene.post("alice", channel, "back")
    assert (await socket.take())["text"] == "back"


async def test_what_was_not_acknowledged_comes_again_as_the_same_viewer(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", MESSAGES)
    socket = await side.connect()
    channel = await place(scene)
    await scene.post("bob", channel, "once more")
    first = await socket.envelope()
    await side.leave(socket)
    await scene.ok("alice", "conversations.leave", channel=channel)
    for _ in range(2):
        socket = await side.connect()
        again = await socket.envelope()
        assert again["payload"] == first["payload"]
        await side.leave(socket)
    await scene.server.stop()
    await scene.server.start()


# --- apps.event.authorizations.list ---


async def test_an_app_asks_as_whom_it_sees_an_event(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", Wish(EVERYTHING.scopes, MESSAGES.user_scopes))
    await side.desk.installed("bob", MESSAGES)
    channel = await place(scene)
    socket = await side.connect()
    await scene.post("carol", channel, "who sees this?")
    context = (await next_of(socket))["payload"]["event_context"]
    sdk = AsyncWebClient(scene.tokens["desk app"], scene.server.api_url)

    async def users(**arguments: Any) -> list[tuple[str, bool]]:
        answer = await sdk.apps_event_authorizations_list(event_context=context, **arguments)
        return [(each["user_id"], each["is_bot"]) for each in answer["authorizations"]]

    people = sorted([(scene.users["alice"], False), (scene.users["bob"], False)])
    assert await users() == people
    await scene.ok("alice", "conversations.invite", channel=channel, users=side.bot)
    everyone = sorted([*people, (side.bot, True)])
    assert await users() == everyone
    paged: list[str] = []
    cursor = ""
    while cursor or not paged:
        answer = await sdk.apps_event_authorizations_list(event_context=context, limit=1, cursor=cursor)
        paged += [each["user_id"] for each in answer["authorizations"]]
        cursor = answer["response_metadata"]["next_cursor"]
        assert answer["cursor_next"] == cursor
    assert paged == [user for user, _ in everyone]


@pytest.mark.parametrize("context", ["", "4-", "4-e30", "4-!!", "1-app_mention-T1-C1", "4-" + "A" * 5_000, "4-ü"])
async def test_a_context_that_is_not_ours_is_refused(scene: Scene, side: Side, context: str) -> None:
    assert await scene.error("desk app", "apps.event.authorizations.list", event_context=context) == (
        "invalid_event_context"
    )


async def test_a_context_of_another_app_is_refused(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", MESSAGES)
    socket = await side.connect()
    await scene.post("bob", await place(scene), "hello")
    context = (await next_of(socket))["payload"]["event_context"]
    found = read_context(context)
    assert found is not None
    assert (found.aid, found.cid) == (side.id, await place(scene))
    other = manifest() | {"display_information": {"name": "Other"}, "features": {"bot_user": {"display_name": "o"}}}
    await Desk.made_in(scene, other)  # its token takes the place of the first
    sdk = AsyncWebClient(scene.tokens["desk app"], scene.server.api_url)
    with pytest.raises(SlackApiError, match="auth_mismatch"):
        await sdk.apps_event_authorizations_list(event_context=context)


# --- the rule of what is seen ---

USERS = ("U1", "U2", "U3")
STEPS = st.lists(
    st.tuples(st.sampled_from(["event", "join", "leave"]), st.sampled_from(["C1", "C2", "*", *USERS]),
              st.sampled_from(USERS)),
    max_size=30,
)  # fmt: skip


@settings(deadline=None)
@given(STEPS)
def test_many_users_see_what_each_of_them_sees(steps: list[tuple[Any, str, str]]) -> None:
    """``Audience`` goes forward for many, ``visible`` backward for one: they must agree."""
    channels: dict[str, set[Topic]] = {user: set() for user in USERS}
    entries = []
    for position, (kind, topic, user) in enumerate(steps, 1):
        if kind != "event" and not topic.startswith("C"):
            continue
        if kind != "event":
            present = Topic(topic) in channels[user]
            if present is (kind == "join"):
                continue
            (channels[user].discard if present else channels[user].add)(Topic(topic))
        entries.append(Entry(position, kind, Topic(topic), user.encode()))
    audience = Audience(dict.fromkeys(USERS, ()))
    seen: dict[str, list[Entry]] = {user: [] for user in USERS}
    for entry in entries:
        if entry.kind == "event":
            for user in audience.of(entry.topic):
                seen[user].append(entry)
        audience.move(entry)
    assert seen == {user: visible(entries, user, channels[user]) for user in USERS}
    for entry in reversed(entries):
        audience.move(entry, undo=True)
    assert all(not audience.of(Topic(name)) for name in ("C1", "C2"))
    assert set(audience.of(WORKSPACE)) == set(USERS)


async def test_events_of_people_are_json_as_those_of_bots(scene: Scene, side: Side) -> None:
    await side.desk.installed("alice", Wish([], ["reactions:read", "channels:history"]))
    socket = await side.connect()
    channel = await place(scene)
    ts = await scene.post("bob", channel, "hello")
    await scene.ok("carol", "reactions.add", channel=channel, timestamp=ts, name="eyes")
    found = await socket.until(lambda event: event["type"] == "reaction_added")
    assert json.dumps(found[-1]["item"]["channel"]) == f'"{channel}"'
    await eventually(lambda: side.tap.open_events == 0)
