"""Both clients against our own server: the main job, and what is left of a stream of messages when things break."""

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drive import Join, MakeClient, eventually
from tautwire import (
    Gap,
    HelloEvent,
    Message,
    MessageEvent,
    MessageRepliedEvent,
    PresenceChangeEvent,
    SendRefused,
    Timeouts,
    UserTypingEvent,
)
from tautwire.testing import BlockingWorkspace


def test_people_and_bots_chat(place: BlockingWorkspace, join: Join) -> None:
    general = place.channel("general").id
    alice, bot = join("alice"), join("bot")
    seen: list[Any] = []
    alice.register(seen.append, MessageEvent)
    alice.register(seen.append, UserTypingEvent)
    alice.register(seen.append, MessageRepliedEvent)
    alice.connect()
    bot.connect()
    assert bot.identity.user.name == "bot"
    assert bot.identity.team.domain == "test"

    bot.typing(general)
    ack = bot.send(Message(general, "see https://x.test", id=77))
    assert (ack.reply_to, ack.text) == (77, "see <https://x.test>")
    bot.say(general, "in a thread", thread_ts=ack.ts)

    eventually(lambda: len(seen) == 4)
    kinds = {type(each): each for each in seen}
    assert kinds[UserTypingEvent].user == place.person("bot").id
    assert {each.text for each in seen if isinstance(each, MessageEvent)} == {"see <https://x.test>", "in a thread"}
    assert MessageRepliedEvent in kinds
    assert bot.ping() < 5


def test_refusals_of_the_server_are_raised(place: BlockingWorkspace, join: Join) -> None:
    bot = join("bot")
    bot.connect()
    with pytest.raises(SendRefused, match="invalid channel id") as caught:
        bot.say("C_NOPE", "x")
    assert caught.value.code == 0


def test_presence_is_told_before_and_after_a_reconnect(place: BlockingWorkspace, join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    changes: list[tuple[list[str], str]] = []
    alice.register(lambda event: changes.append((event.users or [event.user], event.presence)), PresenceChangeEvent)
    alice.connect()
    who = place.person("bob").id
    alice.presence_sub([who])
    eventually(lambda: changes == [([who], "away")])
    bob.connect()
    eventually(lambda: changes[1:] == [([who], "active")])
    alice.reconnect()
    eventually(lambda: changes[2:] == [([who], "active")])  # asked for again on the new connection
    alice.presence_query([who])
    eventually(lambda: changes[3:] == [([who], "active")])


def test_slack_sdk_and_the_client_share_their_settings(place: BlockingWorkspace, join: Join) -> None:
    bot = join("bot")
    got: list[str] = []
    bot.register(lambda event: got.append(event.text), MessageEvent)
    bot.connect()
    posted = bot.web.chat_postMessage(channel=place.channel("general").id, text="by HTTP")
    if not hasattr(posted, "data"):
        posted = bot.wait(posted)
    assert posted["ok"]
    eventually(lambda: got == ["by HTTP"])


def test_what_was_said_while_the_client_was_away_comes_in_order(place: BlockingWorkspace, join: Join) -> None:
    alice = place.person("alice")
    bot = join("bot")
    got: list[str] = []
    gaps: list[Gap] = []
    bot.register(lambda event: got.append(event.text), MessageEvent)
    bot.add_gap_handler(gaps.append)
    bot.connect()
    alice.say("#general", "before")
    eventually(lambda: got == ["before"])
    place.faults.refuse_connections()
    place.faults.links[-1].rst()
    eventually(lambda: not bot.is_connected)
    for i in range(20):
        alice.say("#general", str(i))
    place.faults.refuse_connections(False)
    eventually(lambda: len(got) >= 21)
    assert got == ["before", *map(str, range(20))]
    eventually(lambda: gaps)
    assert gaps[0].is_filled


def test_no_message_is_lost_doubled_or_swapped_whatever_ends_the_connections(
    place: BlockingWorkspace, join: Join
) -> None:
    alice = place.person("alice")
    bot = join("bot", timeouts=Timeouts(idle=0.1, silence=0.3))
    got: list[str] = []
    hellos: list[Any] = []
    bot.register(lambda event: got.append(event.text), MessageEvent)
    bot.register(hellos.append, HelloEvent)
    bot.connect()
    rng = random.Random(7)
    is_over = threading.Event()

    def chaos() -> None:
        while not is_over.is_set():
            before, links = len(hellos), place.faults.links
            ways = [(each.fin, each.rst, each.close, each.goodbye, each.migration, each.silence) for each in links[-1:]]
            rng.choice([bot.reconnect, *itertools.chain(*ways)])()
            patience = time.monotonic() + 1.0  # not more: the link may have been a successor's predecessor
            while len(hellos) == before and time.monotonic() < patience:
                time.sleep(0.002)

    wrecker = threading.Thread(target=chaos)
    wrecker.start()
    numbers = itertools.count()
    while len(hellos) < 15:
        for _ in range(7):
            alice.say("#general", str(next(numbers)))
        time.sleep(0.01)
    is_over.set()
    wrecker.join(20)
    said = next(numbers)
    eventually(lambda: len(got) >= said)
    assert got == [str(i) for i in range(said)]


def test_a_send_that_cannot_know_says_so_and_is_stored_once_at_most(place: BlockingWorkspace, join: Join) -> None:
    general = place.channel("general")
    bot = join("bot")
    bot.connect()
    place.faults.lose_acks()
    outcomes: list[Any] = []

    def send() -> None:
        try:
            outcomes.append(bot.say(general.id, "once"))
        except Exception as error:
            outcomes.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    general.wait_for(text="once")
    place.faults.links[-1].fin()
    thread.join(10)
    assert len(outcomes) == 1
    bot.say(general.id, "next")
    general.wait_for(text="next")
    assert [each.text for each in general.lines] == ["once", "next"]


class ServedWorkspace:
    """``tautwire serve`` as a process that can be started again on its data."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._port = 0
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tautwire", "serve", "--port", str(self._port), "--data", str(self._data), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self.directory = json.loads(self._process.stdout.readline())
        self._port = int(self.directory["api_url"].split(":")[2].split("/")[0])

    def stop(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedWorkspace]:
    served = ServedWorkspace(tmp_path / "data")
    yield served
    served.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_of_the_server_costs_nothing(served: ServedWorkspace, make_client: MakeClient, number: int) -> None:
    users, general = served.directory["users"], served.directory["channels"]["general"]
    options = {"base_url": served.directory["api_url"]}
    alice, bot = (make_client(token=users[name]["token"], **options) for name in ("alice", "relaybot"))
    got: list[str] = []
    bot.register(lambda event: got.append(event.text), MessageEvent)
    for each in (alice, bot):
        each.connect()
    numbers = itertools.count()
    for _ in range(3):
        alice.say(general, str(next(numbers)))
    served.stop(number)
    served.start()
    for _ in range(3):
        alice.say(general, str(next(numbers)))
    eventually(lambda: len(got) >= 6)
    assert got == list("012345")
