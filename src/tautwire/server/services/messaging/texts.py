"""What the server makes of a text that is posted. Source: wire/web-api.md#text-processing (documented)."""

import re
from enum import IntFlag
from typing import Final

from tautwire.protocol.text import link_urls
from tautwire.server.services.access.identity import Identity
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channel_by_name
from tautwire.server.store.queries.membership import find_membership
from tautwire.server.store.queries.users import find_user_by_name
from tautwire.server.store.records import ChannelKind


class Parse(IntFlag):
    """What becomes a link: nothing (0), or these."""

    URLS = 1
    """Bare web addresses."""
    NAMES = 2
    """``@name``, ``#name`` and ``@here``."""


def parse_of(parse: object, *, link_names: bool) -> Parse:
    """Return what the members ``parse`` and ``link_names`` of a message ask for."""
    links = Parse(0) if parse == "none" else Parse.URLS
    return links | Parse.NAMES if link_names or parse == "full" else links


_URLS: Final = int(Parse.URLS)
_NAMES: Final = int(Parse.NAMES)

MAX_POST: Final = 40_000
"""Code points of a text in chat.postMessage; a longer one is cut, with a warning.
Source: wire/web-api.md#lengths (documented)."""
MAX_TEXT: Final = 4_000
"""Code points of a text in the other methods; a longer one is msg_too_long.
Source: wire/web-api.md#lengths (documented)."""
MAX_NAMES: Final = 100
"""Different names that are looked up for one text (ours); further ones stay as they are."""

_NAME: Final = re.compile(r"<[^<>]*>|(?<![\w@#&/.-])([@#])(\w[\w.-]{0,79})")
_BROADCASTS: Final = frozenset({"here", "channel", "everyone"})

_LINK: Final = re.compile(r"!?\[([^\[\]\n]*)\]\((https?://[^\s()<>|]+)\)")
_HEADING: Final = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)
_STRONG: Final = re.compile(r"(?<!\*)\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*(?!\*)|(?<!\w)__(?=\S)([^_\n]+?)(?<=\S)__(?!\w)")
_EMPHASIS: Final = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])")
_STRIKE: Final = re.compile(r"~~(?=\S)([^~\n]+?)(?<=\S)~~")
_BULLET: Final = re.compile(r"^([ \t]*)[*+-][ \t]+", re.MULTILINE)
_CODE: Final = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)


def process(query: Query, who: Identity, text: str, parse: Parse) -> str:
    """Return the stored form of a text."""
    flags = int(parse)  # "&" of two flags makes a third, which takes a microsecond of every post
    if flags & _URLS:
        text = link_urls(text)
    return link_names(query, who, text) if flags & _NAMES else text


def link_names(query: Query, who: Identity, text: str) -> str:
    """Link the names of users, and of channels that the author sees: ``@bob`` becomes ``<@U…>``.

    What stands in ``<…>`` is left alone. A channel that the author does not see stays a word.
    """
    found: dict[tuple[str, str], str | None] = {}

    def link(match: re.Match[str]) -> str:
        sign, name = match[1], match[2]
        if sign is None:
            return match[0]
        bare = name.rstrip(".-")  # punctuation of the sentence, unless the name has it
        for each in dict.fromkeys((name, bare)):
            if (sign, each) not in found and len(found) < MAX_NAMES:
                found[sign, each] = _user(query, each) if sign == "@" else _channel(query, who, each)
            linked = found.get((sign, each))
            if linked is not None:
                return linked + name[len(each) :]
        return match[0]

    return _NAME.sub(link, text) if "@" in text or "#" in text else text


def from_markdown(text: str) -> str:
    """Return a text in Markdown with the marks of messages: ``**bold**`` becomes ``*bold*``.

    Links, headings, emphasis, strike-through and bullets are converted. Code stays as it is.
    """
    parts = _CODE.split(text)
    return "".join(part if number % 2 else _convert(part) for number, part in enumerate(parts))


def _convert(text: str) -> str:
    text = _BULLET.sub(r"\1• ", text)
    text = _EMPHASIS.sub(r"_\1_", text)
    text = _STRONG.sub(lambda match: f"*{match[1] or match[2]}*", text)
    text = _STRIKE.sub(r"~\1~", text)
    text = _HEADING.sub(lambda match: f"*{match[1].strip('*# ')}*", text)
    return _LINK.sub(lambda match: f"<{match[2]}|{match[1]}>" if match[1] else f"<{match[2]}>", text)


def _user(query: Query, name: str) -> str | None:
    if name in _BROADCASTS:
        return f"<!{name}>"
    user = find_user_by_name(query, name)
    return f"<@{user.id}>" if user is not None and not user.deleted else None


def _channel(query: Query, who: Identity, name: str) -> str | None:
    channel = find_channel_by_name(query, name)
    if channel is None:
        return None
    is_seen = channel.kind is ChannelKind.PUBLIC or find_membership(query, channel.id, who.user) is not None
    return f"<#{channel.id}>" if is_seen else None
