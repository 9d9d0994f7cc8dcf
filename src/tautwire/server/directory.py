"""The names, ids and tokens with which clients reach a workspace; ``tautwire serve --json`` prints them.

Tokens of seeded users are in ``tokens.json`` in the data directory (mode 0600): the database stores only their hashes.
"""

import ipaddress
from pathlib import Path

import msgspec

from tautwire.protocol.errors import ConfigError
from tautwire.server.private_file import replace_private
from tautwire.server.services.hosting import Control
from tautwire.server.services.planting import WEBHOOK, app_key, secret_key
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import find_apps, find_signing_secrets
from tautwire.server.store.queries.channels import find_channel_ids
from tautwire.server.store.queries.users import find_user_ids
from tautwire.server.store.queries.workspace import find_workspace
from tautwire.server.store.records import SLACKBOT_ID, ChannelKind


class TokenFile:
    """``tokens.json``: the tokens of seeded users by name."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "tokens.json"

    def read(self) -> dict[str, str]:
        """Return the tokens, none without a file; raise ``ConfigError`` if the file is not an object of texts."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the tokens cannot be read from {self._path}: {error}; repair it or restore a backup"
            ) from error

    @property
    def exists(self) -> bool:
        """Whether the file exists: the directory was seeded before."""
        return self._path.exists()

    def set_aside(self) -> Path:
        """Rename the file, so that a new workspace does not overwrite it; return its new path."""
        number = 1
        while (place := self._path.with_suffix(f".{number}.json")).exists():
            number += 1
        return self._path.rename(place)

    def add(self, tokens: dict[str, str]) -> None:
        """Add tokens. The file is replaced in one step, and only its owner can read it.

        Raises:
            ConfigError: the file cannot be read or written.
        """
        data = msgspec.json.format(msgspec.json.encode(self.read() | tokens)) + b"\n"
        try:
            replace_private(self._path, data)
        except OSError as error:
            raise ConfigError(f"the tokens cannot be written to {self._path}: {error}") from error


class HostFile:
    """``host.json``: how the operations on whole workspaces are reached, while the server runs.

    Args:
        directory: the data directory, in which the file is written.
        control: their URL, and the secret of the host.

    Raises:
        ConfigError: the file cannot be written.
    """

    def __init__(self, directory: Path, control: Control) -> None:
        self._path = directory / "host.json"
        try:
            replace_private(self._path, msgspec.json.encode(control) + b"\n")
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror or error}") from error

    def close(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


class Directory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The address of a workspace, its users and its channels."""

    api_url: str
    team: dict[str, str]
    users: dict[str, dict[str, str | None]]
    """``id`` and ``token`` by name; the token is None for users that were not seeded."""
    channels: dict[str, str]
    """Ids by name, without direct messages."""
    apps: dict[str, dict[str, str | None]]
    """``id``, ``bot_token``, ``app_token``, ``signing_secret``, ``client_id`` and ``client_secret`` by name.

    A token or a client secret is None if it was not seeded, the others if the app has none.
    """
    webhooks: dict[str, dict[str, str]] = {}
    """URLs of seeded incoming webhooks by app and channel."""
    control: Control | None = None
    """None if the control API is not served."""
    host: Control | None = None
    """The operations on whole workspaces, with the secret of the host; None if the control API is not served."""
    page: str | None = None
    """The link that opens the web page once; None if the page is not served."""


def read_directory(query: Query, api_url: str, tokens: dict[str, str], control: Control | None = None) -> Directory:
    """Return the present directory."""
    team = find_workspace(query)
    users = find_user_ids(query, without=SLACKBOT_ID)
    secrets = find_signing_secrets(query)
    names = {user: name for name, user in users.items()}
    return Directory(
        api_url=api_url,
        team={name: team[name] for name in ("id", "name", "domain")} if team is not None else {},
        users={name: {"id": user, "token": tokens.get(name)} for name, user in users.items()},
        channels=find_channel_ids(query, (ChannelKind.PUBLIC, ChannelKind.PRIVATE)),
        apps={
            app.name: {
                "id": app.id,
                "bot_token": tokens.get(names.get(app.bot_user or "", "")),
                "app_token": tokens.get(app_key(app.name)),
                "signing_secret": secrets.get(app.id),
                "client_id": app.client_id,
                "client_secret": tokens.get(secret_key(app.name)),
            }
            for app in find_apps(query)
        },
        webhooks=_webhooks(tokens, api_url),
        control=control,
    )


def _webhooks(tokens: dict[str, str], api_url: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for key, path in tokens.items():
        app, is_webhook, channel = key.partition(WEBHOOK)
        if is_webhook:
            found.setdefault(app, {})[channel] = api_url.removesuffix("/api/") + path
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that binds to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
