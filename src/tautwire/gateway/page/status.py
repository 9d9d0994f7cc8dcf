"""The status of a gateway as its web page gets it. Times are seconds ago; there is no token in it.

What a program or an upstream can make long is cut: ``MAX_TEXT`` characters of a text, ``MAX_SHOWN`` of a list. So a bot
takes about 60 kB at most, and a gateway has at most ``places.MAX_BOTS``.
"""

from typing import Final

import msgspec

from tautwire.gateway.setup.doctor import Finding
from tautwire.gateway.unmapped import Count
from tautwire.protocol.tokens import redact

MAX_TEXT: Final = 300
"""Characters of a name or a reason."""
MAX_FINDING: Final = 2_000
"""Characters of a finding of the doctor."""
MAX_SHOWN: Final = 20
"""Connections, errors and unmapped names of a bot, each with the most frequent or the newest first."""


def shown(text: str, most: int = MAX_TEXT) -> str:
    """Return a text as the page may have it: without secrets, and not too long."""
    text = redact(text)
    return text if len(text) <= most else text[: most - 1] + "…"


class Upstream(msgspec.Struct, frozen=True):
    """The link of a bot to its upstream."""

    way: str
    """``socket_mode`` or ``http``."""
    host: str
    is_up: bool
    up_for: float | None
    """Seconds since events can come; None while they cannot."""
    hello: float | None
    """Seconds since the last hello of Socket Mode."""
    event: float | None
    """Seconds since the last event."""
    connections: int
    """Open connections: one, and two while one takes the place of the other."""
    connects: int
    """Connections since the start."""
    refreshes: int
    """Of these, connections that the upstream asked to replace."""
    lost: int
    """Of these, connections that ended otherwise."""
    requests: dict[str, int]
    """Requests of the upstream by status, with events over HTTP."""
    trouble: str
    """What failed last; empty if nothing has."""
    trouble_ago: float | None


class Events(msgspec.Struct, frozen=True):
    """The events of the upstream, since the start."""

    stored: int
    repeated: int
    waiting: int
    """Events that are not stored yet."""
    unread: int
    """Payloads that are not an event."""
    put_off: int
    lag: float | None
    """Seconds from the last event at the upstream until it was stored."""
    lag_median: float | None
    lag_p99: float | None
    minutes_left_out: int
    """Minutes in which the upstream left events out."""


class Sends(msgspec.Struct, frozen=True):
    """The messages of programs over RTM, since the start."""

    waiting: int
    accepted: int
    paced: int
    """Messages that the gateway has held back for the pace of their channel."""
    limited: int
    """Calls that the upstream answered with Retry-After."""
    unknown: int
    """Messages whose outcome is not known."""
    refused: dict[str, int]
    """Messages that were refused, by error."""


class CatchingUp(msgspec.Struct, frozen=True):
    """The messages of times without connection."""

    is_running: bool
    last: float | None
    """Seconds since the last run has ended."""
    last_messages: int
    last_gaps: int
    messages: int
    """Messages since the start."""
    gaps: dict[str, int]
    """Gaps that remain, by reason."""


class Program(msgspec.Struct, frozen=True):
    """A connection of a program."""

    door: str
    """``rtm`` or ``socket_mode``."""
    name: str
    """That of its local token."""
    agent: str
    """What it calls itself (User-Agent); empty if it does not say it."""
    since: float
    queued: int
    """Bytes that wait for it."""
    is_slow: bool


class MissingScope(msgspec.Struct, frozen=True):
    """A scope for want of which something was refused."""

    scope: str
    what: str
    change: str


class Served(msgspec.Struct, frozen=True):
    """A bot that is served."""

    bot: str
    """Its name at the upstream."""
    team: str
    upstream: Upstream
    events: Events
    sends: Sends
    catching_up: CatchingUp
    connections: int
    programs: list[Program]
    """The newest connections."""
    scopes: list[MissingScope]
    unmapped: list[Count]
    unmapped_count: int


class BotStatus(msgspec.Struct, frozen=True):
    """A bot."""

    name: str
    """That of its table."""
    faults: dict[str, str]
    """Reasons by name, as /readyz has them."""
    served: Served | None
    """None if the bot is not served."""


class Examination(msgspec.Struct, frozen=True):
    """What the doctor has found, of the last run or of the one in progress."""

    is_running: bool
    ended: float | None
    """Seconds since the last run has ended; None if there was none, or one is in progress."""
    findings: dict[str, list[Finding]]
    """By bot."""


class Status(msgspec.Struct, frozen=True):
    """The whole gateway."""

    version: str
    uptime: float
    is_ready: bool
    faults: dict[str, str]
    """Those that no bot has: of the process."""
    bots: list[BotStatus]
    doctor: Examination
