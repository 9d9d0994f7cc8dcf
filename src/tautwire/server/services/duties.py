"""All that a workspace does by itself when it is due; what is due, the rules say.

Made before the workspace, whose parts tell a duty of each new row that has a time.
"""

import asyncio
from pathlib import Path

from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.log.writer import Writer
from tautwire.server.services.access.tokens import forget_ended
from tautwire.server.services.due import Due, Duty
from tautwire.server.services.files import removal
from tautwire.server.services.files.intake import Files
from tautwire.server.services.files.uploads import Room
from tautwire.server.services.messaging import scheduled, streams
from tautwire.server.services.people import profiles
from tautwire.server.services.workspace import Team
from tautwire.server.store.reader import Reader


class Duties:
    """The duties of one workspace.

    Args:
        disk: the directory on whose disk the database is; None if it is elsewhere.
    """

    def __init__(
        self, team: Team, settings: Settings, *, clock: Clock, writer: Writer, reader: Reader, disk: Path | None
    ) -> None:
        def due(duty: Duty) -> Due:
            return Due(duty, clock, writer, reader)

        self.schedule = due(scheduled.duty_of(team))
        """Posts the scheduled messages."""
        self.streams = due(streams.duty())
        """Ends messages that grow no more."""
        self.status_ends = due(profiles.duty_of(team))
        """Clears the statuses that end."""
        removals = due(removal.duty())
        self.files = Files(writer, removals, Room(settings.file_limit, settings.files_limit), disk)
        """Takes the bytes of files; its removals clear away what is not needed any more."""
        self._all = (self.schedule, self.streams, self.status_ends, removals, due(forget_ended()))

    def sweep(self) -> None:
        """Do what is due; to be called about once a second."""
        for each in self._all:
            each.sweep()

    async def stop(self) -> None:
        """Do no more, and wait for what is in progress."""
        await asyncio.gather(*(each.stop() for each in self._all))
