"""Servers that a user might write by hand for the same job: durable acks and fan-out over RTM, and nothing else.

Each serves ``rtm.connect``, the WebSocket, ``hello`` and messages: an ack is sent after the commit (SQLite, WAL,
``synchronous=FULL``; what waits together is committed together), an event is encoded once, and the frames of one turn
go to a socket in one write. They have no rules beyond membership, no limits, presence, replay or slow-consumer policy.
A peer gets the same seed file as our server and prints the same line about the workspace.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.programs import GO, NODE, NPM, Client

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Peer:
    """A server under comparison; ``program`` builds it, ``command`` starts it where it was built."""

    title: str
    program: Client

    def lack(self) -> str | None:
        """Return what is missing to run it, in a sentence; None if nothing is."""
        return self.program.lack()

    def prepare(self) -> None:
        """Build it, unless that was done with these very sources."""
        os.environ.update(_node_headers())
        self.program.prepare()

    def command(self) -> Sequence[str]:
        """Return what starts it, with full paths."""
        directory = self.program.directory
        return [str(directory / part) if (directory / part).exists() else part for part in self.program.command]


def _node_headers() -> Mapping[str, str]:
    """Return where npm finds the headers of this Node: without them it downloads them to build better-sqlite3."""
    node = shutil.which("node")
    prefix = Path(node).resolve().parents[1] if node else None
    return {"npm_config_nodedir": str(prefix)} if prefix and (prefix / "include" / "node").is_dir() else {}


PEERS = (
    Peer(
        "Node ws + better-sqlite3",
        Client(
            "node",
            "ws",
            "Node.js",
            ("node", "server.js"),
            tools=(NODE, NPM),
            build=(("npm", "ci", "--no-audit", "--no-fund"),),
            home=HERE,
        ),
    ),
    Peer(
        "Go gorilla + SQLite",
        Client(
            "go",
            "gorilla/websocket",
            "Go",
            ("./program",),
            tools=(GO,),
            build=(("go", "build", "-buildvcs=false", "-o", "program", "."),),
            home=HERE,
        ),
    ),
)


def ready_peers(bench: str) -> list[Peer]:
    """Build the peers that can run here; say which cannot, and what they lack."""
    ready = []
    for peer in PEERS:
        lack = peer.lack()
        if lack is not None:
            print(f"{bench}: {peer.title} is left out: {lack}")
            continue
        peer.prepare()
        ready.append(peer)
    return ready
