"""What the types of handlers promise. Checked, never run; each ``type: ignore`` marks an error there must be."""

import re
from typing import assert_type

from tautwire import (
    Ack,
    AnyMessage,
    BlockingContext,
    BlockingRTMClient,
    ChannelCreatedEvent,
    Context,
    Dispatcher,
    Event,
    GoodbyeEvent,
    HelloEvent,
    MemberJoinedChannelEvent,
    MemberLeftChannelEvent,
    MessageEvent,
    Predicate,
    PresenceChangeEvent,
    ReactionAddedEvent,
    ReactionRemovedEvent,
    RTMClient,
    TeamJoinEvent,
    UnknownEvent,
    UserTypingEvent,
    from_bots,
    from_me,
    from_people,
    from_users,
    in_channels,
    in_direct,
    in_threads,
)

client = RTMClient()
blocking = BlockingRTMClient()
dispatcher = Dispatcher()


# -- by name ------------------------------------------------------------------------------------------------------


@client.on("message")
async def on_message(event: AnyMessage | UnknownEvent) -> None: ...


@client.on("message")  # type: ignore[arg-type]  # edits and deletions have the type, too
async def on_said(event: MessageEvent) -> None: ...


@blocking.on(("message", None))
def on_pair(event: MessageEvent) -> None: ...


@dispatcher.on("reaction_added", timeout=5)
async def on_reaction_added(event: ReactionAddedEvent) -> str:
    return event.reaction


@client.on("reaction_removed")
async def on_reaction_removed(event: ReactionRemovedEvent) -> None: ...


@client.on("user_typing", inline=True)
def on_user_typing(event: UserTypingEvent) -> None: ...


@client.on("presence_change")
def on_presence_change(event: PresenceChangeEvent) -> None: ...


@client.on("hello")
def on_hello(event: HelloEvent) -> None: ...


@client.on("goodbye")
def on_goodbye(event: GoodbyeEvent) -> None: ...


@client.on("team_join")
def on_team_join(event: TeamJoinEvent) -> None: ...


@client.on("channel_created")
def on_channel_created(event: ChannelCreatedEvent) -> None: ...


@client.on("member_joined_channel")
def on_member_joined_channel(event: MemberJoinedChannelEvent) -> None: ...


@client.on("member_left_channel")
def on_member_left_channel(event: MemberLeftChannelEvent) -> None: ...


@client.on("member_left_channel")  # type: ignore[arg-type]
def on_wrong(event: MemberJoinedChannelEvent) -> None: ...


@client.on("my_event", unknown=True)
def on_invented(event: UnknownEvent) -> None: ...


@client.on(HelloEvent, unknown=True)  # type: ignore[call-overload, untyped-decorator]  # a class is never unknown
def on_class(event: HelloEvent) -> None: ...


async def still_typed(event: ReactionAddedEvent) -> None:
    assert_type(await on_reaction_added(event), str)


# -- what else there is -------------------------------------------------------------------------------------------


@client.on(MessageEvent)
async def with_context(event: MessageEvent, context: Context, client: RTMClient) -> None:
    assert_type(await context.reply("x", in_thread=True), Ack)
    await context.react("eyes")
    assert_type(context.client, RTMClient)
    assert_type(context.channel, str)
    assert_type(context.user, str | None)
    assert_type(context.event, Event)


@blocking.on("message")
def with_blocking_context(event: AnyMessage | UnknownEvent, *, context: BlockingContext) -> None:
    assert_type(context.reply("x"), Ack)
    context.react("eyes")


@client.on(MessageEvent)  # type: ignore[arg-type]  # the event comes first
def of_slack_sdk(client: RTMClient, event: MessageEvent) -> None: ...


@client.on(MessageEvent)  # type: ignore[arg-type]
def of_nothing() -> None: ...


@client.hears("deploy")
async def heard(event: MessageEvent, found: re.Match[str]) -> None: ...


@blocking.hears("deploy", when=in_direct)
def heard_with_context(event: MessageEvent, found: re.Match[str], context: BlockingContext) -> None: ...


@client.hears()
async def heard_alone(event: MessageEvent) -> int:
    return len(event.text)


@client.hears()  # type: ignore[type-var]
async def heard_wrong(event: UserTypingEvent) -> None: ...


class Bot:
    def handle(self, event: MessageEvent, context: BlockingContext) -> None: ...


client.register(Bot())
client.register(Bot(), MessageEvent)
client.register(with_context)
client.register(with_context, MessageEvent, when=from_people)
client.register(with_context, UserTypingEvent)  # type: ignore[arg-type]


# -- predicates ---------------------------------------------------------------------------------------------------


def is_long(event: MessageEvent) -> bool:
    return len(event.text) > 100


assert_type(from_people & ~from_me | in_direct, Predicate)
assert_type(from_bots & is_long, Predicate)
assert_type(is_long | in_threads, Predicate)
assert_type(Predicate(is_long), Predicate)
assert_type(in_channels("C1", "C2") & from_users("U1"), Predicate)
from_people & 5  # type: ignore[operator]
in_channels(1)  # type: ignore[arg-type]


@client.on(MessageEvent, when=is_long)
def on_long(event: MessageEvent) -> None: ...


@client.hears(when=from_people & is_long)
def hears_long(event: MessageEvent) -> None: ...


@client.on(MessageEvent, when=True)  # type: ignore[call-overload, untyped-decorator]
def on_true(event: MessageEvent) -> None: ...
