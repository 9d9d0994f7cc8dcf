"""Tokens of a gateway: those of the upstream's app, as settings name them, and the local ones that bots present."""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tautwire.protocol.errors import ConfigError
from tautwire.protocol.tokens import Token
from tautwire.server.directory import TokenFile
from tautwire.server.services.access.identity import new_id
from tautwire.server.values import Secret, WrongValueError

BOT: Final = "bot"
"""The name under which tokens.json has the token that each program may present."""
APP: Final = "app"
"""The same of the token for Socket Mode."""
_APP_TOKEN: Final = re.compile(r"xapp-\d+-(A[A-Z0-9]+)-", re.ASCII)


def read_token(name: str, text: str | None, variable: str | None, file: Path | None) -> str | None:
    """Return a token that settings have: its text, or what an environment variable or a file has; None without one.

    Args:
        name: of the setting, for errors.

    Raises:
        ConfigError: the variable is not set, the file cannot be read or is readable by others, or it is no token.
    """
    if text is not None:
        return text
    if variable is not None:
        found = os.environ.get(variable)
        if not found:
            raise ConfigError(f"{name}_env names the environment variable {variable}, which is not set")
        return _check(found, f"the environment variable {variable}")
    return None if file is None else _read_file(name, file)


def _read_file(name: str, file: Path) -> str:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077 and os.name == "posix":
            raise ConfigError(f"{file} can be read by other users: chmod 600 {file}")
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}_file cannot be read: {error}") from None
    return _check(text, str(file))


def _check(text: str, place: str) -> str:
    try:
        return Secret().check(text)
    except WrongValueError:
        raise ConfigError(f"{place} must have one token and nothing else") from None


def app_of(token: Token) -> str:
    """Return the id of the app that an app-level token names; empty if it names none.

    Source: wire/ids-and-timestamps.md#tokens.
    """
    named = _APP_TOKEN.match(token.reveal())
    return named[1] if named else ""


class LocalTokens:
    """The tokens by which one bot's programs are known, by name: ``bot`` for all of them, one for each program, and
    ``app`` for Socket Mode if that is on.

    Those that the settings do not have are made at the first start and kept in ``tokens.json``.

    Args:
        data: the data directory of the bot.
        given: the token that the settings have for ``bot``.
        names: ``app``, and the names of programs that have a token of their own.
    """

    def __init__(self, data: Path, given: str | None, names: Iterable[str]) -> None:
        self._file = TokenFile(data)
        self._given = given
        self._names = (BOT, *names)

    def known(self) -> dict[str, Token]:
        """Return those that there are by now.

        Raises:
            ConfigError: tokens.json cannot be read.
        """
        kept = self._file.read()
        if self._given is not None:
            kept[BOT] = self._given
        return {name: Token(kept[name]) for name in self._names if name in kept}

    def all(self) -> dict[str, Token]:
        """Return all; those that are missing are made.

        Raises:
            ConfigError: tokens.json cannot be read or written.
        """
        known = self.known()
        # They look like tokens of bots and apps: some programs look at the first letters.
        made = {
            name: f"{'xapp' if name == APP else 'xoxb'}-local-{new_id('')}{new_id('')}{new_id('')}"
            for name in self._names
            if name not in known
        }
        if made:
            self._file.add(made)
        return self.known() if made else known
