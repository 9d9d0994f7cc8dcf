"""The entry of a message in the index. New messages get theirs from ``services.search.filling``, not from their post.

A unit that changes a message calls ``replace_entry`` in its transaction. Deleted messages leave the index at once.
System messages (a user joined, …) and tombstones are not in it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tautwire.server.services.search.words import MARK, readable, words_of
from tautwire.server.store.queries.search import SEARCH_ENTRY, SearchEntry, delete_entry
from tautwire.server.store.statements import Statements

HAS_LINK: Final = f"{MARK}link"
HAS_FILE: Final = f"{MARK}file"

MAX_TEXT: Final = 40_000
"""Characters of a message that the index gets: those of the longest text."""

_SUBTYPES: Final = frozenset({None, "bot_message", "file_share", "me_message", "thread_broadcast"})
_SPOKEN: Final = ("pretext", "title", "text", "fallback")
"""The members of an attachment that are texts."""


def author_mark(user: str) -> str:
    """Return the mark of a message of this user."""
    return f"{MARK}f{user.lower()}"


def channel_mark(channel: str) -> str:
    """Return the mark of a message in this channel."""
    return f"{MARK}c{channel.lower()}"


def entry_of(channel: str, ts: str, user: str, body: Mapping[str, Any]) -> SearchEntry | None:
    """Return the entry of a message object, None if it is not to be found."""
    if body.get("subtype") not in _SUBTYPES:
        return None
    text = body.get("text") or ""
    marks = [author_mark(user), channel_mark(channel)]
    if "<http" in text or "<mailto:" in text:
        marks.append(HAS_LINK)
    if "files" in body:
        marks.append(HAS_FILE)
        text = "\n".join([text, *(f"{file.get('title', '')}\n{file.get('name', '')}" for file in body["files"])])
    if "attachments" in body:
        text = "\n".join([text, *_texts(body["attachments"])])
    return SearchEntry(ts, channel, " ".join([*words_of(readable(text[:MAX_TEXT])), *marks]))


def add_entry(tx: Statements, channel: str, ts: str, user: str, body: Mapping[str, Any]) -> None:
    """Gather the entry of a message that has none."""
    entry = entry_of(channel, ts, user, body)
    if entry is not None:
        tx.insert(SEARCH_ENTRY, entry)


def replace_entry(tx: Statements, channel: str, ts: str, user: str, body: Mapping[str, Any]) -> None:
    """Store the entry of a changed message in place of the old one.

    Also if it has none yet: the log, which the filling follows, does not refer to a changed message any more.
    """
    delete_entry(tx, channel, ts)
    add_entry(tx, channel, ts, user, body)


def _texts(attachments: Any) -> list[str]:
    """Return the texts of attachments, which are JSON in a message that is being posted."""
    if isinstance(attachments, msgspec.Raw):
        attachments = msgspec.json.decode(attachments)
    if not isinstance(attachments, list):
        return []
    found = [each[name] for each in attachments if isinstance(each, dict) for name in _SPOKEN if name in each]
    return [text for text in found if isinstance(text, str)]
