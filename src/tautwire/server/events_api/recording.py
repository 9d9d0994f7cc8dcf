"""What the journal has of a request to an app over HTTP: an event, or what a person asks an app for."""

from time import monotonic
from typing import Final, Literal

from tautwire.server.events_api.receiver import Outcome
from tautwire.server.journal.entry import Origin
from tautwire.server.services.controls import Controls

MAX_SHOWN: Final = 500
"""Characters of a URL in the journal."""


class Recorder:
    """Records the requests of one door.

    Args:
        controls: None while the control API is off; nothing is recorded then.
    """

    def __init__(self, door: Literal["events_api", "interactivity"], controls: Controls | None) -> None:
        self._door = door
        self._controls = controls

    def record(
        self, app: str, url: str, payload: bytes, outcome: Outcome, began: float, *, attempt: int = 0, retry: str = ""
    ) -> None:
        """Record a request that has ended.

        Args:
            payload: what was sent, as JSON.
            began: when, on the steady clock of the machine, in seconds.
            attempt: how often it was sent before.
            retry: why it was sent again.
        """
        if self._controls is None:
            return
        details = {
            "request": f"POST {_shown(url)}", "attempt": attempt, "retry_reason": retry,
            "status": outcome.status or None, "failure": outcome.reason or None,
            "milliseconds": round((monotonic() - began) * 1_000, 3),
        }  # fmt: skip
        parts = {"payload": payload, "answer": outcome.body} if outcome.body else {"payload": payload}
        self._controls.journal.note("delivery", Origin(self._door, None, app, None), details, **parts)


def _shown(url: str) -> str:
    """Return a URL without its query, which may hold a secret."""
    return url.partition("?")[0][:MAX_SHOWN]
