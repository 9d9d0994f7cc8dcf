"""What the types of the public face promise. Checked, never run; each ``type: ignore`` marks an error there must be."""

import asyncio
from typing import assert_type

from tautwire import (
    Ack,
    AnyMessage,
    Backfill,
    Backfilled,
    BlockingRTMClient,
    Closed,
    Event,
    Gap,
    Identity,
    Message,
    MessageEvent,
    PingMessage,
    Pong,
    ReactionAddedEvent,
    Registration,
    RTMClient,
    Typing,
    UserTypingEvent,
)
from tautwire.protocol.ids import ChannelId, Ts

client = RTMClient()
blocking = BlockingRTMClient()


@client.on(ReactionAddedEvent)
async def on_reaction(event: ReactionAddedEvent) -> int:
    return len(event.reaction)


async def still_typed(event: ReactionAddedEvent) -> None:
    assert_type(await on_reaction(event), int)


@client.on(MessageEvent, concurrency=2, timeout=1.5)
async def on_any_message(event: AnyMessage) -> None: ...  # a wider parameter is fine


@blocking.on(UserTypingEvent, inline=True)
def on_typing(event: UserTypingEvent) -> None: ...


@client.on(UserTypingEvent)  # type: ignore[arg-type]
def on_wrong(event: MessageEvent) -> None: ...


def on_filled(report: Backfilled) -> int:
    return sum(report.counts.values())


RTMClient(backfill=Backfill(["C1"])).add_backfill_handler(on_filled)
BlockingRTMClient(backfill=Backfill(("C1",), limit=5)).add_backfill_handler(on_filled)
client.add_backfill_handler(on_typing)  # type: ignore[arg-type]


@client.on(MessageEvent)
def on_marked(event: MessageEvent) -> None:
    assert_type(event.is_backfilled, bool)


@client.on(("message", None))
def on_name(event: MessageEvent) -> None: ...


@client.on(("message", "bot_message"))
async def on_pair(event: Event) -> None: ...


class OnMessage:
    event_class = MessageEvent

    def handle(self, event: MessageEvent) -> None: ...


assert_type(client.register(OnMessage()), Registration)
client.register(OnMessage(), MessageEvent)
client.register(on_typing)
client.register(lambda event: print(event.channel), UserTypingEvent)
client.register(lambda event: print(event.nothing), UserTypingEvent)  # type: ignore[attr-defined]
client.register(on_typing, MessageEvent)  # type: ignore[arg-type]


def on_error(error: BaseException, event: Event | None) -> None: ...


async def on_close(closed: Closed) -> None: ...


def on_gap(gap: Gap) -> None: ...


client.add_error_handler(on_error)
client.add_error_handler(on_close)  # type: ignore[arg-type]
client.add_close_handler(on_close)
client.add_gap_handler(on_gap)
client.add_message_handler(print)


async def send() -> None:
    channel = ChannelId("C1")
    assert_type(await client.send(Message(channel, "x")), Ack)
    assert_type(await client.send(PingMessage()), Pong)
    assert_type(await client.send({"type": "message"}), Ack | Pong | None)
    assert_type(await client.send("{}"), Ack | Pong | None)
    assert_type((await client.say("C1", "x")).ts, Ts | None)
    assert_type(await client.ping(), float)
    assert_type(client.identity, Identity)
    await client.send(Typing(channel))
    await client.send(1)  # type: ignore[call-overload]
    assert_type(await asyncio.gather(client.say("C1", "a"), client.ping()), tuple[Ack, float])


def send_blocking() -> None:
    assert_type(blocking.send(Message(ChannelId("C1"), "x")), Ack)
    assert_type(blocking.say("C1", "x"), Ack)
    assert_type(blocking.ping(), float)
