"""The options of back-fill.

The work is done elsewhere: ``client/backfill/filler`` decides when a channel is filled, ``client/backfill/history``
asks the server, ``client/backfill/channel`` puts both kinds of events into one order.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tautwire.protocol.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Backfill:
    """Which channels are filled from their history when the server does not resume, and how far that goes.

    Args:
        channels: their ids (no names).
        limit: messages per channel and gap; the newest ones win.
        timeout: seconds a filling may take in all, which is how long a live event may be held back for it.
        held: live events of a channel that may be held back; one more, and the filling of the channel is given up.

    Raises:
        ConfigError: a value is out of range, or a channel is not an id.
    """

    channels: Iterable[str]
    limit: int = 1_000
    timeout: float = 60.0
    held: int = 5_000

    def __post_init__(self) -> None:
        if isinstance(self.channels, str):
            raise ConfigError(f'channels must be a list of ids such as ["C024BE91L"], got {self.channels!r}')
        object.__setattr__(self, "channels", tuple(dict.fromkeys(self.channels)))
        if not all(isinstance(each, str) and each[:1].isalpha() for each in self.channels):
            raise ConfigError(f"channels must be ids such as C024BE91L, got {self.channels!r}")
        if self.limit < 1 or self.held < 1 or not self.timeout > 0:
            raise ConfigError(
                f"limit, held and timeout must be positive, got {self.limit}, {self.held} and {self.timeout}"
            )
