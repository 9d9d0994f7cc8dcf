"""One front with its certificates and files, and what is said about it: what the commands start and stop."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tautwire.attach import child
from tautwire.attach.authority import Authority
from tautwire.attach.config import WILD, AttachSettings
from tautwire.attach.environment import Way, environment_of
from tautwire.attach.front import Front
from tautwire.attach.hosts import NEAR, Hosts
from tautwire.attach.legs import Legs
from tautwire.attach.namespace import Names
from tautwire.attach.outside import Outside
from tautwire.attach.trust import write_trust
from tautwire.protocol.errors import ConfigError

log = logging.getLogger("tautwire.attach")

FOLDER: Final = "attach"
"""Of the certificates, in the data directory."""
INTERVAL: Final = 1.0
"""Seconds between two looks at what arrived."""
RENEWAL_INTERVAL: Final = 3_600
"""Looks between two checks of the certificates."""


class Attachment:
    """What attached programs need beside a gateway or a server.

    Args:
        data: the data directory of the gateway or the server, which is in use by it.
        environment: that of the operator: its own bundles of roots are added to ours.
    """

    def __init__(self, settings: AttachSettings, data: Path, environment: Mapping[str, str]) -> None:
        self.legs = Legs()
        self._settings = settings
        self._folder = data.resolve() / FOLDER
        self._environment = environment
        self._front: Front | None = None
        self._watching: asyncio.Task[None] | None = None
        self._way: Way | None = None
        self._names: Names | None = None

    def start(self, behind: int, api_url: str, team: str = "") -> None:
        """Make the certificates if there are none, write the files, and serve.

        Args:
            behind: the port that ``listen_for_front`` has returned.
            team: the domain of the workspace.

        Raises:
            ConfigError: the files cannot be written, or the address cannot be used.
        """
        settings, hosts = self._settings, Hosts(team)
        authority = Authority(self._folder)
        trust = write_trust(authority.root, self._environment)
        outside = Outside(self._environment)
        front = Front(
            hosts, authority.context, self.legs, outside, host=settings.attach_host, port=settings.attach_port
        )
        api_url, api = _by_name(api_url)
        front.start(behind, api)
        self._front = front
        host = settings.dialled
        address = f"[{host}]:{front.port}" if ":" in host else f"{host}:{front.port}"
        self._way = Way(api_url, address, hosts.text, trust)
        self._names = Names(hosts, trust.bundle, self._folder, front)
        self._watching = asyncio.create_task(self._watch(authority))
        log.info("attached programs are served on %s", address)

    @property
    def way(self) -> Way:
        """How programs reach us."""
        if self._way is None:
            raise ConfigError("nothing is attached: call start() first")
        return self._way

    async def run(self, command: Sequence[str], token: str, app_token: str | None, stop: asyncio.Event) -> int:
        """Run a program that is led here, until it ends or ``stop`` is set; return its exit code.

        Raises:
            ConfigError: it cannot be started.
        """
        environment = environment_of(self._environment, self.way, token, app_token)
        if self._settings.attach_by == "names" and self._names is not None:
            return await child.run(command, environment, stop, self._names.start)
        return await child.run(command, environment, stop)

    def about(self) -> dict[str, Any]:
        """Return where everything is, as ``--json`` says it."""
        way = self.way
        return {
            "front": way.front, "proxy": f"http://{way.front}", "hosts": way.hosts.split(","),
            "root": str(way.trust.root), "bundle": str(way.trust.bundle), "truststore": str(way.trust.java),
        }  # fmt: skip

    async def stop_accepting(self) -> None:
        """Accept no more connections; open ones stay, so that goodbyes come through."""
        if self._front is not None:
            await self._front.stop_accepting()

    async def stop(self) -> None:
        """Drop all connections. No effect if it was not started."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait((self._watching,))
        if self._front is not None:
            await self._front.stop()

    async def _watch(self, authority: Authority) -> None:
        """Say once that a program is only half attached, and renew certificates."""
        looks, is_said = 0, False
        while True:
            await asyncio.sleep(INTERVAL)
            looks += 1
            fault = None if is_said else self.legs.fault
            if fault is not None:
                log.warning("%s", fault)
                is_said = True
            if looks % RENEWAL_INTERVAL == 0:
                try:
                    authority.refresh()
                except (OSError, TypeError, ValueError):
                    log.exception("the certificate of the front cannot be renewed")


def _by_name(api_url: str) -> tuple[str, int]:
    """Return a base URL that names this machine ``localhost``, and its port: the certificate is for no address."""
    parts = urlsplit(api_url)
    port = parts.port or 80
    if parts.hostname in (*NEAR, *WILD):
        return f"http://localhost:{port}{parts.path}", port
    return api_url, port
