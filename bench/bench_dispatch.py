"""What one event costs from the frame's bytes to the user's handler, without a socket: decode and dispatch.

Events come in bursts of as many as one read of the socket may bring, over 20 conversations. CPU time of the whole
process counts, worker threads included.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from statistics import median

from bench.bench_decode import MESSAGE
from bench.report import Cell, report
from tautwire import MessageEvent
from tautwire.client.handlers.dispatcher import Dispatcher
from tautwire.client.handlers.workers import Callers
from tautwire.protocol.codec import decode_events

CONVERSATIONS = 20
BURST = 200
ROUNDS = 150
WARM_UP = 20
"""Rounds that do not count: caches and the interpreter's specialised code are not there yet."""

FRAMES = [
    json.dumps(MESSAGE | {"channel": f"C{number:08}"}, separators=(",", ":")).encode()
    for number in range(CONVERSATIONS)
] * (BURST // CONVERSATIONS)


class Count:
    """Counts events and tells when all of a burst were handled."""

    def __init__(self) -> None:
        self.left = 0
        self.done = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def plain(self, event: MessageEvent) -> None:
        self.left -= 1
        if self.left == 0:
            self.loop.call_soon_threadsafe(self.done.set)

    async def coroutine(self, event: MessageEvent) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.set()


async def measure(register: Callable[[Dispatcher, Count], object]) -> float:
    """Return the CPU microseconds of one event, of the median burst."""
    dispatcher, count = Dispatcher(), Count()
    dispatcher.report = lambda error, item, binding: print(binding, error)
    register(dispatcher, count)
    rounds = []
    for _ in range(WARM_UP + ROUNDS):
        count.left = BURST
        count.done.clear()
        start = time.process_time()
        for event in decode_events(FRAMES):
            dispatcher.dispatch(event)  # type: ignore[arg-type]
        await count.done.wait()
        rounds.append((time.process_time() - start) / BURST * 1e6)
    for binding in dispatcher.bindings:
        await binding.close(1.0, Callers())
    return median(rounds[WARM_UP:])


def decode_only() -> float:
    """Return the CPU microseconds of decoding alone."""
    rounds = []
    for _ in range(WARM_UP + ROUNDS):
        start = time.process_time()
        decode_events(FRAMES)
        rounds.append((time.process_time() - start) / BURST * 1e6)
    return median(rounds[WARM_UP:])


def main() -> None:
    kinds: dict[str, Callable[[], Awaitable[float]]] = {
        "plain handler, inline": lambda: measure(lambda d, c: d.register(c.plain, MessageEvent, inline=True)),
        "coroutine handler, order kept": lambda: measure(lambda d, c: d.register(c.coroutine, MessageEvent)),
        "plain handler, in one thread": lambda: measure(lambda d, c: d.register(c.plain, MessageEvent, concurrency=1)),
    }
    base = decode_only()
    rows: list[dict[str, Cell]] = [{"what": "decode alone", "us CPU/event": base, "times decode": 1.0}]
    for name, run in kinds.items():
        cost = asyncio.run(_await(run))
        rows.append({"what": name, "us CPU/event": cost, "times decode": cost / base})
    report("dispatch", "One message from bytes to handler", rows, burst=BURST, event_bytes=len(FRAMES[0]))


async def _await(run: Callable[[], Awaitable[float]]) -> float:
    return await run()
