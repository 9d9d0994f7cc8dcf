"""Identifiers and message timestamps.

Ids are opaque strings whose first letters tell what they name; nothing here or above checks their length. A ``Ts`` is a
string of seconds and microseconds whose text order is time order, unique within a channel.

Source: wire/ids-and-timestamps.md (documented; the letters of multi-person conversations captured).
"""

import re
from enum import StrEnum
from typing import Final, NewType

UserId = NewType("UserId", str)
"""``U…``, or ``W…`` for a user of an organisation. ``USLACKBOT`` is the built-in bot."""

BotId = NewType("BotId", str)
"""``B…``: the record of an integration. A bot that is also a user has a ``UserId`` besides."""

ChannelId = NewType("ChannelId", str)
"""``C…``, ``G…`` or ``D…``; see ``IdKind``."""

TeamId = NewType("TeamId", str)
"""``T…``, or ``E…`` where an organisation stands in the place of a workspace."""

EnterpriseId = NewType("EnterpriseId", str)
"""``E…``: an organisation."""

AppId = NewType("AppId", str)
"""``A…``."""

FileId = NewType("FileId", str)
"""``F…``."""

FileCommentId = NewType("FileCommentId", str)
"""``Fc…``; retired with file comments."""

UsergroupId = NewType("UsergroupId", str)
"""``S…``; called subteam on the wire."""

RoomId = NewType("RoomId", str)
"""``R…``: a call or huddle."""

Ts = NewType("Ts", str)
"""Ten digits of seconds, a dot, six digits of microseconds. Compare as text; never make a float of it."""

NEVER: Final = Ts("0000000000.000000")
"""The read marker of a user who has read nothing. It sorts before every other ``Ts``."""

LAST_MICROS: Final = 10**16 - 1
"""Microseconds since 1970 of the last moment that a ``Ts`` can hold: ten digits of seconds end in the year 2286."""

_TS: Final = re.compile(r"([0-9]{10})\.([0-9]{6})")
_SECOND: Final = 1_000_000  # microseconds


class IdKind(StrEnum):
    """What an id names; the value is how such ids begin."""

    USER = "U"
    BOT = "B"
    CHANNEL = "C"
    """A public channel, a private one made since 2021, or (observed) a multi-person conversation."""

    GROUP = "G"
    """A private channel from before 2021, or a multi-person conversation."""

    DIRECT = "D"
    """A conversation of two."""

    TEAM = "T"
    ENTERPRISE = "E"
    APP = "A"
    FILE = "F"
    FILE_COMMENT = "Fc"
    USERGROUP = "S"
    ROOM = "R"
    REMINDER = "Rm"


_KINDS: Final = {kind.value: kind for kind in IdKind} | {"W": IdKind.USER}
_ID: Final = re.compile(r"(Fc|Rm|[A-Z])[A-Z0-9]+")


def kind_of(text: str) -> IdKind | None:
    """Return what an id names, None if the text is no id or of a kind that is not listed."""
    match = _ID.fullmatch(text)
    return _KINDS.get(match[1]) if match else None


def is_user_id(text: str) -> bool:
    """Whether the text is the id of a user, bot users included."""
    return kind_of(text) is IdKind.USER


def is_channel_id(text: str) -> bool:
    """Whether the text is the id of a conversation of any kind."""
    return kind_of(text) in (IdKind.CHANNEL, IdKind.GROUP, IdKind.DIRECT)


def is_ts(text: str) -> bool:
    """Whether the text is a timestamp."""
    return _TS.fullmatch(text) is not None


def ts_from_micros(micros: int) -> Ts:
    """Write microseconds since 1970 as a timestamp.

    Raises:
        ValueError: they are negative, or more than ten digits of seconds.
    """
    if not 0 <= micros <= LAST_MICROS:
        raise ValueError(f"{micros} microseconds cannot be written as a timestamp")
    return Ts("%010d.%06d" % divmod(micros, _SECOND))  # noqa: UP031 (half the time of an f-string)


def ts_to_micros(ts: Ts) -> int:
    """Read a timestamp as microseconds since 1970.

    Raises:
        ValueError: the text is no timestamp.
    """
    match = _TS.fullmatch(ts)
    if match is None:
        raise ValueError(f"{ts!r} is not a timestamp of ten digits, a dot and six digits")
    seconds, micros = match.groups()
    return int(seconds) * _SECOND + int(micros)


def next_ts(now_micros: int, last: Ts | None) -> Ts:
    """Return the timestamp of a new message: the clock's, or the next after ``last`` if the clock is not beyond it.

    Args:
        now_micros: the clock, in microseconds since 1970. It may stand still or step back.
        last: the newest timestamp of the channel, None if it has none.
    """
    if last is None:
        return ts_from_micros(now_micros)
    return ts_from_micros(max(now_micros, ts_to_micros(last) + 1))


def micros(ts: object) -> int | None:
    """Return a timestamp in microseconds, None for a value that is not a timestamp."""
    try:
        return ts_to_micros(Ts(ts)) if isinstance(ts, str) else None
    except ValueError:
        return None
