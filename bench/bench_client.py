"""Clients in a flood: events through a real socket into a typed handler, ours beside other people's, in turns.

The source sends ready-made frames as fast as the client takes them, and a round ends when the handler had them all.
All clients stay connected and take turns, so that other load hits all alike. A ratio compares figures of one round.
"""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from bench.bench_decode import FRAMES, MESSAGE
from bench.receivers import RECEIVERS, Receiver, Running
from bench.report import Cell, ratio, report
from bench.source import Source, Stream, position, text_frame

WARM_UP = 6
"""Rounds before those that count, mostly for compilers that work while the program runs."""

ROUNDS = 9
CONVERSATIONS = 20
DIFFERENT, LARGE_DIFFERENT = 1_000, 250
"""Frames that are made; a round repeats them."""


@dataclass
class Load:
    """What one round sends to a client."""

    frames: list[bytes]
    events: int
    characters: int

    def __post_init__(self) -> None:
        self.joined = b"".join(self.frames)


def load(event: object, frames: int, *, positions: int = 0) -> Load:
    """Make frames of an event, each with another ts, over some conversations.

    With ``positions`` a position follows each such number of events, as our own server sends them.
    """
    assert isinstance(event, dict)
    events = [
        event | {"channel": f"C{number % CONVERSATIONS:08}", "ts": f"1700000010.{number:06}"}
        for number in range(frames)
    ]
    payloads = [json.dumps(each, separators=(",", ":")).encode() for each in events]
    made = []
    for number, payload in enumerate(payloads, 1):
        made.append(text_frame(payload))
        if positions and number % positions == 0:
            made.append(text_frame(b'{"type":"position","position":"%s"}' % position(number).encode()))
    return Load(made, frames, sum(len(each["text"]) for each in events))


@dataclass
class Candidate:
    """A client and what was measured of it, a figure for each round."""

    running: Running
    stream: Stream
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    first_cpu: float = 0.0
    """The same of the very first round, with nothing compiled yet."""
    source_busy: list[float] = field(default_factory=list)

    def measure(self, sent: Load) -> None:
        """Flood it once."""
        events = self.running.events
        times = events // sent.events
        used, start, busy = self.running.cpu_seconds(), time.monotonic(), time.thread_time()
        if self.running.receiver.portions:
            self.stream.send_in_portions(sent.frames, times)
        else:
            self.stream.send(sent.joined, times)
        busy = time.thread_time() - busy
        got = self.running.line()
        seconds = time.monotonic() - start
        if got != f"{events} {sent.characters * times}":
            raise RuntimeError(f"{self.running.receiver.name} got something else than what was sent")
        self.cpu.append((self.running.cpu_seconds() - used) / events)
        self.seconds.append(seconds / events)
        self.source_busy.append(busy / seconds)


def flood(
    receivers: Sequence[tuple[Receiver, int]], sent: Load, *, warm_up: int = WARM_UP, rounds: int = ROUNDS
) -> list[Candidate]:
    """Measure clients in turns, each with so many events a round: a multiple of the frames made."""
    with ExitStack() as stack:
        source = stack.enter_context(Source())
        candidates = []
        for receiver, events in receivers:
            running = receiver.start(source.api_url(receiver.name), events)
            stack.callback(running.stop)
            candidates.append(Candidate(running, source.stream(receiver.name)))
        time.sleep(1)  # some clients do things after they are connected
        for _ in range(warm_up + rounds):
            for candidate in candidates:
                candidate.measure(sent)
    for candidate in candidates:
        candidate.first_cpu = candidate.cpu[0]
        for figures in (candidate.seconds, candidate.cpu, candidate.source_busy):
            del figures[:warm_up]
    return candidates


def rows(candidates: Sequence[Candidate], size: int) -> list[dict[str, Cell]]:
    """Return the table: what a client takes, and how many times that is what ours takes."""
    inline, ordered = (
        next(each for each in candidates if each.running.receiver.command[-1] == kind) for kind in ("inline", "async")
    )
    return [
        {
            "client": candidate.running.receiver.title,
            "handler": candidate.running.receiver.handler,
            "bytes": size,
            "events/s": 1 / median(candidate.seconds),
            "us CPU/event": median(candidate.cpu) * 1e6,
            "first us CPU": candidate.first_cpu * 1e6,
            "time/inline": _time_ratio(candidate, inline),
            "CPU/inline": ratio(candidate.cpu, inline.cpu),
            "time/coroutine": _time_ratio(candidate, ordered),
            "CPU/coroutine": ratio(candidate.cpu, ordered.cpu),
            "source busy": median(candidate.source_busy),
        }
        for candidate in candidates
    ]


def _time_ratio(candidate: Candidate, ours: Candidate) -> float | None:
    """Return how many times the time of ours it takes; None for a client that is fed in portions: it waits for us."""
    return None if candidate.running.receiver.portions else ratio(candidate.seconds, ours.seconds)


def main() -> None:
    ready = []
    for receiver in RECEIVERS:
        lack = receiver.lack()
        if lack is not None:
            print(f"client: {receiver.title} is left out: {lack}")
            continue
        receiver.prepare()
        ready.append(receiver)
    table: list[dict[str, Cell]] = []
    versions: dict[str, str] = {}
    small = load(MESSAGE, DIFFERENT), [(each, each.events) for each in ready if not each.only_blocks]
    large = load(FRAMES["message with blocks"], LARGE_DIFFERENT), [(each, each.large_events) for each in ready]
    for sent, receivers in (small, large):
        candidates = flood(receivers, sent)
        table += rows(candidates, len(sent.frames[0]) - 4)
        versions |= {each.running.receiver.title: each.running.version for each in candidates}
    report(
        "client",
        "Events through a socket into a handler; ratios: how many times what ours takes, inline and as a coroutine",
        table,
        rounds=ROUNDS,
        versions=", ".join(f"{title} {version}" for title, version in versions.items()),
    )


if __name__ == "__main__":
    main()
