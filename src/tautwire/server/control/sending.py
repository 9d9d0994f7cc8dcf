"""What the control API sends by the doors of a workspace: an event to one connection or app, ``disconnect``, a retry.

Over RTM an event goes to the connection as it is. To an app it goes by its tap, as the events of the log do.
"""

from typing import Any, Protocol

import msgspec

from tautwire.server.services.access.subscriptions import DISABLED
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.connected import is_live
from tautwire.server.services.controls import Sent
from tautwire.server.taps.composed import BadEventError, SlowAppError
from tautwire.server.taps.taps import Taps


class Served(Protocol):
    """The doors of a workspace, once it has started."""

    door: Any
    link_door: Any
    event_door: Any
    taps: Taps


class Sender:
    """Sends by the doors of a workspace."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def to_connection(self, number: int, event: dict[str, Any]) -> Sent:
        """Send an event on one connection of RTM or Socket Mode.

        Raises:
            Refused: there is none, or it cannot take the event.
        """
        link = _find(self._served.link_door, number)
        if link is not None:
            return await self.to_app(link.user, event, number)
        connection = _find(self._served.door, number)
        if connection is None:
            raise NotFound("connection_not_found", f"{number} is no connection that is open: see `connections`")
        if connection.is_full:
            raise Refused("connection_is_slow", f"the connection {number} does not read: too much waits for it")
        payload = msgspec.json.encode(event)
        connection.send(payload)
        return Sent(len(payload), connection=number)

    async def to_app(self, app: str, event: dict[str, Any], connection: int = 0) -> Sent:
        """Send an event to an app over its door.

        Raises:
            Refused: the app cannot take it now.
        """
        tap = self._served.taps.find(app)
        if tap is None or not tap.is_running:
            raise Refused(
                "app_not_connected", f"{app} has no connection, or its request URL is not served: see `connections`"
            )
        try:
            envelope = await tap.compose(event, connection)
        except BadEventError as error:
            raise Refused("invalid_event", f"the event was not sent: {error}") from None
        except SlowAppError as error:
            raise Refused("app_is_slow", f"the event was not sent: {error}") from None
        return Sent(len(envelope.payload), connection=connection or None, app=app, event_id=envelope.id)

    def disconnect(self, number: int, reason: str) -> None:
        """Have the client of a Socket Mode connection dial anew.

        Raises:
            Refused: there is none, or it was asked before.
        """
        if _find(self._served.link_door, number) is None:
            raise NotFound("connection_not_found", f"{number} is no open connection of Socket Mode: see `connections`")
        if not self._served.link_door.disconnect(number, reason):
            raise Refused("already_disconnecting", f"the connection {number} had its `disconnect`: it ends soon")

    def retry(self, app: str, event_id: str | None) -> int:
        """Try at once what waits for an app over HTTP, or one event; return how many events that are.

        An app that is not served, or cannot be reached, is asked at once: it gets them when it answers.

        Raises:
            Refused: the app gets no events over HTTP, or the event does not wait.
        """
        tap = self._served.taps.find(app)
        if tap is None or not tap.subscription.request_url or tap.subscription.socket_mode:
            raise Refused("no_request_url", f"{app} gets no events over HTTP: give it a request URL")
        if tap.subscription.request_state == DISABLED:
            raise Refused("request_url_disabled", f"the request URL of {app} is switched off: set it again")
        if event_id is not None and not tap.knows(event_id):
            raise NotFound("event_not_found", f"{event_id[:40]!r} does not wait: it was delivered, or is too old")
        tried = tap.retry(event_id)
        if not tap.is_running:
            self._served.event_door.ask_now(app)
        return tried


def _find(door: Any, number: int) -> Any:
    """Return the open connection of a door with a number, None if it has none."""
    return next((each for each in door.connections if each.number == number and is_live(each)), None)
