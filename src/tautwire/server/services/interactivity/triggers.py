"""Triggers: what lets an app open a modal for three seconds after a person has acted, once.

The form is ``number.team.secret`` (wire/interactivity.md#trigger_id). The secret is a signature: so a trigger that was
never issued to the app has another error than one that is too old, and yet not every trigger is kept.
"""

import hashlib
import hmac
import secrets
from typing import Final

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.services.errors import MethodError

LIFETIME: Final = 3.0
"""Seconds. Source: wire/interactivity.md#trigger_id (documented)."""
KEPT: Final = 60.0
"""Seconds for which a trigger is remembered: until then it is known whether it was used."""
MAX_TRIGGERS: Final = 10_000
"""Triggers that are remembered; then the oldest is dropped, and counts as expired."""

EXPIRED: Final = "expired_trigger_id"
EXCHANGED: Final = "exchanged_trigger_id"
INVALID: Final = "invalid_trigger_id"
ERRORS: Final = (EXPIRED, EXCHANGED, INVALID)
"""Of the methods that take a trigger. Source: wire/interactivity.md#trigger_id (documented)."""


class Trigger(msgspec.Struct, frozen=True):
    """What a trigger stands for."""

    app: str
    user_id: str
    """The person who acted."""
    view: str
    """The id of the view in which the person acted; empty if it was not in a view."""
    number: int


class _Kept:
    __slots__ = ("is_spent", "issued", "trigger")

    def __init__(self, trigger: Trigger, issued: float) -> None:
        self.trigger = trigger
        self.issued = issued
        self.is_spent = False


class Triggers:
    """The triggers of a workspace, on the loop. They end with the process.

    Args:
        team: the id of the workspace.
    """

    def __init__(self, team: str, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._kept: dict[int, _Kept] = {}  # oldest first
        self._last = 0
        self._team = int.from_bytes(hashlib.sha256(team.encode()).digest()[:5])

    def __len__(self) -> int:
        return len(self._kept)

    def issue(self, app: str, user: str, view: str = "") -> str:
        """Return a new trigger for an app.

        Args:
            user: the id of the person who acts.
            view: the id of the view in which the person acts; empty outside of views.
        """
        now = self._clock.monotonic()
        self._tidy(now)
        number = self._last = max(self._clock.micros() // 1_000, self._last + 1)
        self._kept[number] = _Kept(Trigger(app, user, view, number), now)
        return f"{number}.{self._team}.{self._sign(number, app)}"

    def peek(self, app: str, text: str) -> Trigger:
        """Return the meaning of a trigger that can be spent, and leave it as it is.

        Raises:
            MethodError: exchanged_trigger_id, expired_trigger_id or invalid_trigger_id.
        """
        return self._find(app, text).trigger

    def spend(self, app: str, text: str) -> Trigger:
        """Do what ``peek`` does, and have the trigger not be accepted again. A call that fails later gives it back."""
        kept = self._find(app, text)
        kept.is_spent = True
        return kept.trigger

    def give_back(self, trigger: Trigger) -> None:
        """Have a trigger be accepted again within its time: the call that spent it has failed for another reason."""
        kept = self._kept.get(trigger.number)
        if kept is not None:
            kept.is_spent = False

    def _find(self, app: str, text: str) -> _Kept:
        head, _, secret = text.partition(".")
        team, _, secret = secret.partition(".")
        is_number = head.isascii() and head.isdigit() and len(head) <= 18
        number = int(head) if is_number else 0
        # Compared before anything is looked up; the time is the same for every secret.
        genuine = hmac.compare_digest(secret.encode("utf-8", "replace"), self._sign(number, app).encode())
        if not (genuine and is_number and team == str(self._team)):
            raise _refused(INVALID, "invalid `trigger_id`")
        kept = self._kept.get(number)
        if kept is None:
            raise _refused(EXPIRED, "`trigger_id` expired")
        if kept.is_spent:
            raise _refused(EXCHANGED, "`trigger_id` was used")
        if self._clock.monotonic() - kept.issued >= LIFETIME:
            raise _refused(EXPIRED, "`trigger_id` expired")
        return kept

    def _sign(self, number: int, app: str) -> str:
        return hmac.digest(self._key, f"{number} {app}".encode(), hashlib.sha256)[:16].hex()

    def _tidy(self, now: float) -> None:
        while self._kept:
            number, oldest = next(iter(self._kept.items()))
            if now - oldest.issued < KEPT and len(self._kept) < MAX_TRIGGERS:
                break
            del self._kept[number]


def _refused(code: str, message: str) -> MethodError:
    return MethodError(code, response_metadata={"messages": [f"[ERROR] {message} [json-pointer:/trigger_id]"]})
