"""A new workspace as the bytes of its database: planted in memory, so that nothing is flushed before it is whole."""

from contextlib import closing
from functools import lru_cache

from tautwire.server.clock import Clock
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.planting import plant
from tautwire.server.services.seed import Seed
from tautwire.server.store.engine import StoreError
from tautwire.server.store.queries.workspace import find_workspace
from tautwire.server.store.sqlite import make_image, open_image


class New:
    """A workspace that is not served yet.

    Raises:
        StoreError: the seed cannot be planted.
    """

    def __init__(self, seed: Seed, clock: Clock) -> None:
        with closing(open_image(_empty())) as session:
            transaction = Transaction(session, clock)
            transaction.begin()
            self.tokens = transaction.attempt(lambda tx: plant(tx, seed, "seed"))
            """The tokens of users, bots and apps by name."""
            transaction.commit()
            team = find_workspace(session)
            if team is None:
                raise StoreError("the workspace could not be made: it has no team")
            self.team: str = team["id"]
            self.image = make_image(session)
            """Its database."""


@lru_cache(maxsize=1)
def _empty() -> bytes:
    """Return a database without rows, with the newest schema: its steps take longer than all else."""
    with closing(open_image()) as session:
        return session.connection.serialize()
