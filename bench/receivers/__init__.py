"""The clients under measurement: small programs that count message events in a typed handler, and how they are run.

A program is told by its environment where to connect and how many events a round has (``EVENTS``). It prints the
client's version, and after each round how many events it had and how many characters their texts were.
The other clients' packages are those of the conformance programs, pinned there and built by the same rules.
"""

import os
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.process import ALL_CORES, cpu_seconds, spawn
from conformance.programs import BUILD, CLIENTS, Client

HERE = Path(__file__).resolve().parent
PATIENCE = 60.0
"""Seconds for a program to start or to finish a round."""


@dataclass(frozen=True)
class Receiver:
    """A client with one way to handle events.

    Args:
        title: the client's name.
        handler: how its handler runs.
        events: how many of 300 bytes make a round of a few tenths of a second.
        large_events: the same of 5 kB.
        command: what starts it; ``{build}`` is where its packages are.
        of: the conformance program whose packages it uses.
        build: what makes it ready, run where its packages are.
        portions: whether it loses events unless the flood pauses for it.
        only_blocks: whether it is for events with blocks only.
    """

    title: str
    handler: str
    events: int
    large_events: int
    command: tuple[str, ...]
    of: str | None = None
    build: tuple[str, ...] = ()
    portions: bool = False
    only_blocks: bool = False

    @property
    def name(self) -> str:
        """A name for addresses."""
        return "".join(each for each in f"{self.title}-{self.handler}" if each.isalnum() or each == "-")

    def lack(self) -> str | None:
        """Return what is missing to run it, in a sentence; None if nothing is."""
        client = self._client()
        return None if client is None else client.lack()

    def prepare(self) -> None:
        """Build it."""
        client = self._client()
        if client is None:
            return
        client.prepare()
        if self.build:
            environment = {**os.environ, "GOTOOLCHAIN": "local"}
            subprocess.run(self._filled(self.build), cwd=client.directory, env=environment, check=True, timeout=540)

    def start(self, api_url: str, events: int) -> "Running":
        """Start it."""
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment |= {"SLACK_API_URL": api_url, "SLACK_BOT_TOKEN": "xoxb-bench", "EVENTS": str(events)}
        if self.of is not None:
            environment["NODE_PATH"] = str(BUILD / self.of / "node_modules")
        process = spawn(
            self._filled(self.command), cores=ALL_CORES, env=environment, cwd=HERE.parents[1], stderr=subprocess.DEVNULL
        )
        return Running(self, process, events)

    def _client(self) -> Client | None:
        return next((client for client in CLIENTS if client.name == self.of), None)

    def _filled(self, command: tuple[str, ...]) -> list[str]:
        return [part.format(here=HERE, build=BUILD / (self.of or "")) for part in command]


class Running:
    """A running receiver; ``events`` make a round."""

    def __init__(self, receiver: Receiver, process: "subprocess.Popen[str]", events: int) -> None:
        self.receiver = receiver
        self.events = events
        self._process = process
        self.version = self.line()

    def line(self) -> str:
        """Return the next line it prints."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline().strip() if ready else ""
        if not line:
            raise RuntimeError(f"{self.receiver.name} " + ("ended" if ready else "does not get all events"))
        return line

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used."""
        return cpu_seconds(self._process.pid)

    def stop(self) -> None:
        """End it."""
        with self._process:  # closes the pipe
            self._process.kill()


def _ours(handler: str, argument: str, events: int, large_events: int, *, only_blocks: bool = False) -> Receiver:
    command = (sys.executable, "-m", "bench.receivers.ours", argument)
    return Receiver("tautwire", handler, events, large_events, command, only_blocks=only_blocks)


def _bare(handler: str, *arguments: str) -> Receiver:
    command = (sys.executable, "-m", "bench.receivers.bare", *arguments)
    return Receiver("picows and msgspec alone", handler, 100_000, 30_000, command)


RECEIVERS = (
    _ours("inline", "inline", 100_000, 30_000),
    _ours("inline, reads the blocks", "blocks", 0, 10_000, only_blocks=True),
    _ours("coroutine, order kept", "async", 100_000, 30_000),
    _ours("in threads", "threads", 20_000, 20_000),
    _bare("inline"),
    _bare("inline, reads as often as ours", "bounded"),
    Receiver(
        "slack_sdk rtm_v2", "in threads", 6_000, 1_000, (sys.executable, "-m", "bench.receivers.rtm_v2"), portions=True
    ),
    Receiver("@slack/rtm-api", "inline", 100_000, 8_000, ("node", "{here}/rtm_api.js"), of="node_rtm_api"),
    Receiver(
        "slack-go/slack",
        "channel",
        20_000,
        500,
        ("{build}/slack_go",),
        of="go_slack",
        build=("go", "build", "-buildvcs=false", "-o", "{build}/slack_go", "{here}/slack_go.go"),
    ),
    Receiver(
        "slack-api-client, Tyrus",
        "inline",
        2_000,
        500,
        ("java", "-cp", "{build}/target/lib/*:{build}/bench", "SlackApi"),
        of="java_slack_api",
        build=("javac", "-d", "{build}/bench", "-cp", "{build}/target/lib/*", "{here}/SlackApi.java"),
    ),
)
