"""What the search costs: posts with and without its index, the filling of the index, and searches.

    python -m bench.bench_search [MESSAGES]

Posts are written by the writer into SQLite, in batches with a flush each: beside the task that fills the index, and
without it.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from random import Random
from time import perf_counter

import msgspec

from tautwire.protocol.ids import ChannelId, UserId
from tautwire.server.clock import Clock
from tautwire.server.log.entry import Topic, message_event
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.services.search.filling import Filling
from tautwire.server.store.queries.channels import add_channel
from tautwire.server.store.queries.messages import MESSAGE, MessageRow
from tautwire.server.store.queries.search import Condition, Phrase, Wanted, find_matches
from tautwire.server.store.queries.users import add_user
from tautwire.server.store.queries.workspace import add_workspace
from tautwire.server.store.reader import Reader
from tautwire.server.store.records import ChannelKind, ChannelRecord, UserRecord
from tautwire.server.store.sqlite import SqliteEngine

BATCH = 64
POSTS = 51_200
CHANNELS = 100
WORDS = [f"{first}{second}{third}" for first in "bcdfghklmnprst" for second in "aeiou" for third in "bdgklmnprst"]
"""Some 800 words, of which the first come often."""

NUMBERS = count(1)
CHANCE = Random(3)


def text() -> str:
    """Return a message of twelve words; a word's number falls off as in a language."""
    return " ".join(WORDS[min(int(CHANCE.paretovariate(0.4)), len(WORDS)) - 1] for _ in range(12))


def message(tx: Transaction) -> None:
    """Post a message as the server stores it."""
    number = next(NUMBERS)
    channel, ts = f"C{number % CHANNELS:03}", f"{1_700_000_000 + number}.000100"
    stored = msgspec.json.encode({"type": "message", "user": "U1", "text": text(), "ts": ts, "team": "T1"})
    position = tx.emit(Topic(channel), message_event(stored, channel, ts), message=ts)
    tx.insert(MESSAGE, MessageRow(channel, ts, "U1", None, True, stored, position))


def post(tx: Transaction, messages: int) -> None:
    """Post messages in large batches."""
    for _ in range(messages // 1_000):
        tx.begin()
        for _ in range(1_000):
            tx.attempt(message)
        tx.commit()


async def measure_posts(engine: SqliteEngine, messages: int, *, batch: int, is_filling: bool) -> float:
    """Post messages in batches, beside the filling of the index or without it; return the number in a second."""
    writer, reader = Writer(engine, clock=Clock()), Reader(engine)
    filling = Filling(writer, reader)
    writer.deliver_to(filling.follow)
    await filling.catch_up(600)
    task = asyncio.create_task(filling.run()) if is_filling else None
    began = perf_counter()
    for _ in range(messages // batch):
        await asyncio.gather(*(writer.write(message) for _ in range(batch)))
    rate = messages / (perf_counter() - began)
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await filling.catch_up(600)
    await writer.close(5)
    reader.close()
    return rate


def create(tx: Transaction) -> None:
    """Make a workspace with one user and some channels."""
    add_workspace(tx, "T1", "Bench", "bench", 1)
    add_user(tx, UserRecord(UserId("U1"), "ann", "", None, False, False, 1, 1, None, None))
    for number in range(CHANNELS):
        add_channel(tx, ChannelRecord(ChannelId(f"C{number:03}"), ChannelKind.PUBLIC, f"c{number}", UserId("U1"), 1, 1))


async def fill(engine: SqliteEngine) -> float:
    """Enter the messages that are not entered; return the seconds."""
    writer, reader = Writer(engine, clock=Clock()), Reader(engine)
    began = perf_counter()
    await Filling(writer, reader).catch_up(3_600)
    taken = perf_counter() - began
    await writer.close(5)
    reader.close()
    return taken


def best(function: Callable[[], object]) -> float:
    """Return the least milliseconds of some runs."""
    times = []
    for _ in range(5):
        began = perf_counter()
        function()
        times.append((perf_counter() - began) * 1_000)
    return min(times)


def main(messages: int) -> None:
    """Measure, and print what was found."""
    with tempfile.TemporaryDirectory() as directory, SqliteEngine(Path(directory)) as engine:
        with closing(engine.session()) as session:
            tx = Transaction(session, Clock())
            tx.begin()
            tx.attempt(create)
            tx.commit()
        for batch in (BATCH, 1):
            for _ in range(2):
                for is_filling in (False, True):
                    posts = POSTS if batch > 1 else POSTS // 64
                    rate = asyncio.run(measure_posts(engine, posts, batch=batch, is_filling=is_filling))
                    print(f"posts/s, batches of {batch}, {'with' if is_filling else 'without'} index: {rate:,.0f}")
        with closing(engine.session()) as session:
            post(Transaction(session, Clock()), messages)
        size = engine.path.stat().st_size
        taken = asyncio.run(fill(engine))
        print(
            f"filling {messages:,} messages: {taken:.1f} s,"
            f" the file grows from {size:,} to {engine.path.stat().st_size:,} bytes"
        )
        with closing(engine.read_session()) as query:
            searches = {
                "the most frequent word": Wanted([Phrase((WORDS[0],))]),
                "a rare word": Wanted([Phrase((WORDS[-2],))]),
                "two frequent words": Wanted([Phrase((WORDS[0],)), Phrase((WORDS[1],))]),
                "a phrase": Wanted([Phrase((WORDS[0], WORDS[1]))]),
                "from: alone": Wanted(choices=[["§fu1"]]),
                "in: with a word": Wanted([Phrase((WORDS[5],))], choices=[["§cc007"]]),
                "no word, all days": Wanted(low="0"),
                "has:pin, which no message has": Wanted(conditions=[Condition("pin")]),
            }
            for name, wanted in searches.items():
                found = find_matches(query, "U1", wanted, newest_first=True, count=10_000)
                spent = best(lambda wanted=wanted: find_matches(query, "U1", wanted, newest_first=True, count=10_000))
                print(f"{name}: {len(found):,} found, {spent:.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
