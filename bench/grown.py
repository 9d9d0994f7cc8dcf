"""Workspaces of any size, written straight into the database as a server would have left them."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tautwire.server.services.access.identity import hash_token
from tautwire.server.store.queries.messages import MESSAGE
from tautwire.server.store.sqlite import SqliteEngine, insert_statement

BEGAN = 1_700_000_000
"""When the workspace was made, in seconds since 1970; its messages are a second apart."""
IN_CHANNEL = 100
"""Members of an ordinary channel, the viewer among them; channel 0 has everybody."""
IN_THREAD = 0.01
"""Part of the messages that are replies to the first message of channel 0; the others are in it, too."""
REACTED = 50
"""One in so many messages has a reaction."""
TEXT = "A usual message of some eighty characters, as people write them to each other."


@dataclass(frozen=True)
class Size:
    """How much there is in a workspace."""

    messages: int
    users: int
    channels: int

    def __str__(self) -> str:
        return f"{self.messages:,} messages, {self.users:,} users, {self.channels:,} channels"


def user(number: int) -> str:
    """Return the id of a person."""
    return f"U{number:010}"


def channel(number: int) -> str:
    """Return the id of a channel."""
    return f"C{number:010}"


def direct(number: int) -> str:
    """Return the id of the direct message of person 0 with another person."""
    return f"D{number:010}"


def token(number: int) -> str:
    """Return the token of a person."""
    return f"xoxp-{number:012}-{number:012}-{'a' * 24}"


def ts(number: int) -> str:
    """Return the timestamp of a message of channel 0."""
    return f"{BEGAN + number}.000100"


def grow(directory: Path, size: Size) -> None:
    """Fill a fresh data directory."""
    with SqliteEngine(directory) as database:
        connection = database.connect(durability="normal")
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            _write(connection, size)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()


def _write(connection: sqlite3.Connection, size: Size) -> None:
    people, directs = range(size.users), range(1, min(size.users, size.channels))
    members = [(channel(0), user(n)) for n in people]
    for c in range(1, size.channels):
        others = {1 + (c * 7 + n) % (size.users - 1) for n in range(min(IN_CHANNEL, size.users) - 1)}
        members += [(channel(c), user(n)) for n in (0, *sorted(others))]
    members += [(direct(n), user(m)) for n in directs for m in (0, n)]
    connection.execute("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'Grown', 'grown', ?)", (BEGAN,))
    connection.executemany(
        f"INSERT INTO users (id, name, real_name, email, created, updated) VALUES (?, ?, ?, ?, {BEGAN}, {BEGAN})",
        ((user(n), f"person{n}", f"Person {n}", f"person{n}@example.test") for n in people),
    )
    connection.executemany(
        "INSERT INTO token (hash, id, kind, user_id, scopes, origin, created)"
        f" VALUES (?, ?, 'user', ?, 'identify,bot:basic', 'issued', {BEGAN})",
        ((hash_token(token(n)), hash_token(token(n)).hex()[:16], user(n)) for n in people),
    )
    connection.executemany(
        "INSERT INTO channel (id, kind, name, creator, created, updated, general, topic, people)"
        f" VALUES (?, ?, ?, ?, {BEGAN}, {BEGAN * 1_000_000}, ?, ?, ?)",
        (
            *((channel(c), "public", f"channel{c}", user(0), c == 0, "A topic.", None) for c in range(size.channels)),
            *((direct(n), "im", None, user(0), False, "", f"{user(0)},{user(n)}") for n in directs),
        ),
    )  # fmt: skip
    connection.executemany(
        f"INSERT INTO membership (channel, user_id, joined) VALUES (?, ?, {BEGAN * 1_000_000})", members
    )
    connection.executemany(insert_statement(MESSAGE), _messages(size))
    connection.executemany(
        "INSERT INTO reaction (channel, ts, name, user_id, created) VALUES (?, ?, 'tada', ?, ?)",
        ((channel(0), ts(n), user(0), n) for n in range(0, size.messages, REACTED)),
    )


def _messages(size: Size) -> Iterator[tuple[str, str, str, str | None, int, bytes, None]]:
    every = int(1 / IN_THREAD)
    for n in range(size.messages):
        parent = ts(0) if n % every == every - 1 else None
        body = {"type": "message", "user": user(n % size.users), "text": TEXT, "ts": ts(n), "team": "T1"}
        if parent is not None:
            body |= {"thread_ts": parent, "parent_user_id": user(0)}
        yield channel(0), ts(n), user(n % size.users), parent, int(parent is None), json.dumps(body).encode(), None
