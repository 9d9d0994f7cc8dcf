"""A context answers where the event happened: with a reply, in its thread if it is in one, and with a reaction."""

import asyncio
import json
import threading
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from drive import MakeClient, eventually
from tautwire import (
    Ack,
    BlockingContext,
    BlockingRTMClient,
    ClientClosed,
    Context,
    Dispatcher,
    Event,
    HelloEvent,
    MessageEvent,
    ReactionAddedEvent,
    RTMClient,
    UserTypingEvent,
)
from tautwire.protocol.codec import decode_event
from tautwire.testing import BlockingWorkspace

API = "http://127.0.0.1:1/api/"


def event(**members: Any) -> Event:
    found = decode_event(json.dumps(members))
    assert isinstance(found, Event)
    return found


MESSAGE = event(type="message", channel="C1", user="U1", text="x", ts="1.000001")
REPLY = event(type="message", channel="C1", user="U1", text="x", ts="2.000001", thread_ts="1.000001")
EDIT = event(
    type="message",
    subtype="message_changed",
    channel="C1",
    ts="9.000001",
    hidden=True,
    message={"type": "message", "user": "U2", "text": "y", "ts": "2.000001", "thread_ts": "1.000001"},
)
DELETION = event(
    type="message", subtype="message_deleted", channel="C1", ts="9.000001", deleted_ts="2.000001", hidden=True
)
REACTION = event(
    type="reaction_added",
    user="U1",
    reaction="eyes",
    item={"type": "message", "channel": "C1", "ts": "2.000001"},
    event_ts="9.000001",
)
TYPING = event(type="user_typing", channel="C1", user="U1", thread_ts="1.000001")
PIN = event(
    type="pin_added",
    user="U1",
    channel_id="C1",
    item={"type": "message", "channel": "C1", "message": {"type": "message", "ts": "2.000001"}},
    event_ts="9.000001",
)
JOINED_TEAM = event(type="team_join", user={"id": "U5", "name": "eve"})
HELLO = event(type="hello")


@pytest.mark.parametrize(
    ("about", "channel", "user", "message_ts", "thread_ts"),
    [
        (MESSAGE, "C1", "U1", "1.000001", None),
        (REPLY, "C1", "U1", "2.000001", "1.000001"),
        (EDIT, "C1", "U2", "2.000001", "1.000001"),
        (DELETION, "C1", None, None, None),
        (REACTION, "C1", "U1", "2.000001", None),
        (TYPING, "C1", "U1", None, "1.000001"),
        (PIN, "C1", "U1", "2.000001", None),
        (JOINED_TEAM, "", "U5", None, None),
        (HELLO, "", None, None, None),
    ],
)
def test_it_says_what_an_event_is_about(
    about: Event, channel: str, user: str | None, message_ts: str | None, thread_ts: str | None
) -> None:
    client = RTMClient("xoxb-x", API)
    context = Context(client, about)
    assert context.client is client
    assert context.event is about
    assert (context.channel, context.user, context.message_ts, context.thread_ts) == (
        channel,
        user,
        message_ts,
        thread_ts,
    )
    assert type(about).__name__ in repr(context)


class Spoken:
    """Stands for a client: keeps what it is to say."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str | None, bool | None]] = []
        self.reactions: list[dict[str, str]] = []
        self.web = self

    def say(self, channel: str, text: str, *, thread_ts: str | None, reply_broadcast: bool | None) -> Ack:
        self.said.append((channel, thread_ts, reply_broadcast))
        return Ack(reply_to=1)

    def reactions_add(self, **arguments: str) -> None:
        self.reactions.append(arguments)

    class callbacks:  # noqa: N801 (an attribute of the client)
        loop = None


@pytest.mark.parametrize(
    ("about", "in_thread", "where"),
    [
        (MESSAGE, None, ("C1", None)),
        (MESSAGE, True, ("C1", "1.000001")),
        (MESSAGE, False, ("C1", None)),
        (REPLY, None, ("C1", "1.000001")),
        (REPLY, True, ("C1", "1.000001")),
        (REPLY, False, ("C1", None)),
        (EDIT, None, ("C1", "1.000001")),
        (REACTION, None, ("C1", None)),
        (REACTION, True, ("C1", "2.000001")),
        (TYPING, None, ("C1", "1.000001")),
    ],
)
def test_a_reply_goes_where_the_event_happened(
    about: Event, in_thread: bool | None, where: tuple[str, str | None]
) -> None:
    client: Any = Spoken()
    assert isinstance(BlockingContext(client, about).reply("x", in_thread=in_thread, reply_broadcast=True), Ack)
    assert client.said == [(*where, True)]


def test_colons_around_an_emoji_are_left_out() -> None:
    client: Any = Spoken()
    BlockingContext(client, REACTION).react(":eyes:")
    assert client.reactions == [{"channel": "C1", "timestamp": "2.000001", "name": "eyes"}]


async def test_where_there_is_nothing_to_answer_it_says_so() -> None:
    client = RTMClient("xoxb-x", API)
    with pytest.raises(ValueError, match=r"HelloEvent belongs to no conversation.*client\.say"):
        await Context(client, HELLO).reply("x")
    with pytest.raises(ValueError, match="UserTypingEvent is about no message, so there is nothing to react"):
        await Context(client, TYPING).react("eyes")
    with pytest.raises(ValueError, match="MessageDeletedEvent is about no message, so there is no thread"):
        await Context(client, DELETION).reply("x", in_thread=True)
    with pytest.raises(ValueError, match="nothing to react"):
        BlockingContext(client, HELLO).react("eyes")


class TestKinds:
    def test_each_kind_of_handler_has_its_context(self) -> None:
        dispatcher = Dispatcher()

        async def coroutine(event: MessageEvent, context: BlockingContext) -> None: ...

        def plain(event: MessageEvent, context: Context) -> None: ...

        def inline(event: MessageEvent, context: BlockingContext) -> None: ...

        for handler, options, reason in (
            (coroutine, {}, "a coroutine handler gets a Context"),
            (plain, {}, "a plain handler gets a BlockingContext"),
            (inline, {"inline": True}, "leave out inline=True"),
        ):
            with pytest.raises(TypeError, match=reason):
                dispatcher.register(handler, **options)
        assert dispatcher.bindings == ()

    def test_a_context_of_ones_own_is_made(self) -> None:
        class Mine(BlockingContext):
            @property
            def shouted(self) -> str:
                return f"{self.user}!"

        got: list[str] = []
        client = RTMClient("xoxb-x", API)

        def handler(event: MessageEvent, *, mine: Mine | None = None) -> None:
            assert mine is not None
            got.append(mine.shouted)

        client.register(handler)
        client.dispatcher.dispatch(MESSAGE)
        eventually(lambda: got == ["U1!"])

    async def test_the_loop_does_not_wait_for_itself(self) -> None:
        client = RTMClient("xoxb-x", API)
        client.callbacks.use_running_loop()
        context = BlockingContext(client, MESSAGE)
        with pytest.raises(RuntimeError, match="would wait for itself"):
            context.reply("x")
        with pytest.raises(RuntimeError, match="would wait for itself"):
            context.react("eyes")

    def test_after_the_end_it_raises(self) -> None:
        client = RTMClient("xoxb-x", API)
        context = BlockingContext(client, MESSAGE)
        with pytest.raises(ClientClosed):
            context.reply("x")
        asyncio.run(self._use(client))
        with pytest.raises(ClientClosed):
            context.reply("x")

    @staticmethod
    async def _use(client: RTMClient) -> None:
        client.callbacks.use_running_loop()
        await client.close()


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
def test_a_bot_in_a_module_of_its_own_answers(
    make_client: MakeClient, blocking_workspace: BlockingWorkspace, kind: str
) -> None:
    """Both kinds of handlers, under both clients, against the real server: in the channel, in the thread, by emoji."""
    place = blocking_workspace
    dispatcher = Dispatcher()  # filled before there is a client
    seen: list[Any] = []

    if kind == "coroutine":

        @dispatcher.hears(r"^todo (\w+)$", mention=True)
        async def todo(event: MessageEvent, found: Any, context: Context, client: RTMClient) -> None:
            assert context.client is client
            ack = await context.reply(f"noted {found[1]}")
            await context.react("white_check_mark")
            await context.react(":white_check_mark:")  # there already: nothing to do
            seen.append((context.user, ack.ts is not None))

        @dispatcher.hears("^start$")
        async def start(event: MessageEvent, context: Context) -> None:
            await context.reply("started", in_thread=True)

        @dispatcher.on(ReactionAddedEvent)
        async def on_reaction(event: ReactionAddedEvent, context: Context) -> None:
            if context.user != context.client.identity.user.id:
                await context.reply(f"saw {event.reaction}")
                with pytest.raises(SlackApiError, match="invalid_name"):
                    await context.react("no such emoji")
                seen.append("refused")

    else:

        @dispatcher.hears(r"^todo (\w+)$", mention=True)
        def plain_todo(
            event: MessageEvent, found: Any, context: BlockingContext, client: RTMClient | BlockingRTMClient
        ) -> None:
            assert context.client is client
            assert threading.current_thread().name.startswith("tautwire-handler")
            ack = context.reply(f"noted {found[1]}")
            context.react("white_check_mark")
            context.react(":white_check_mark:")
            seen.append((context.user, ack.ts is not None))

        @dispatcher.hears("^start$")
        def plain_start(event: MessageEvent, context: BlockingContext) -> None:
            context.reply("started", in_thread=True)

        @dispatcher.on(ReactionAddedEvent)
        def on_plain_reaction(event: ReactionAddedEvent, context: BlockingContext) -> None:
            if context.user != context.client.identity.user.id:
                context.reply(f"saw {event.reaction}")
                with pytest.raises(SlackApiError, match="invalid_name"):
                    context.react("no such emoji")
                seen.append("refused")

    failures: list[Any] = []
    bot, alice, general = place.person("bot"), place.person("alice"), place.channel("general")
    client = make_client(base_url=place.api_url, token=bot.token, dispatcher=dispatcher)
    client.add_error_handler(lambda error, event: failures.append(error))
    client.connect()
    web = WebClient(alice.token, place.api_url)

    def replies(ts: str) -> list[str]:
        found: Any = web.conversations_replies(channel=general.id, ts=ts)["messages"]
        return [each["text"] for each in found[1:]]

    # In the channel, with an emoji on the message itself.
    asked: Any = web.chat_postMessage(channel=general.id, text=f"<@{bot.id}> todo tea")["ts"]
    eventually(lambda: seen == [(alice.id, True)])
    history: Any = web.conversations_history(channel=general.id)["messages"]
    assert [(each["text"], each.get("thread_ts")) for each in history[:1]] == [("noted tea", None)]
    marked = [each["name"] for each in history[1]["reactions"]]
    assert marked == ["white_check_mark"]

    # In the thread the message is in.
    web.chat_postMessage(channel=general.id, text=f"<@{bot.id}> todo milk", thread_ts=asked)
    eventually(lambda: len(seen) == 2)
    assert replies(asked)[1:] == ["noted milk"]

    # In a thread that is started for it.
    begun: Any = web.chat_postMessage(channel=general.id, text="start")["ts"]
    eventually(lambda: replies(begun) == ["started"])

    # To a reaction, in its channel; and a refusal of the server is raised.
    web.reactions_add(channel=general.id, timestamp=begun, name="eyes")
    eventually(lambda: seen[2:] == ["refused"])
    latest: Any = web.conversations_history(channel=general.id, limit=1)["messages"]
    assert latest[0]["text"] == "saw eyes"
    assert failures == []


def test_no_event_class_of_the_test_is_misread() -> None:
    """The frames above are read as the classes they stand for."""
    assert [type(each) for each in (MESSAGE, TYPING, REACTION, HELLO)] == [
        MessageEvent,
        UserTypingEvent,
        ReactionAddedEvent,
        HelloEvent,
    ]
