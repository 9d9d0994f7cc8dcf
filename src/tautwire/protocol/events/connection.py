"""Events about the connection itself.

The replies to frames (ack, pong) are in ``tautwire.protocol.frames``: they answer, they tell nothing new.
"""

from msgspec import Struct

from tautwire.protocol.events._base import Event


class HelloEvent(Event, frozen=True, kw_only=True, tag="hello"):
    """The connection is open: the first frame, before which nothing comes.

    The documented frame has no members; those below were seen on one gateway.

    To: this connection. Source: documented, read in an SDK.
    """

    fast_reconnect: bool | None = None
    region: str | None = None
    start: bool | None = None
    host_id: str | None = None


class GoodbyeEvent(Event, frozen=True, kw_only=True, tag="goodbye"):
    """The server will close the connection soon: make a new one and switch over.

    Sent before maintenance, at the maximum age of a connection (about eight hours), or when the workspace is idle.

    To: this connection. Source: documented.
    """

    source: str | None = None


class ErrorDetail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a session was refused."""

    code: int
    msg: str
    source: str | None = None
    retry_after: int | None = None
    """Seconds to wait before the next try."""


class ErrorEvent(Event, frozen=True, kw_only=True, tag="error"):
    """The session was refused; the server closes the connection.

    Which codes there are: ``tautwire.protocol.errors.RtmErrorCode``.

    To: this connection. Source: documented, read in an SDK.
    """

    error: ErrorDetail


class ReconnectUrlEvent(Event, frozen=True, kw_only=True, tag="reconnect_url"):
    """An address a new connection could be made to.

    Comes shortly after hello and about every 180 seconds then. Experimental: clients may ignore it.

    To: this connection. Source: documented, captured.
    """

    url: str | None = None


class TeamMigrationStartedEvent(Event, frozen=True, kw_only=True, tag="team_migration_started"):
    """The workspace moves to another server; every connection is closed right after this.

    Call rtm.connect at once; the answer migration_in_progress asks for waiting and trying again.

    To: everybody in the workspace. Source: documented.
    """
