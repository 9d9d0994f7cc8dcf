"""Who gets which event on which socket, from the moment rtm.connect answers.

Source: wire/connecting.md, wire/messages.md#who-gets-a-message, wire/delivery.md#audiences.
"""

import asyncio
import random

import pytest

from scene import PATIENCE, Scene, Socket, is_plain

# --- opening ---


async def test_hello_comes_first_and_alone(scene: Scene) -> None:
    socket = await scene.dial(await scene.grant("alice"))
    assert await socket.frame() == {"type": "hello"}
    assert await socket.fence() == []


async def test_the_grant_names_self_and_team(scene: Scene) -> None:
    grant = await scene.grant("relaybot")
    assert grant["self"] == {"id": scene.users["relaybot"], "name": "relaybot"}
    assert grant["team"] == scene.directory.team
    assert grant["url"].startswith(scene.server.api_url.replace("http", "ws").removesuffix("api/") + "rtm/")
    assert "position" not in grant
    assert "resume" not in grant


async def test_what_happens_between_the_grant_and_the_dial_is_delivered_in_order_then_comes_the_rest(
    scene: Scene,
) -> None:
    await scene.post("bob", scene.general, "before")
    grant = await scene.grant("alice")
    for number in range(5):
        await scene.post("bob", scene.general, f"between {number}")
    alice = await scene.dial(grant)
    assert (await alice.frame())["type"] == "hello"
    await scene.post("bob", scene.general, "after")

    assert await alice.texts() == [*(f"between {number}" for number in range(5)), "after"]


async def test_a_socket_that_opens_while_others_talk_misses_nothing_and_gets_nothing_twice(scene: Scene) -> None:
    bob = await scene.connect("bob")
    is_over = asyncio.Event()
    acked: list[str] = []

    async def talk() -> None:
        while not is_over.is_set():
            text = str(len(acked))
            assert (await bob.say(scene.general, text))["ok"]
            acked.append(text)

    async def listen() -> None:
        for _ in range(10):
            before = len(acked)
            grant = await scene.grant("alice")
            granted = len(acked)
            await asyncio.sleep(random.random() / 50)
            alice = await scene.dial(grant)
            texts: list[str] = []
            while len(texts) < 20:
                frame = await alice.frame()
                texts += [frame["text"]] if is_plain(frame) else []
            first = int(texts[0])
            assert before <= first <= granted + 1
            assert texts == [str(number) for number in range(first, first + 20)]
            await alice.close()

    talking = asyncio.create_task(talk())
    await asyncio.gather(listen(), listen())
    is_over.set()
    await talking


async def test_who_was_invited_in_between_sees_what_came_after_the_invitation(scene: Scene) -> None:
    grant = await scene.grant("bob")
    await scene.post("alice", scene.ops, "secret")
    await scene.ok("alice", "conversations.invite", channel=scene.ops, users=scene.users["bob"])
    await scene.post("alice", scene.ops, "welcome")
    bob = await scene.dial(grant)

    assert await bob.events() == ["hello", "group_joined", "member_joined_channel", "channel_join", "message"]


async def test_who_left_in_between_sees_what_came_before_that(scene: Scene) -> None:
    grant = await scene.grant("relaybot")
    await scene.post("alice", scene.ops, "one")
    await scene.ok("relaybot", "conversations.leave", channel=scene.ops)
    await scene.post("alice", scene.ops, "two")
    relaybot = await scene.dial(grant)

    frames = await relaybot.fence()
    assert [frame["type"] for frame in frames] == ["hello", "message", "group_left"]
    assert frames[1]["text"] == "one"


async def test_who_came_and_went_in_between_sees_just_their_part(scene: Scene) -> None:
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    grant = await scene.grant("bob")
    for _ in range(3):
        await scene.post("alice", town, "without")
        await scene.ok("bob", "conversations.join", channel=town)
        await scene.post("alice", town, "with")
        await scene.ok("bob", "conversations.leave", channel=town)
    bob = await scene.dial(grant)

    assert await bob.texts() == ["with"] * 3
    await scene.post("alice", town, "without")
    assert await bob.fence() == []


async def test_what_one_says_in_between_on_another_socket_is_delivered(scene: Scene) -> None:
    first = await scene.connect("alice")
    grant = await scene.grant("alice")
    assert (await first.say(scene.general, "hi"))["ok"]
    second = await scene.dial(grant)
    assert await second.texts() == ["hi"]


async def test_typing_and_presence_of_the_time_in_between_are_not(scene: Scene) -> None:
    bob = await scene.connect("bob")
    grant = await scene.grant("alice")
    await bob.send(type="typing", channel=scene.general)
    await bob.fence()
    await scene.ok("alice", "users.setPresence", presence="away")
    alice = await scene.dial(grant)
    assert await alice.events() == ["hello"]


# --- tickets ---


async def refused(scene: Scene, url: str) -> None:
    """Dial a URL that is no good: an error event, then the end."""
    socket = await scene.dial({"url": url})
    assert await socket.frame() == {"type": "error", "error": {"code": 1, "msg": "Socket URL has expired"}}
    assert await socket.ended() == 1000


async def test_a_url_works_once(scene: Scene) -> None:
    grant = await scene.grant("alice")
    alice = await scene.dial(grant)
    await alice.until("hello")
    await refused(scene, grant["url"])
    await scene.post("bob", scene.general, "still there")
    assert await alice.texts() == ["still there"]


async def test_a_url_works_for_thirty_seconds(scene: Scene) -> None:
    early, late = await scene.grant("alice"), await scene.grant("alice")
    scene.clock.offset += 29
    await (await scene.dial(early)).until("hello")
    scene.clock.offset += 2
    await refused(scene, late["url"])


async def test_a_forged_ticket_is_refused(scene: Scene) -> None:
    url = (await scene.grant("alice"))["url"]
    head, _, ticket = url.rpartition("/")
    middle = len(ticket) // 2
    for forged in (
        ticket[:middle] + ("A" if ticket[middle] != "A" else "B") + ticket[middle + 1 :],
        ticket[:-10],
        "A" * len(ticket),
        "x",
        "%00",
        "%C3%A4",
        "A" * 8_000,
    ):
        await refused(scene, f"{head}/{forged}")
    await refused(scene, f"{head}/")
    await (await scene.dial({"url": url})).until("hello")


async def test_a_ticket_of_another_run_is_refused(scene: Scene) -> None:
    grant = await scene.grant("alice")
    ticket = grant["url"].rpartition("/")[2]
    await scene.server.stop()
    await scene.server.start()
    await refused(scene, f"{scene.server.api_url.replace('http', 'ws').removesuffix('api/')}rtm/{ticket}")


async def test_a_refused_socket_never_gets_an_event(scene: Scene) -> None:
    grant = await scene.grant("alice")
    await (await scene.dial(grant)).until("hello")
    socket = await scene.dial(grant)
    await socket.frame()
    for _ in range(3):
        await scene.post("bob", scene.general, "x")
    assert await socket.ended() == 1000


# --- echo ---


async def test_a_message_is_acked_to_its_socket_and_an_event_on_all_others(scene: Scene) -> None:
    here, elsewhere, bob = [await scene.connect(name) for name in ("alice", "alice", "bob")]
    ack = await here.say(scene.general, "see https://x.test")

    assert ack["text"] == "see <https://x.test>"
    assert await here.fence() == []
    for socket in (elsewhere, bob):
        (event,) = await socket.fence()
        assert (event["text"], event["ts"], event["user"]) == (ack["text"], ack["ts"], scene.users["alice"])


async def test_a_reply_by_frame_is_acked_and_its_parent_is_told_to_everybody(scene: Scene) -> None:
    parent = await scene.post("bob", scene.general, "question")
    here, elsewhere = await scene.connect("alice"), await scene.connect("alice")
    ack = await here.say(scene.general, "answer", thread_ts=parent)

    assert await here.events() == ["message_replied"]
    reply, replied = await elsewhere.fence()
    assert (reply["ts"], reply["thread_ts"]) == (ack["ts"], parent)
    assert replied["message"]["reply_count"] == 1
    await here.say(scene.general, "for all", thread_ts=parent, reply_broadcast=True)
    assert await elsewhere.events() == ["thread_broadcast", "message_replied"]


async def test_a_bot_that_sends_a_frame_is_told_apart_by_its_bot_id(scene: Scene) -> None:
    relaybot, alice = await scene.connect("relaybot"), await scene.connect("alice")
    await relaybot.say(scene.general, "beep")
    (event,) = await alice.fence()
    assert event["user"] == scene.users["relaybot"]
    assert event["bot_id"] == (await scene.ok("relaybot", "auth.test"))["bot_id"]


async def test_events_of_a_channel_come_in_the_order_of_their_ts(scene: Scene) -> None:
    listeners = [await scene.connect(name) for name in ("alice", "bob", "relaybot")]
    speakers = [await scene.connect(name) for name in ("alice", "bob", "relaybot")]

    async def speak(socket: Socket) -> None:
        for number in range(40):
            assert (await socket.say(scene.general, str(number)))["ok"]

    await asyncio.gather(*map(speak, speakers), *(scene.post("bob", scene.general, "x") for _ in range(20)))
    heard = [[frame["ts"] for frame in await socket.fence()] for socket in listeners]
    assert heard[0] == heard[1] == heard[2] == sorted(set(heard[0]))
    assert len(heard[0]) == 140


async def test_many_messages_at_once_are_each_acked_once_in_order(scene: Scene) -> None:
    """Beyond what one connection may have waiting the rest waits in the socket."""
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    count = 5_000
    for number in range(1, count + 1):
        await alice.send(type="message", id=number, channel=scene.general, text=str(number))
    acks = [await alice.frame() for _ in range(count)]
    assert [ack["reply_to"] for ack in acks] == list(range(1, count + 1))
    assert all(ack["ok"] for ack in acks)
    assert await bob.texts() == [str(number) for number in range(1, count + 1)]


async def test_pongs_come_back_in_order(scene: Scene) -> None:
    alice = await scene.connect("alice")
    for number in range(1, 21):
        await alice.send(type="ping", id=number, time=number)
    pongs = [await alice.frame() for _ in range(20)]
    assert [(pong["type"], pong["reply_to"], pong["time"]) for pong in pongs] == [("pong", n, n) for n in range(1, 21)]


# --- secrecy ---


async def test_a_private_channel_is_silent_to_everybody_else(scene: Scene) -> None:
    alice, bob, carol = [await scene.connect(name) for name in ("alice", "bob", "carol")]
    ts = (await alice.say(scene.ops, "secret"))["ts"]
    await alice.send(type="typing", channel=scene.ops)
    await scene.ok("relaybot", "reactions.add", channel=scene.ops, timestamp=ts, name="tada")
    await scene.ok("relaybot", "reactions.remove", channel=scene.ops, timestamp=ts, name="tada")
    await scene.post("relaybot", scene.ops, "answer", thread_ts=ts)
    await scene.ok("alice", "chat.update", channel=scene.ops, ts=ts, text="more")
    await scene.ok("alice", "chat.meMessage", channel=scene.ops, text="waves")
    await scene.ok("alice", "conversations.mark", channel=scene.ops, ts=ts)
    await scene.ok("alice", "chat.postEphemeral", channel=scene.ops, user=scene.users["relaybot"], text="psst")
    await scene.ok("alice", "chat.delete", channel=scene.ops, ts=ts)
    await scene.ok("relaybot", "conversations.leave", channel=scene.ops)
    await scene.ok("alice", "conversations.invite", channel=scene.ops, users=scene.users["relaybot"])

    assert len(await alice.fence()) > 8
    assert await bob.fence() == []
    assert await carol.fence() == []


async def test_what_strangers_send_to_a_private_channel_is_refused_and_told_to_nobody(scene: Scene) -> None:
    """What they call there is in test_strangers.py."""
    await scene.post("alice", scene.ops, "secret")
    alice, bob = await scene.connect("alice"), await scene.connect("bob")

    assert (await bob.say(scene.ops, "hello?"))["error"] == {"code": 0, "msg": "invalid channel id"}
    await bob.send(type="typing", id=77, channel=scene.ops)
    assert (await bob.reply_to(77))["error"] == {"code": 0, "msg": "invalid channel id"}
    assert await alice.fence() == []


# --- typing ---


@pytest.mark.parametrize("kind", ["typing", "user_typing"])
async def test_typing_is_told_to_the_other_members(scene: Scene, kind: str) -> None:
    here, elsewhere, bob, carol = [await scene.connect(name) for name in ("alice", "alice", "bob", "carol")]
    await here.send(type=kind, id=1, channel=scene.general)

    assert await here.fence() == []
    assert await elsewhere.fence() == []
    assert await carol.fence() == []
    (event,) = await bob.fence()
    assert event == {"type": "user_typing", "channel": scene.general, "user": scene.users["alice"]}


async def test_typing_in_a_thread_is_told_as_such(scene: Scene) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    for thread in ("1700000010.000100", "no ts", None):
        await alice.send(type="typing", channel=scene.general, thread_ts=thread)
    await alice.fence()
    assert [event.get("thread_ts") for event in await bob.fence()] == ["1700000010.000100", None, None]


async def test_typing_leaves_no_trace(scene: Scene) -> None:
    alice = await scene.connect("alice")
    await alice.send(type="typing", channel=scene.general)
    await alice.fence()
    assert await scene.history("bob", scene.general) == []


# --- several sockets ---


async def test_sockets_of_a_user_live_and_die_apart(scene: Scene) -> None:
    sockets = [await scene.connect("alice") for _ in range(5)]
    await sockets.pop(2).close()
    await scene.post("bob", scene.general, "x")
    for socket in sockets:
        assert await socket.texts() == ["x"]
    for socket in sockets[1:]:
        await socket.close()
    await scene.post("bob", scene.general, "y")
    assert await sockets[0].texts() == ["y"]


async def test_an_answer_is_for_the_socket_that_asked(scene: Scene) -> None:
    """Ids are per socket."""
    sockets = [await scene.connect("alice") for _ in range(3)]
    for number, socket in enumerate(sockets):
        await socket.send(type="message", id=1, channel=scene.general, text=str(number))
    for number, socket in enumerate(sockets):
        assert (await socket.reply_to(1))["text"] == str(number)


async def test_a_closed_socket_is_told_nothing_and_its_message_is_kept(scene: Scene) -> None:
    bob = await scene.connect("bob")
    for number in range(20):
        alice = await scene.connect("alice")
        await alice.send(type="message", id=1, channel=scene.general, text=str(number))
        await alice.close()
    async with asyncio.timeout(PATIENCE):
        texts = [(await bob.until(is_plain))["text"] for _ in range(20)]
    assert texts == [str(number) for number in range(20)]
