"""``page.txt`` in a data directory: the link that opens the page once, for its owner only, while the server runs."""

from pathlib import Path

from tautwire.protocol.errors import ConfigError
from tautwire.server.page.door import PATH
from tautwire.server.page.sessions import Sessions
from tautwire.server.private_file import replace_private

NAME = "page.txt"


class PageLink:
    """The link to the page of one workspace.

    Args:
        directory: the data directory, in which the file is written.
        base_url: the URL of the server, without a path.

    Raises:
        ConfigError: the file cannot be written.
    """

    def __init__(self, directory: Path, team: str, base_url: str, sessions: Sessions) -> None:
        self._path = directory / NAME
        self._team = team
        self._base_url = base_url
        self._sessions = sessions
        try:
            self.renew()
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror or error}") from error

    def renew(self) -> None:
        """Make a new link: the one before was used.

        Raises:
            OSError: the file cannot be written.
        """
        self.url = f"{self._base_url}{PATH}#key={self._sessions.new_key(self._team)}"
        """The present link. The key is behind the #, so it is in no request line, no log and no Referer."""
        replace_private(self._path, self.url.encode() + b"\n")

    def close(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)
