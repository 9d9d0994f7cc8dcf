"""A workspace as an older version has left it, for each version of the schema and both databases.

The tables are made by the steps up to that version, and filled with what its server wrote.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from stores import Store

from tautwire.server.store.migrations import Dialect, scripts
from tools.postgres import Cluster

ALICE, BOT = "xoxp-1-alice", "xoxb-1-relaybot"
"""The tokens of its users."""
FIRST, REPLY = "1700000000.000100", "1700000001.000200"
"""A message of alice, and the bot's reply in its thread."""
PORTABLE = 6
"""The version with which PostgreSQL came, and the names of columns changed."""
FAR = 4_000_000_000

Row = tuple[str, Mapping[str, Any]]


def build(store: Store, cluster: Cluster | None, data: Path, version: int) -> None:
    """Make the database of a data directory."""
    if store.kind == "sqlite":
        with closing(sqlite3.connect(data / "tautwire.db")) as old:
            for script in scripts("sqlite", after=0, up_to=version):
                old.executescript(f"{script.text}\nPRAGMA user_version = {script.number};")
            old.executescript("\n".join(statement("sqlite", row) for row in rows(version)))
            old.commit()
        return
    assert cluster is not None
    schema = str(store.url(data)).rpartition("schema=")[2]
    cluster.psql("public", f"CREATE SCHEMA {schema}")
    cluster.psql(schema, "; ".join(script.text for script in scripts("postgres", after=0, up_to=version)))
    cluster.psql(schema, "".join(statement("postgres", row) for row in rows(version)))
    cluster.psql(schema, "CREATE TABLE schema_version (version BIGINT NOT NULL)")
    cluster.psql(schema, f"INSERT INTO schema_version VALUES ({version})")


def statement(dialect: Dialect, row: Row) -> str:
    """Return the INSERT of a row, in the words of a database."""
    table, values = row
    shown = ", ".join(literal(dialect, value) for value in values.values())
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({shown});"


def literal(dialect: Dialect, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper() if dialect == "postgres" else str(int(value))
    if isinstance(value, bytes):
        return f"x'{value.hex()}'" if dialect == "sqlite" else f"'\\x{value.hex()}'"
    return "NULL" if value is None else repr(value)


def message(user: str, text: str, ts: str, **more: str) -> bytes:
    return msgspec.json.encode({"type": "message", "user": user, "text": text, "ts": ts, "team": "T1", **more})


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def rows(version: int) -> list[Row]:
    """Return all rows of the workspace, in an order that references allow."""
    user = "user_id" if version >= PORTABLE else "user"
    first, reply = message("U1", "hello", FIRST), message("U2", "hi alice", REPLY, thread_ts=FIRST)
    person = {"created": 1_600_000_000, "updated": 1_600_000_000}
    profile = {"profile": msgspec.json.encode({"title": "Captain"}).decode()} if version >= 10 else {}
    found: list[Row] = [
        ("workspace", {"id": "T1", "name": "Acme", "domain": "acme", "created": 1_600_000_000, "head": 3}),
        *(("users" if version >= PORTABLE else "user", each) for each in (
            {"id": "USLACKBOT", "name": "slackbot", "bot_id": "B01", "app_id": "A00", **person},
            {"id": "U1", "name": "alice", "real_name": "Alice Example", **person, **profile},
            {"id": "U2", "name": "relaybot", "bot_id": "B2", "app_id": "A2", **person},
        )),
        *apps(version),
        *(("token", token(version, hashed, who, user)) for hashed, who in (
            (token_hash(ALICE), "U1"), (token_hash(BOT), "U2"),
        )),
        ("channel", {"id": "C1", "kind": "public", "name": "general", "creator": "U1", "created": 1_600_000_000,
                     "updated": 1_600_000_000_000_000, "general": True}),
        *(("membership", {"channel": "C1", user: who, "joined": 1_600_000_000_000_000}) for who in ("U1", "U2")),
        ("message", {"channel": "C1", "ts": FIRST, user: "U1", "in_channel": True, "body": first,
                     **position(version, 2)}),
        ("message", {"channel": "C1", "ts": REPLY, user: "U2", "in_channel": False, "body": reply,
                     "thread_ts": FIRST, **position(version, 3)}),
        ("reaction", {"channel": "C1", "ts": FIRST, "name": "tada", user: "U2", "created": 1_600_000_000_000_000}),
        ("channel_clock", {"channel": "C1", "last_ts": REPLY}),
        ("log", {"position": 1, "kind": "join", "topic": "C1", "payload": b"U2"}),
        entry(version, 2, FIRST, first),
        entry(version, 3, REPLY, reply),
    ]  # fmt: skip
    return found + later(version)


def entry(version: int, position: int, ts: str, body: bytes) -> Row:
    """Return the entry of the log about a message: for some time it referred to the row of the message."""
    if version < 3:
        return "log", {"position": position, "kind": "event", "topic": "C1", "payload": body}
    if version < PORTABLE:
        return "log", {"position": position, "kind": "message", "topic": "C1", "payload": ts}
    return "log", {"position": position, "kind": "message", "topic": "C1", "payload": b"", "message_ts": ts}


def position(version: int, number: int) -> dict[str, int]:
    """Return what a message knows of its entry."""
    return {"position": number} if version >= 3 else {}


def apps(version: int) -> list[Row]:
    if version < 7:
        return []
    return [("app", {"id": "A2", "name": "relaybot", "bot_user": "U2", "created": 1_600_000_000})]


def token(version: int, hashed: bytes, who: str, user: str) -> dict[str, Any]:
    row: dict[str, Any] = {"hash": hashed, user: who, "origin": "seed", "created": 1_600_000_000}
    if version >= 7:
        kind = {"kind": "user"} if who == "U1" else {"kind": "bot", "app_id": "A2"}
        row |= {"id": hashed.hex()[:16], "scopes": "identify,bot:basic", **kind}
    return row


def later(version: int) -> list[Row]:
    """Return rows of the tables that came with a version."""
    found: dict[int, list[Row]] = {
        2: [("epoch", {"id": "first", "start": 0})],
        5: [("log_mark", {"position": 1, "time": 1_600_000_000})],
        9: [
            ("pin", {"channel": "C1", "ts": FIRST, "user_id": "U1", "created": 1_600_000_000_000_000}),
            ("scheduled", {"id": "Q1", "channel": "C1", "user_id": "U1", "due": FAR, "created": 1_600_000_000,
                           "draft": msgspec.json.encode({"text": "later"})}),
        ],
        11: [
            ("app_event", {"app_id": "A2", "kind": "bot", "event": "message.channels"}),
            ("tap", {"app_id": "A2", "settled": 3, "ahead": b""}),
        ],
        13: [
            ("app_command", {"app_id": "A2", "name": "/ticket", "url": None, "description": "", "usage_hint": "",
                             "should_escape": False, "added": 1_600_000_000_000_000}),
            ("webhook", {"id": "B9", "hash": b"\x01" * 32, "app_id": "A2", "channel": "C1", "user_id": "",
                         "created": 1_600_000_000}),
        ],
        15: [
            ("file", {"id": "F1", "user_id": "U1", "state": "complete", "size": 5, "created": 1_600_000_000,
                      "name": "a.txt", "title": "a", "mode": "snippet", "filetype": "text", "mimetype": "text/plain",
                      "alt_text": "", "facts": b"{}"}),
            ("file_chunk", {"file_id": "F1", "number": 0, "data": b"hello"}),
            ("file_share", {"file_id": "F1", "channel": "C1", "ts": FIRST}),
        ],
        17: [("status_end", {"user_id": "U1", "due": FAR})],
    }  # fmt: skip
    return [row for since, rows in found.items() if since <= version for row in rows]
