"""What the service manager learns, over a real datagram socket as systemd has it."""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from operated import PATIENCE, operated

from tautwire.cli.service import Manager, may_live, told
from tautwire.server.health import Health

WATCHDOG = 0.3
"""Seconds of the watchdog in these tests."""


class Systemd:
    """The other end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.settimeout(PATIENCE)

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "NOTIFY_SOCKET": self.address, **more}

    def message(self) -> list[str]:
        return self.socket.recv(4_096).decode().split("\n")

    def until(self, line: str) -> str:
        """Return the next line that begins so."""
        while True:
            for each in self.message():
                if each.startswith(line):
                    return each

    def waiting(self) -> list[str]:
        """Return the lines of what has come and was not read."""
        lines: list[str] = []
        self.socket.setblocking(False)
        try:
            while True:
                lines += self.message()
        except BlockingIOError:
            return lines
        finally:
            self.socket.settimeout(PATIENCE)


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    directory = tempfile.mkdtemp()  # the path of a socket must be short
    systemd = Systemd(f"{directory}/notify")
    yield systemd
    systemd.socket.close()
    shutil.rmtree(directory)


def test_a_server_tells_that_it_serves_and_that_it_stops(systemd: Systemd, tmp_path: Path) -> None:
    with operated(tmp_path / "data", environment=systemd.environment()) as server:
        assert systemd.message() == ["READY=1", "STATUS=ready"]
        server.process.send_signal(signal.SIGTERM)
        assert systemd.until("STOPPING=") == "STOPPING=1"
        assert server.process.wait(PATIENCE) == 0


def test_a_server_whose_store_is_broken_feeds_the_watchdog_no_more(systemd: Systemd, tmp_path: Path) -> None:
    watchdog = {"WATCHDOG_USEC": str(int(WATCHDOG * 1_000_000))}
    with operated(tmp_path / "data", environment=systemd.environment(**watchdog)) as server:
        systemd.until("WATCHDOG=1")
        systemd.until("WATCHDOG=1")

        (server.data / "tautwire.db").rename(tmp_path / "kept.db")
        assert systemd.until("STATUS=not ready").startswith("STATUS=not ready: store: ")
        systemd.socket.settimeout(10 * WATCHDOG)
        with pytest.raises(TimeoutError):
            systemd.until("WATCHDOG=1")

        systemd.socket.settimeout(PATIENCE)
        (tmp_path / "kept.db").rename(server.data / "tautwire.db")
        assert systemd.until("STATUS=") == "STATUS=ready"
        systemd.until("WATCHDOG=1")


async def test_a_manager_may_have_an_abstract_socket() -> None:
    systemd = Systemd(f"@tautwire-test-{os.getpid()}")
    try:
        async with told(Health(), Manager(systemd.environment())):
            assert systemd.message() == ["READY=1", "STATUS=ready"]
        systemd.until("STOPPING=1")
    finally:
        systemd.socket.close()


async def test_without_a_manager_nothing_is_told() -> None:
    manager = Manager({})

    assert (manager.listens, manager.patience) == (False, None)
    async with told(Health(), manager):
        pass


async def test_a_manager_that_is_gone_does_not_end_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async with told(Health(), Manager({"NOTIFY_SOCKET": "/nowhere/at/all"})):
        pass

    assert "the service manager did not take READY=1: No such file or directory" in caplog.text


async def test_a_status_has_no_token(systemd: Systemd) -> None:
    health = Health()
    health.fault("upstream", "refused: xoxb-1234567890-abcdefghijkl\nand more")
    async with told(health, Manager(systemd.environment())):
        message = systemd.message()

    assert len(message) == 2
    assert "abcdefghijkl" not in message[1]


@pytest.mark.parametrize(
    ("environment", "patience"),
    [
        ({"WATCHDOG_USEC": "90000000"}, 90.0),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())}, 90.0),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_of_this_process_counts(environment: dict[str, str], patience: float | None) -> None:
    assert Manager(environment).patience == patience


@pytest.mark.parametrize(
    ("faults", "lives"),
    [((), True), (("store",), False), (("writer",), False), (("database",), False), (("descriptors",), True),
     (("upstream",), True), (("token",), True), (("disk", "store"), True)],
)  # fmt: skip
def test_faults_that_a_restart_does_not_mend_feed_the_watchdog(faults: tuple[str, ...], lives: bool) -> None:
    assert may_live(dict.fromkeys(faults, "a reason")) is lives  # type: ignore[arg-type]
