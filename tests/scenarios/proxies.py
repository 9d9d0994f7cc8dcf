"""A real forward proxy, as a process of its own, that wants a user and a password."""

import re
import socket
import subprocess
from pathlib import Path
from typing import Final, Self

from needs import need

from subject import PATIENCE, eventually

USER: Final = "relay"
PASSWORD: Final = "pRoXy-pass_wOrD"
"""tinyproxy takes letters, digits and little else."""

ENCODED: Final = "pRoXy%2Dpass%5FwOrD"


class Tinyproxy:
    """tinyproxy on a port of its own, started, killed and started again at will."""

    def __init__(self, directory: Path) -> None:
        self._command = need("tinyproxy", "the Debian package tinyproxy-bin, or tinyproxy")
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Its address, with the right credentials."""
        return self.url_with(f"{USER}:{ENCODED}@")

    def url_with(self, credentials: str) -> str:
        """Its address with any credentials."""
        return f"http://{credentials}127.0.0.1:{self.port}"

    def start(self, *more: str, user: str = USER) -> None:
        """Start it, with more lines in its configuration, and wait until it takes connections."""
        file = self._directory / "tinyproxy.conf"
        lines = [
            "Listen 127.0.0.1", f"Port {self.port}", f"BasicAuth {user} {PASSWORD}", "MaxClients 50",
            "LogLevel Connect", f'LogFile "{self._log}"', *more,
        ]  # fmt: skip
        file.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen(
            [self._command, "-d", "-c", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._is_listening, "tinyproxy does not start")

    def kill(self) -> None:
        """End it at once, with all its tunnels."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def requests(self, method: str) -> list[str]:
        """Return the targets of the requests with a method that it was asked for, let through or not."""
        return re.findall(rf"Request \(file descriptor \d+\): {method} (\S+) HTTP", self._log.read_text())

    @property
    def _log(self) -> Path:
        return self._directory / "tinyproxy.log"

    def _is_listening(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "tinyproxy ended by itself"
        with socket.socket() as probe:
            probe.settimeout(PATIENCE)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
