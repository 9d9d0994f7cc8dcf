"""A crowd of connections in one channel: what a small post costs beside it, and what a post to all costs a neighbour.

Once with connections as other people's clients make them, once with ones that can be resumed, as our own client makes
them. Then the whole crowd loses its connections while it misses messages, and resumes.
"""

import resource
import select
import time
from collections.abc import Callable, Sequence
from socket import socket
from statistics import median

from bench import loops
from bench.process import cpu_seconds, rss
from bench.report import Cell, report
from bench.subject import Subject, message

CROWD = 9_000
ALONE = "alone"
NEIGHBOURS = "neighbours"
EVERYBODY = "everybody"
POSTS = 200
POSTS_TO_ALL = 20
MISSED = 50
"""Messages that each connection of the storm has missed."""
LAST = b"The last one that was missed."
STORM = 2_000
HEAD_START = 0.002
"""Seconds between a post to all and the neighbour's."""
PATIENCE = 30.0


def main(*, crowd: int = CROWD, posts: int = POSTS, to_all: int = POSTS_TO_ALL, storm: int = STORM) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    if hard < crowd + 100:
        print(f"crowd: only {hard} open files are allowed, {crowd + 100} are needed (ulimit -n)")
        return
    rows: list[dict[str, Cell]] = []
    for kind, resume in (("plain", None), ("resumable", "")):
        channels = {EVERYBODY: range(crowd), ALONE: range(crowd, crowd + 1), NEIGHBOURS: range(crowd, crowd + 2)}
        with Subject(crowd + 2, crowd + 2, channels=channels) as subject:
            poster, neighbour = subject.connect(crowd), subject.connect(crowd + 1)
            before = _post(subject, poster, ALONE, posts)
            start, used, memory = time.monotonic(), cpu_seconds(subject.pid), rss(subject.pid)
            sockets = [subject.connect(person, resume=resume) for person in range(crowd)]
            row: dict[str, Cell] = {
                "connections": kind,
                "us CPU to connect": (cpu_seconds(subject.pid) - used) / crowd * 1e6,
                "KiB/connection": (rss(subject.pid) - memory) / crowd / 1024,
                "connects/s": crowd / (time.monotonic() - start),
            }
            time.sleep(1)
            _drain(sockets)
            loops.keep_alive([poster, neighbour])
            small = _post(subject, poster, ALONE, posts)
            _drain(sockets)
            wide = _post_to_all(subject, sockets, neighbour, to_all)
            row |= {
                "post to one, alone: ms CPU": before[0] * 1e3,
                "in the crowd: ms CPU": small[0] * 1e3,
                "its ack ms": small[1] * 1e3,
                "us CPU/delivery to all": wide[0] / crowd * 1e6,
                "neighbour's ack p50 ms": wide[1] * 1e3,
                "p99 ms": wide[2] * 1e3,
            }
            rows.append(row)
            for sock in (poster, neighbour, *sockets):
                sock.close()
    report("crowd", f"{crowd:,} connections in one channel, and two people beside it", rows)
    report("storm", f"{storm:,} connections that resume at once, {MISSED} messages missed by each", [_storm(storm)])


def _post(subject: Subject, sock: socket, channel: str, count: int) -> tuple[float, float]:
    """Post one message after the other; return the CPU seconds of one and the median seconds to its ack."""
    frame = loops.client_frame(message(subject.channel_named(channel), "A post beside the crowd."))
    used = cpu_seconds(subject.pid)
    times = [_round_trip(sock, frame) for _ in range(count)]
    return (cpu_seconds(subject.pid) - used) / count, median(times)


def _round_trip(sock: socket, frame: bytes) -> float:
    """Send a message; return the seconds until its ack."""
    start = time.monotonic()
    sock.send(frame)
    received = b""
    while b'"ok":true' not in received:
        select.select([sock], [], [], PATIENCE)
        received += sock.recv(65_536)
    return time.monotonic() - start


def _post_to_all(
    subject: Subject, sockets: Sequence[socket], neighbour: socket, count: int
) -> tuple[float, float, float]:
    """Post to everybody and, a moment later, as a neighbour; return CPU seconds of a post and the neighbour's wait."""
    wide = loops.client_frame(message(subject.channel_named(EVERYBODY), "A post to everybody, of a usual length."))
    small = loops.client_frame(message(subject.channel_named(NEIGHBOURS), "A neighbour's."))
    used, times = cpu_seconds(subject.pid), []
    for number in range(count):
        sockets[number].send(wide)
        time.sleep(HEAD_START)
        times.append(_round_trip(neighbour, small))
        _until(lambda: _is_quiet(subject.pid))
        _drain(sockets)
    times.sort()
    return (cpu_seconds(subject.pid) - used) / count, median(times), times[-1 - len(times) // 100]


def _is_quiet(pid: int) -> bool:
    """Whether the server does nothing for a moment: all deliveries are written."""
    used = cpu_seconds(pid)
    time.sleep(0.02)
    return cpu_seconds(pid) - used < 0.001


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise loops.LoadError("the server did not come to rest")


def _drain(sockets: Sequence[socket]) -> None:
    for sock in sockets:
        try:
            while sock.recv(65_536):
                pass
        except BlockingIOError:
            continue


def _storm(people: int) -> dict[str, Cell]:
    """Let everybody lose the connection, miss messages, and come back at once."""
    with Subject(people, people) as subject:
        position = subject.call(0, "rtm.connect", resume="")["position"]
        poster = subject.connect(0)
        for text in ["One of those that were missed."] * (MISSED - 1) + [LAST.decode()]:
            _round_trip(poster, loops.client_frame(message(subject.channel(0), text)))
        used, start = cpu_seconds(subject.pid), time.monotonic()
        waiting = dict(subject.dial(person, resume=str(position)) for person in range(people))
        sockets = list(waiting)

        def all_came() -> bool:
            for sock, received in list(waiting.items()):
                try:
                    fresh = received[-len(LAST) :] + sock.recv(262_144)
                except BlockingIOError:
                    fresh = received
                waiting[sock] = fresh
                if LAST in fresh:
                    del waiting[sock]
            return not waiting

        _until(all_came)
        seconds, cpu = time.monotonic() - start, cpu_seconds(subject.pid) - used
        for sock in (poster, *sockets):
            sock.close()
    return {
        "connections": people,
        "seconds until all have all": seconds,
        "us CPU to resume one": cpu / people * 1e6,
    }
