"""Apps in Socket Mode: how fast they get the events of the log, and what they cost everybody else.

Three questions. How many envelopes a second a server on one core sends and gets acknowledged when apps return and catch
up. How long after the ack of a message its envelope comes. And what the fan-out of RTM costs with 20 apps, of which
five are dead, beside a server without apps, in turns: three of them have a Socket Mode connection and never read, two
have an HTTP address that takes requests and never answers. The apps are in a process of their own.

The last question has two answers. ``taps_pace`` is what people feel: a message every 20 ms, far below what the server
can do, and how long after its send each member gets it. ``taps_fanout`` is at saturation, where each message is sent
when all members have the last one: the server's work for apps then takes time from RTM, so the rates show what it is.
"""

import time
from contextlib import ExitStack
from statistics import median

from bench import loops
from bench.apps import Apps, Hanging, apart, describe, dial
from bench.bench_fanout import Candidate, close, members
from bench.process import cpu_seconds
from bench.report import Cell, ratio, report
from bench.subject import Subject, message

POSTS = 5_000
SENDERS = 50
SINGLES = 500
CONNECTIONS = 1_000
BURST = 16
APPS, SILENT, HANGING = 20, 3, 2
ROUNDS = 5
PACE = 50
"""Messages a second of the paced fan-out."""
TEXT = "A usual message of some eighty characters, as people write them to each other."


def catch_up(apps: int, posts: int) -> dict[str, Cell]:
    """Post while all apps are away, connect them at once, and wait until everything has come."""
    senders = min(SENDERS, posts)
    with Subject(senders, senders, apps=describe(apps)) as subject, ExitStack() as stack:
        sockets = [stack.enter_context(subject.connect(person)) for person in range(senders)]
        frame = loops.client_frame(message(subject.channel(0), TEXT))
        latencies, _ = loops.post(sockets, [frame] * senders, others=senders - 1, seconds=60, most=posts)
        dialled = [dial(subject, f"app{number}") for number in range(apps)]
        used, start = cpu_seconds(subject.pid), time.perf_counter()
        wanted = len(latencies) * apps
        with Apps(dialled) as load:
            load.wait(wanted)
            elapsed = load.arrivals[-1] - start
        cpu = cpu_seconds(subject.pid) - used
    return {
        "apps": apps,
        "posts": len(latencies),
        "envelopes/s": wanted / elapsed,
        "us CPU/envelope": cpu / wanted * 1e6,
    }


def latency(apps: int, singles: int) -> dict[str, Cell]:
    """Post one message at a time; measure from its ack to the first envelope."""
    after_ack, after_send = [], []
    with Subject(2, 2, apps=describe(apps)) as subject, subject.connect(0) as sender:
        frame = loops.client_frame(message(subject.channel(0), TEXT))
        sender.setblocking(True)
        with Apps([dial(subject, f"app{number}") for number in range(apps)]) as load:
            for number in range(singles):
                sent = time.perf_counter()
                sender.sendall(frame)
                while b'"reply_to"' not in sender.recv(65_536):
                    pass
                acked = time.perf_counter()
                load.wait((number + 1) * apps)
                came = load.arrivals[number * apps]
                after_ack.append(came - acked)
                after_send.append(came - sent)
    after_ack.sort()
    after_send.sort()
    return {
        "apps": apps,
        "ack to envelope p50 ms": after_ack[singles // 2] * 1e3,
        "p99 ms": after_ack[singles * 99 // 100] * 1e3,
        "send to envelope p50 ms": after_send[singles // 2] * 1e3,
        "its p99 ms": after_send[singles * 99 // 100] * 1e3,
    }


class Paced:
    """What was measured of a server that gets a message from time to time."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.took: list[float] = []
        self.cpu: list[float] = []

    def measure(self, posts: int) -> None:
        candidate = self.candidate
        loops.keep_alive(candidate.sockets)
        time.sleep(0.1)
        used = cpu_seconds(candidate.pid)
        loops.fan_out(
            candidate.sockets, candidate.frame, burst=1, rounds=posts, pause=1 / PACE, took=self.took
        )  # fmt: skip
        self.cpu.append((cpu_seconds(candidate.pid) - used) / posts * 1e6)

    def row(self) -> dict[str, Cell]:
        self.took.sort()
        return {
            "server": self.candidate.name,
            "RTM delivery p50 ms": self.took[len(self.took) // 2] * 1e3,
            "p99 ms": self.took[len(self.took) * 99 // 100] * 1e3,
            "us CPU/post": median(self.cpu),
        }


def beside(connections: int, rounds: int) -> tuple[list[dict[str, Cell]], list[dict[str, Cell]]]:
    """Measure the fan-out without apps and with apps of which some never read, in turns: paced and at saturation."""
    with ExitStack() as stack:
        urls = [stack.enter_context(Hanging()).url for _ in range(HANGING)]
        candidates = []
        for title, seed in (("no apps", []), (f"{APPS} apps, {SILENT + HANGING} dead", describe(APPS, urls))):
            subject = stack.enter_context(Subject(connections, connections, apps=seed))
            frame = loops.client_frame(message(subject.channel(0), TEXT))
            sockets, _ = members(subject, frame, connections)
            stack.callback(close, sockets)
            dialled = [dial(subject, f"app{number}") for number in range(HANGING, len(seed))]
            stack.callback(close, dialled[:SILENT])
            if seed:
                stack.enter_context(apart(dialled[SILENT:]))
            candidates.append(Candidate(title, subject.pid, sockets, frame))
        paced = [Paced(candidate) for candidate in candidates]
        for _ in range(rounds):
            for each in paced:
                each.measure(PACE)
        for _ in range(rounds + 1):
            for burst in (1, BURST):
                for candidate in candidates:
                    candidate.measure(burst, 100 if burst == 1 else 20)
    bare = candidates[0]
    return [each.row() for each in paced], [
        {
            "server": candidate.name,
            "burst": burst,
            "deliveries/s": median(candidate.rate[burst][1:]),
            "rate/without": ratio(candidate.rate[burst][1:], bare.rate[burst][1:]),
            "us CPU/delivery": median(candidate.cpu[burst][1:]),
            "us CPU/post": median(candidate.cpu[burst][1:]) * connections,
        }
        for burst in (1, BURST)
        for candidate in candidates
    ]


def main(*, posts: int = POSTS, singles: int = SINGLES, connections: int = CONNECTIONS, rounds: int = ROUNDS) -> None:
    report(
        "taps",
        "Apps that return and catch up in Socket Mode, server on one core",
        [catch_up(apps, posts) for apps in (1, 10)],
        loops_in=loops.language(),
    )
    report("taps_latency", "From the ack of a message to its envelope", [latency(apps, singles) for apps in (1, 10)])
    paced, saturated = beside(connections, rounds)
    report(
        "taps_pace",
        f"A message every {1000 // PACE} ms to {connections:,} RTM connections beside apps",
        paced,
        rounds=rounds,
    )
    report(
        "taps_fanout",
        f"Fan-out to {connections:,} RTM connections beside apps, at saturation",
        saturated,
        rounds=rounds,
    )
