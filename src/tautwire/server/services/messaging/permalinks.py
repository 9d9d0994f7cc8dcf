"""The lasting addresses of messages. Source: wire/ids-and-timestamps.md#timestamps (documented)."""

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.visible import readable_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.messages import find_message


def permalink(base_url: str, channel: str, ts: str, thread_ts: str | None) -> str:
    """Return the address of a message; that of a reply names its thread."""
    thread = f"?thread_ts={thread_ts}&cid={channel}" if thread_ts is not None else ""
    return f"{base_url}/archives/{channel}/p{ts.replace('.', '')}{thread}"


def find_permalink(query: Query, who: Identity, base_url: str, channel: str, ts: str) -> str:
    """Return the address of a message that the caller may read.

    Raises:
        MethodError: channel_not_found or message_not_found.
    """
    readable_channel(query, who, channel, refusal="channel_not_found")
    row = find_message(query, channel, ts)
    if row is None:
        raise MethodError("message_not_found")
    return permalink(base_url, channel, ts, row["thread_ts"])
