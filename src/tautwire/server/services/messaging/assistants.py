"""Threads of assistants: what an app says above and beside them. ``set_title`` and ``set_prompts`` are units.

Source: wire/assistants.md#assistant-threads.
"""

from typing import Any, Final

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.visible import readable_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import messages
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.messages import find_message
from tautwire.server.store.records import ChannelKind

_SUBTYPE: Final = "assistant_app_thread"


def check_thread(query: Query, who: Identity, channel: str, thread_ts: str) -> None:
    """Raise ``MethodError`` (channel_not_found, invalid_thread_ts) if the bot cannot have a status there."""
    readable_channel(query, who, channel, refusal="channel_not_found")
    if find_message(query, channel, thread_ts) is None:
        raise MethodError("invalid_thread_ts")


def set_title(tx: Transaction, who: Identity, channel: str, thread_ts: str, title: str) -> None:
    """Set the title of a thread in a direct message of the bot; emits message_changed of its root."""
    _change_root(tx, who, channel, thread_ts, {"title": title})


def set_prompts(
    tx: Transaction, who: Identity, channel: str, thread_ts: str, prompts: list[dict[str, str]], title: str
) -> None:
    """Set the prompts that a thread offers (where they are kept is ours); emits message_changed of its root."""
    _change_root(tx, who, channel, thread_ts, {"suggested_prompts": {"title": title, "prompts": prompts}})


def _change_root(tx: Transaction, who: Identity, channel: str, thread_ts: str, members: dict[str, Any]) -> None:
    try:
        room = messages.writable_room(tx, channel, who)
    except MethodError:
        raise MethodError("channel_not_found") from None
    if room.channel.kind is not ChannelKind.IM:
        raise MethodError("channel_not_found")
    try:
        row, before = messages.find_live(tx, channel, thread_ts)
    except MethodError:
        raise MethodError("invalid_thread_ts") from None
    if row["thread_ts"] is not None:
        raise MethodError("invalid_thread_ts")
    body = before | {_SUBTYPE: before.get(_SUBTYPE, {}) | members}
    if row["user_id"] == who.user:
        body["subtype"] = _SUBTYPE
    messages.rewrite(tx, room, row, before, body, room.next_hidden_ts(tx))
