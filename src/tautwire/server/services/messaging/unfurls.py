"""Unfurls: what an app shows below a message for its links."""

from typing import Any, Final

import msgspec

from tautwire.protocol.text import Link, parse
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.room import enter
from tautwire.server.services.channels.visible import readable_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import messages

MAX_BYTES: Final = 200_000
"""Bytes of JSON of all attachments of a message (ours)."""
MAX_ATTACHMENTS: Final = 100


def show(tx: Transaction, who: Identity, channel: str, ts: str, shown: dict[str, dict[str, Any]]) -> None:
    """Attach to a message what is behind its links (a unit); emits message_changed, and the message is not "edited".

    Args:
        shown: attachments by URL. One that is there for the URL already is replaced.

    Raises:
        MethodError: cannot_find_channel, cannot_find_message; cannot_unfurl_url for a URL that is not in the text;
            cannot_unfurl_message if it would have too many or too large attachments.
    """
    try:
        readable_channel(tx, who, channel, refusal="cannot_find_channel")
    except MethodError:
        raise MethodError("cannot_find_channel") from None
    room = enter(tx, channel)
    if room is None:
        raise MethodError("cannot_find_channel")
    try:
        row, before = messages.find_live(tx, channel, ts)
    except MethodError:
        raise MethodError("cannot_find_message") from None
    links = {piece.url for piece in parse(before.get("text", "")) if isinstance(piece, Link)}
    if not links.issuperset(shown):
        raise MethodError("cannot_unfurl_url")
    own = [each for each in before.get("attachments", []) if isinstance(each, dict)]  # posted ones may be anything
    attachments = [each for each in own if each.get("from_url") not in shown]
    for url, attachment in shown.items():
        about = {"from_url": url, "original_url": url, "is_app_unfurl": True, "app_unfurl_url": url}
        maker = {"bot_id": who.bot_id, "app_id": who.app_id} if who.is_bot else {}
        attachments.append(attachment | about | maker)
    attachments = [attachment | {"id": number} for number, attachment in enumerate(attachments, start=1)]
    if len(attachments) > MAX_ATTACHMENTS or len(msgspec.json.encode(attachments)) > MAX_BYTES:
        raise MethodError("cannot_unfurl_message")
    messages.rewrite(tx, room, row, before, before | {"attachments": attachments}, room.next_hidden_ts(tx))
