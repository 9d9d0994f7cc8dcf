"""What a supervisor reports: the face of those that carry what connections say and send.

``client/delivery``, ``client/sending`` and ``client/lifecycle`` each are one; ``client/rtm_client`` sets their order.
"""

from tautwire.client.connection.connection import Connection
from tautwire.client.errors import ConnectError
from tautwire.client.notices import ClientState
from tautwire.session.client import Ended


class Observer:
    """What a supervisor reports. Override what you need; every method here does nothing.

    All are called on the loop. An exception is logged and goes no further.
    """

    def handover_failed(self, old: Connection) -> None:
        """Called before ``connection_opened`` if the old connection ended before all its events had come."""

    def connection_opened(self, new: Connection) -> None:
        """Called when events begin to come from this connection, and from no other."""

    def connection_closed(
        self, connection: Connection, ended: Ended, *, was_replaced: bool, will_reconnect: bool
    ) -> None:
        """Called once for each connection that had its hello, when it is over, expected or not."""

    def connect_failed(self, error: ConnectError) -> None:
        """Called for each attempt that failed."""

    def state_changed(self, state: ClientState) -> None:
        """Called with every new state of the client."""
