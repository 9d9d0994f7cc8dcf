"""Hooks for metrics: methods of an object of the user's, called as things happen.

A client without such an object has no overhead. Queue lengths are polled with ``RTMClient.queues``.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from tautwire.client.errors import ConnectError
from tautwire.client.log import LOG
from tautwire.client.notices import ClientState, Closed
from tautwire.protocol.events import Event

Outcome = Literal["delivered", "refused", "unknown"]
"""The outcome of a frame that waits for a reply."""


class Run(NamedTuple):
    """A handler did its work for one item."""

    handler: str
    """Its qualified name."""
    item: Any
    """The event, or what else the handler is for; None for a job of ``every``."""
    lag: float
    """Seconds between the item's coming in, or the time a job was due, and the beginning of this run."""
    seconds: float
    """How long this run took."""
    error: BaseException | None
    """What the handler raised."""


class Metrics:
    """The hooks. Override what you need; every method here does nothing.

    All are called on the client's loop, but ``handler_ran`` in the handler's thread if it has one. They have to be
    quick. An exception goes to the log and changes nothing else. One object may serve several clients.
    """

    def state_changed(self, state: ClientState) -> None:
        """The client is in another state now."""

    def attempt_failed(self, error: ConnectError) -> None:
        """An attempt to connect failed; the class of the error says how."""

    def connected(self, seconds: float) -> None:
        """A connection is ready, so many seconds after ``rtm.connect`` was called."""

    def disconnected(self, closed: Closed) -> None:
        """A connection ended; ``closed.cause`` says why, as one of a few."""

    def pinged(self, round_trip: float) -> None:
        """A ping was answered after so many seconds."""

    def event_received(self, event: Event) -> None:
        """An event is about to be given to its handlers."""

    def event_dropped(self, handler: str) -> None:
        """An item was dropped because the queue of this handler was full."""

    def handler_ran(self, run: Run) -> None:
        """A handler did its work, or failed at it."""

    def reply_received(self, kind: str, outcome: Outcome, seconds: float) -> None:
        """A frame of this kind (``message`` or ``ping``), sent so many seconds ago, is settled."""


_HOOKS: Final = tuple(name for name in vars(Metrics) if not name.startswith("_"))


def guarded(metrics: Metrics) -> Metrics:
    """Return hooks that do the same but never raise."""
    safe = Metrics()
    for name in _HOOKS:
        setattr(safe, name, _safe(getattr(metrics, name)))
    return safe


def _safe(hook: Callable[..., object]) -> Callable[..., None]:
    def call(*args: object) -> None:
        try:
            hook(*args)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 (a hook may raise anything; the client goes on)
            LOG.exception("metrics hook %s failed", getattr(hook, "__name__", hook))

    return call
