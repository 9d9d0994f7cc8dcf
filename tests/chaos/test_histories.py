"""Random people against the real server: what each connection got is compared with the log.

The checker is checked as well: a history that is right is damaged in every way that matters, and every damage must be
found.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from stores import Store

from history import Checker, Claim, History, Line, Log, Session, is_event
from people import Crowd, seed_file
from process import Served

SEED = int(os.environ.get("SEED") or 20170711)


class Recorded(NamedTuple):
    """A history, the log of the server it was recorded with, and how often the server was killed."""

    history: History
    lines: list[Line]
    kills: int = 0


async def record(
    directory: Path,
    seed: int,
    *,
    people: int,
    steps: int,
    kill_every: float | None = None,
    database: str | None = None,
) -> Recorded:
    """Let people live; return what they saw and what the log says."""
    options = [] if database is None else ["--database", database]
    served = Served(directory / "data", *options, seed=seed_file(people, channels=6))
    served.database = database
    try:
        await served.start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            crowd = Crowd(served, http, seed)
            await crowd.live(steps, kill_every)
        assert await served.stop() == 0
    finally:
        await served.end()
    assert crowd.wrong == []
    assert "Traceback" not in served.log
    return Recorded(crowd.history, await crowd.log(), crowd.kills)


def check(recorded: Recorded) -> Checker:
    checker = Checker(recorded.history, recorded.lines)
    print(f"{len(recorded.history.sessions)} connections, {len(recorded.lines)} entries, {checker.checked} events")
    print(Counter(session.outcome for session in recorded.history.sessions))
    return checker


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A short history of fourteen people and a bot, on each database in turn."""
    database = None if request.param == "sqlite" else request.getfixturevalue("cluster").url()
    return asyncio.run(record(tmp_path_factory.mktemp("history"), SEED, people=14, steps=80, database=database))


def test_every_connection_gets_what_its_user_may_see_and_nothing_else(recorded: Recorded) -> None:
    checker = check(recorded)
    assert checker.wrong == []
    assert checker.checked > 2_000
    outcomes = Counter(session.outcome for session in recorded.history.sessions)
    assert min(outcomes["new"], outcomes["resumed"]) >= 5


# -- the checker's own check ----------------------------------------------------------------------------------------

Damage = Callable[[History, list[Line], random.Random], None]
DAMAGES: dict[str, tuple[Damage, str]] = {}


def damage(complaint: str) -> Callable[[Damage], Damage]:
    """Register a way to damage a history, with what the checker has to say of it."""

    def register(function: Damage) -> Damage:
        DAMAGES[function.__name__] = function, complaint
        return function

    return register


def long_session(history: History, chance: random.Random) -> tuple[Session, list[int]]:
    """Choose a connection with some events; return it and where they are among its frames."""
    found = [(session, places) for session in history.sessions if len(places := events_of(session)) >= 4]
    return chance.choice(found)


def events_of(session: Session) -> list[int]:
    return [index for index, frame in enumerate(session.frames) if is_event(frame)]


@damage("a gap")
def one_event_is_removed(history: History, _: list[Line], chance: random.Random) -> None:
    session, places = long_session(history, chance)
    del session.frames[chance.choice(places[1:-1])]


@damage("a gap")
def the_last_event_is_removed(history: History, _: list[Line], chance: random.Random) -> None:
    session = chance.choice([session for session in history.sessions if session.sees_the_end])
    del session.frames[events_of(session)[-1]]


@damage("a gap")
def the_first_event_after_a_resume_is_removed(history: History, _: list[Line], chance: random.Random) -> None:
    """Not one that the user has sent: whether the position covers it cannot be seen."""
    sent = set[str]().union(*(session.sent for session in history.sessions))
    found = [
        (session, places[0])
        for session in history.sessions
        if session.after is not None
        and any(is_event(frame) for frame in session.after.session.frames[: session.after.count])
        and len(places := events_of(session)) >= 2
        and session.frames[places[0]].get("text") not in sent
    ]
    session, place = chance.choice(found)
    del session.frames[place]


@damage("comes too late")
def two_events_are_swapped(history: History, _: list[Line], chance: random.Random) -> None:
    session, places = long_session(history, chance)
    at = chance.randrange(1, len(places) - 1)
    one, two = places[at : at + 2]
    session.frames[one], session.frames[two] = session.frames[two], session.frames[one]


@damage("a copy")
def one_event_is_repeated(history: History, _: list[Line], chance: random.Random) -> None:
    session, places = long_session(history, chance)
    at = chance.choice(places)
    session.frames.insert(chance.randrange(at + 1, len(session.frames) + 1), session.frames[at])


@damage("from before its position")
def a_resume_repeats_what_was_seen(history: History, _: list[Line], chance: random.Random) -> None:
    found = [
        (session, covered[-1])
        for session in history.sessions
        if session.after
        and (covered := [f for f in session.after.session.frames[: session.after.count] if is_event(f)])
    ]
    session, event = chance.choice(found)
    session.frames.insert(1, event)


@damage("not entitled")
def an_event_of_others_is_seen(history: History, lines: list[Line], chance: random.Random) -> None:
    session, places = long_session(history, chance)
    log = Log(lines, {session.user})
    foreign = sorted(set(log.events) - set(log.visible[session.user]))
    session.frames.insert(chance.choice(places), log.events[chance.choice(foreign)])


@damage("not in the log")
def an_event_is_invented(history: History, _: list[Line], chance: random.Random) -> None:
    session, places = long_session(history, chance)
    frame = {"type": "message", "channel": "C1", "ts": "1.000001", "event_ts": "1.000001", "text": "x"}
    session.frames.insert(chance.choice(places), frame)


@damage("not as it is in the log")
def a_text_is_changed(history: History, lines: list[Line], chance: random.Random) -> None:
    rewritten = Log(lines, ()).rewritten
    frames = [
        (session.frames, index)
        for session in history.sessions
        for index, frame in enumerate(session.frames)
        if is_event(frame) and "text" in frame and (frame["channel"], frame["ts"]) not in rewritten
    ]
    frames_, index = chance.choice(frames)
    frames_[index] = {**frames_[index], "text": "something else"}


@damage("an echo")
def a_sender_gets_the_own_message(history: History, lines: list[Line], chance: random.Random) -> None:
    log = Log(lines, {session.user for session in history.sessions})
    by_text = {event.get("text"): event for event in log.events.values()}
    session = chance.choice([s for s in history.sessions if s.sent & by_text.keys()])
    session.frames.append(by_text[chance.choice(sorted(session.sent & by_text.keys()))])


@damage("a gap")
def the_connect_window_is_lost(history: History, lines: list[Line], chance: random.Random) -> None:
    """All up to the last event is missing of a connection that began long before."""
    found = [
        (session, places)
        for session in history.sessions
        if session.outcome != "resumed" and len(places := events_of(session)) > 20
    ]
    session, places = chance.choice(found)
    session.frames = session.frames[places[-1] :]


@damage("acked and lost")
def an_acked_message_is_not_in_the_log(history: History, lines: list[Line], chance: random.Random) -> None:
    history.claims.append(Claim(("message", "", "C1", "1.000001"), 0.0, 1.0))


@damage("order: ")
def the_log_has_another_order_than_the_answers(history: History, _: list[Line], chance: random.Random) -> None:
    claims = history.claims
    one, two = sorted((chance.randrange(len(claims) // 3), chance.randrange(2 * len(claims) // 3, len(claims))))
    claims[one], claims[two] = (
        claims[one]._replace(name=claims[two].name),
        claims[two]._replace(name=claims[one].name),
    )


@damage("does not grow")
def the_log_has_two_messages_swapped(history: History, lines: list[Line], chance: random.Random) -> None:
    told = [line.topic for line in lines if line.payload.startswith(b'{"type":"message"')]
    topic = max(told, key=told.count)
    places = [
        p for p, line in enumerate(lines) if line.topic == topic and line.payload.startswith(b'{"type":"message"')
    ]
    at = chance.randrange(len(places) - 1)
    one, two = places[at : at + 2]
    lines[one], lines[two] = lines[two], lines[one]


@damage("a second join")
def a_leave_is_not_in_the_log(_: History, lines: list[Line], chance: random.Random) -> None:
    """Which looks like somebody who joins twice."""
    place = chance.choice([place for place, line in enumerate(lines) if line.kind == "join"])
    lines.insert(place + 1, lines[place])


@damage("joined and lost")
def a_join_is_not_in_the_log(history: History, lines: list[Line], chance: random.Random) -> None:
    channel, user = chance.choice(history.joins)
    lines[:] = [line for line in lines if line != Line("join", channel, user.encode())]


@pytest.mark.parametrize("kind", DAMAGES)
def test_the_checker_finds_every_damage(kind: str, recorded: Recorded) -> None:
    do, complaint = DAMAGES[kind]
    for number in range(5):
        history, lines = recorded.history.copy(), list(recorded.lines)
        do(history, lines, random.Random(f"{kind} {number}"))
        found = Checker(history, lines).wrong
        assert any(complaint in line for line in found), (number, found)


# -- make chaos ------------------------------------------------------------------------------------------------------


@pytest.mark.chaos
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", range(3))
def test_many_people_for_a_long_time(number: int, seed: int, store: Store, tmp_path: Path) -> None:
    database = store.url(tmp_path)
    checker = check(asyncio.run(record(tmp_path, seed + number, people=30, steps=250, database=database)))
    assert checker.wrong == []
    assert checker.checked > 30_000


@pytest.mark.chaos
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", range(3))
def test_people_go_on_where_they_were_when_the_server_is_killed(
    number: int, seed: int, store: Store, tmp_path: Path
) -> None:
    database = store.url(tmp_path)
    recorded = asyncio.run(record(tmp_path, seed + number, people=15, steps=600, kill_every=1.5, database=database))
    checker = check(recorded)
    assert checker.wrong == []
    assert recorded.kills >= 3
