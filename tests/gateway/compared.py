"""Messages of the upstream and of the log of a gateway, to be compared."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from scene import Scene


def logged(data: Path, channel: str) -> list[str]:
    """Return the ts of the messages in the log of the gateway, in its order."""
    with closing(sqlite3.connect(data / "tautwire.db")) as database:
        rows = database.execute("SELECT payload FROM log WHERE kind = 'event' ORDER BY position").fetchall()
    frames: list[dict[str, Any]] = [json.loads(row[0]) for row in rows]
    return [
        frame["ts"]
        for frame in frames
        if frame["type"] == "message" and "subtype" not in frame and frame["channel"] == channel
    ]


async def read(upstream: Scene) -> dict[str, list[dict[str, Any]]]:
    """Return the messages of the upstream by channel."""
    stored = {}
    for channel in (upstream.general, upstream.ops):
        found = await upstream.history("alice", channel, limit=999)
        stored[channel] = [each for each in reversed(found) if "subtype" not in each]
    return stored
