"""Acts of users through the control API: what they cause is what the Web API would have caused."""

import json

import pytest

from controlled import PATH, SECRET, ask, operate, refusal
from scene import OpenScene, Scene


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def test_a_message_is_seen_by_all_its_author_too(scene: Scene) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")

    said = await operate(scene, "say", user="@alice", channel="#general", text="hello")

    for socket in (alice, bob):
        event = await socket.until("message")
        assert (event["user"], event["text"], event["ts"]) == (scene.users["alice"], "hello", said["ts"])
    assert said["channel"] == scene.general
    assert said["message"]["text"] == "hello"
    assert (await scene.history("bob", scene.general))[0]["ts"] == said["ts"]


async def test_a_bot_posts_as_a_bot(scene: Scene) -> None:
    said = await operate(scene, "say", user=scene.users["relaybot"], channel=scene.ops, text="up")

    assert said["message"]["bot_id"]


async def test_a_reply_is_in_the_thread(scene: Scene) -> None:
    root = await operate(scene, "say", user="alice", channel="general", text="question")
    bob = await scene.connect("bob")

    await operate(scene, "reply", user="bob", channel="general", ts=root["ts"], text="answer")
    await operate(scene, "reply", user="alice", channel="general", ts=root["ts"], text="thanks", broadcast=True)

    events = [frame for frame in await bob.fence() if frame.get("text")]
    assert [(event["text"], event["thread_ts"], event.get("subtype")) for event in events] == [
        ("answer", root["ts"], None),
        ("thanks", root["ts"], "thread_broadcast"),
    ]


async def test_a_message_is_edited_and_deleted(scene: Scene) -> None:
    said = await operate(scene, "say", user="alice", channel="general", text="helo")
    bob = await scene.connect("bob")
    place = {"user": "alice", "channel": "general", "ts": said["ts"]}

    edited = await operate(scene, "edit", **place, text="hello")
    await operate(scene, "delete", **place)

    assert (edited["ts"], edited["message"]["text"]) == (said["ts"], "hello")
    assert await bob.events() == ["message_changed", "message_deleted"]


async def test_reactions_come_and_go(scene: Scene) -> None:
    said = await operate(scene, "say", user="alice", channel="general", text="hello")
    alice = await scene.connect("alice")
    place = {"user": "bob", "channel": "general", "ts": said["ts"]}

    await operate(scene, "react", **place, name=":wave:")
    await operate(scene, "unreact", **place, name="wave")

    assert await alice.events() == ["reaction_added", "reaction_removed"]


async def test_a_user_joins_and_leaves(scene: Scene) -> None:
    channel = (await operate(scene, "channel.add", name="deploys", members=["alice"]))["channel"]["id"]
    alice = await scene.connect("alice")

    for _ in range(2):
        assert (await operate(scene, "join", user="bob", channel="deploys"))["channel"] == channel
    for _ in range(2):
        await operate(scene, "leave", user="bob", channel="deploys")

    events = await alice.events()
    assert events == ["member_joined_channel", "channel_join", "channel_leave", "member_left_channel"]


async def test_a_direct_message_is_opened_and_seen_by_its_members_only(scene: Scene) -> None:
    bob, carol = await scene.connect("bob"), await scene.connect("carol")

    one = await operate(scene, "dm", user="alice", to=["bob"], text="psst")
    again = await operate(scene, "dm", user="bob", to=["alice"], text="yes?")
    group = await operate(scene, "dm", user="alice", to=["bob", "carol"], text="all")

    assert one["channel"] == again["channel"] != group["channel"]
    assert await bob.texts() == ["psst", "yes?", "all"]
    assert await carol.texts() == ["all"]


async def test_typing_is_seen_by_the_others(scene: Scene) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")

    await operate(scene, "type", user="alice", channel="general")

    assert (await bob.until("user_typing"))["user"] == scene.users["alice"]
    assert "user_typing" not in await alice.events()


async def test_presence_is_set_by_hand(scene: Scene) -> None:
    alice = await scene.connect("alice")
    states = []
    for presence in ("away", "auto"):
        await operate(scene, "presence", user="alice", presence=presence)
        states.append((await scene.ok("bob", "users.getPresence", user=scene.users["alice"]))["presence"])

    assert states == ["away", "active"]
    assert await alice.events() == ["manual_presence_change", "manual_presence_change"]


async def test_an_act_answers_the_position_before_it(scene: Scene) -> None:
    before = await operate(scene, "position")

    first = await operate(scene, "say", user="alice", channel="general", text="one")
    second = await operate(scene, "say", user="alice", channel="general", text="two")

    epoch, _, number = before["position"].partition(".")
    assert first["position"] == before["position"]
    assert second["position"] == f"{epoch}.{int(number) + 1}"


async def test_the_rules_of_the_web_api_hold(scene: Scene) -> None:
    said = await operate(scene, "say", user="alice", channel="general", text="mine")
    secret = await operate(scene, "say", user="alice", channel="ops", text="secret")
    general = {"channel": "general", "ts": said["ts"]}
    await operate(scene, "react", user="bob", **general, name="wave")
    bob = await scene.connect("bob")

    for expected, operation, arguments in (
        ("channel_not_found", "say", {"user": "bob", "channel": "ops", "text": "let me in"}),
        ("channel_not_found", "react", {"user": "bob", "channel": "ops", "ts": secret["ts"], "name": "eyes"}),
        ("cant_update_message", "edit", {"user": "bob", **general, "text": "yours"}),
        ("cant_delete_message", "delete", {"user": "bob", **general}),
        ("already_reacted", "react", {"user": "bob", **general, "name": "wave"}),
        ("no_reaction", "unreact", {"user": "bob", **general, "name": "eyes"}),
        ("invalid_name", "react", {"user": "bob", **general, "name": "no emoji"}),
        ("message_not_found", "reply", {"user": "bob", "channel": "general", "ts": "1.000001", "text": "lost"}),
        ("channel_not_found", "reply", {"user": "bob", "channel": "ops", "ts": secret["ts"], "text": "let me in"}),
        ("cant_leave_general", "leave", {"user": "bob", "channel": "general"}),
        ("method_not_supported_for_channel_type", "join", {"user": "alice", "channel": "ops"}),
        ("not_in_channel", "type", {"user": "carol", "channel": "general"}),
    ):
        assert await refusal(scene, operation, **arguments) == expected

    assert await bob.events() == []


async def test_an_unknown_user_or_channel_is_refused(scene: Scene) -> None:
    assert await refusal(scene, "say", user="alise", channel="general", text="x") == "unknown_user"
    assert await refusal(scene, "say", user="alice", channel="genral", text="x") == "unknown_channel"
    assert await refusal(scene, "dm", user="alice", to=["bobb"], text="x") == "unknown_user"


async def test_a_deactivated_user_does_nothing(scene: Scene) -> None:
    await operate(scene, "user.deactivate", user="bob")

    for operation, arguments in (
        ("say", {"channel": "general", "text": "x"}),
        ("dm", {"to": ["alice"], "text": "x"}),
        ("presence", {"presence": "away"}),
    ):
        assert await refusal(scene, operation, user="bob", **arguments) == "account_inactive"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("say", {"channel": "general", "text": "x" * 40_001}),
        ("edit", {"channel": "general", "ts": "1.1", "text": "x" * 4_001}),
        ("dm", {"to": [], "text": "x"}),
        ("dm", {"to": ["bob"] * 9, "text": "x"}),
        ("presence", {"presence": "busy"}),
    ],
)
async def test_arguments_outside_their_bounds_are_refused(
    scene: Scene, operation: str, arguments: dict[str, object]
) -> None:
    assert await refusal(scene, operation, user="alice", **arguments) == "invalid_arguments"


TEXT = {"type": "mrkdwn", "text": "*bold*"}
BLOCKS = [{"type": "section", "text": TEXT}]


async def test_a_message_has_blocks_attachments_and_metadata(scene: Scene) -> None:
    bob = await scene.connect("bob")
    metadata = {"event_type": "deployed", "event_payload": {"version": 2}}
    place = {"user": "alice", "channel": "general"}

    said = await operate(scene, "say", **place, blocks=BLOCKS, attachments=[{"text": "more"}], metadata=metadata)
    answered = await operate(scene, "reply", **place, ts=said["ts"], text="t", blocks=BLOCKS)
    direct = await operate(scene, "dm", user="alice", to=["bob"], blocks=BLOCKS)
    edited = await operate(scene, "edit", **place, ts=said["ts"], text="plain", blocks=[])

    event = await bob.until("message")
    assert event["blocks"][0]["text"] == {**TEXT, "verbatim": False}
    assert event["metadata"] == metadata
    assert event["attachments"][0]["text"] == "more"
    assert answered["message"]["blocks"][0]["type"] == "section"
    assert direct["message"]["blocks"][0]["type"] == "section"
    assert edited["message"]["text"] == "plain"


async def test_a_message_without_content_and_with_wrong_blocks_is_refused(scene: Scene) -> None:
    place = {"user": "alice", "channel": "general"}

    assert await refusal(scene, "say", **place) == "no_text"
    assert await refusal(scene, "edit", **place, ts="1.1") == "no_text"
    assert await refusal(scene, "say", **place, attachments=[{"text": "x"}] * 101) == "too_many_attachments"
    reply = await ask(
        scene, PATH + "say", json.dumps({**place, "blocks": [{"type": "section", "text": "x" * 9}]}).encode()
    )
    assert (reply.status, reply.code) == (400, "invalid_blocks")
    assert "/blocks/0" in reply.message
