"""What the positions of our own server cost our client: a flood with one after some events, and without.

The same program takes all of them in turns; a ratio compares figures of one round.
"""

import time
from contextlib import ExitStack
from statistics import median

from bench.bench_client import DIFFERENT, Candidate, load
from bench.bench_decode import MESSAGE
from bench.receivers import RECEIVERS
from bench.report import Cell, ratio, report
from bench.source import RESUMABLE, Source

BATCHES = (0, 256, 100, 10, 1)
"""Events before each position; 0: the server knows none. In a flood our server names one after 256."""
KINDS = ("inline", "async")
WARM_UP = 4
ROUNDS = 9


def main(*, events: int = 100_000, rounds: int = ROUNDS, warm_up: int = WARM_UP) -> None:
    loads = {batch: load(MESSAGE, DIFFERENT, positions=batch) for batch in BATCHES}
    candidates: dict[tuple[str, int], Candidate] = {}
    with ExitStack() as stack:
        source = stack.enter_context(Source())
        for receiver in (each for each in RECEIVERS if each.command[-1] in KINDS and each.title == "tautwire"):
            for batch in BATCHES:
                name = f"{receiver.name}-{batch}{RESUMABLE if batch else ''}"
                running = receiver.start(source.api_url(name), events)
                stack.callback(running.stop)
                candidates[receiver.handler, batch] = Candidate(running, source.stream(name))
        time.sleep(1)
        for number in range(warm_up + rounds):
            for (_, batch), candidate in candidates.items():
                candidate.measure(loads[batch])
                if number < warm_up:
                    candidate.cpu.clear()
                    candidate.seconds.clear()
    rows: list[dict[str, Cell]] = []
    for (handler, batch), candidate in candidates.items():
        base = candidates[handler, 0]
        rows.append(
            {
                "handler": handler,
                "events a position": batch or "none",
                "events/s": 1 / median(candidate.seconds),
                "us CPU/event": median(candidate.cpu) * 1e6,
                "events/s, ratio": 1 / ratio(candidate.seconds, base.seconds),
                "CPU, ratio": ratio(candidate.cpu, base.cpu),
            }
        )
    report("positions", "Events with positions through our client, beside the same without", rows, rounds=rounds)


if __name__ == "__main__":
    main()
