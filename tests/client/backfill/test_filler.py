"""When a channel is filled, how failures of the history are taken, and that what is held always comes out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tautwire import Backfill, Backfilled, BackfillIncomplete, ConfigError, Event, Gap, Message
from tautwire.client.backfill import filler as filler_module
from tautwire.client.backfill.filler import Filler
from tautwire.client.net import calls
from tautwire.protocol.codec import decode_event, encode
from tautwire.protocol.ids import ChannelId, Ts

BASE = 1_700_000_000

Answer = Mapping[str, Any] | Exception | Callable[[], Any]


def ts(number: int) -> Ts:
    return Ts(f"{BASE + number}.000000")


def live(number: int, channel: str = "C1") -> Event:
    event = decode_event(encode({"type": "message", "channel": channel, "text": str(number), "ts": ts(number)}))
    assert isinstance(event, Event)
    return event


def page(*numbers: int, cursor: str = "", **more: Any) -> Mapping[str, Any]:
    messages = [{"type": "message", "user": "U1", "text": str(each), "ts": ts(each)} for each in numbers]
    return {"ok": True, "messages": messages, "response_metadata": {"next_cursor": cursor}, **more}


def refusal(code: str, status: int = 200, **headers: str) -> SlackApiError:
    body = {"ok": False, "error": code} if code else ""
    return SlackApiError("no", SimpleNamespace(status_code=status, data=body, headers=headers))


class Web:
    """Answers as it is told, in turn; then with nothing."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[Mapping[str, Any]] = []
        self.called = asyncio.Event()

    async def api_call(self, method: str, *, http_verb: str, params: Mapping[str, Any]) -> Any:
        assert (method, http_verb) == ("conversations.history", "GET")
        self.calls.append(dict(params))
        self.called.set()
        answer = self.answers.pop(0) if self.answers else page()
        if callable(answer):
            answer = await answer()
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(data=answer)


class Scene:
    """A filler, and all that comes out of it."""

    def __init__(self, web: Web, backfill: Backfill) -> None:
        self.web = web
        self.events: list[Event] = []
        self.errors: list[BackfillIncomplete] = []
        self.reports: list[Backfilled] = []
        self.over = asyncio.Event()
        deliver, tell = self.events.append, self.errors.append
        self.filler = Filler(backfill, cast("AsyncWebClient", web), deliver, tell, self._report)
        self.filler.connected(0.0)

    def _report(self, report: Backfilled) -> None:
        self.reports.append(report)
        self.over.set()

    def gap(self) -> Gap:
        began = datetime.fromtimestamp(BASE, UTC)
        gap = Gap(began, datetime.now(UTC), "lost", None, self.filler.ids)
        self.filler.fill(gap)
        return gap

    def hear(self, *events: Event) -> None:
        for each in events:
            self.filler.event_received(each)

    async def filled(self) -> Backfilled:
        async with asyncio.timeout(10):
            await self.over.wait()
        return self.reports[-1]

    @property
    def said(self) -> list[str]:
        """Texts as they came, with a star where they were found."""
        return [getattr(each, "text", each.TYPE) + ("*" if each.is_backfilled else "") for each in self.events]


@asynccontextmanager
async def scene(*answers: Answer, **options: Any) -> AsyncIterator[Scene]:
    before = asyncio.all_tasks()
    made = Scene(Web(*answers), Backfill(**{"channels": ["C1"], **options}))
    yield made
    await made.filler.stop()
    assert asyncio.all_tasks() <= before


@pytest.fixture(autouse=True)
def a_filler_that_was_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filler_module, "time", lambda: float(BASE - 1000))


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let pauses take no time, and note them."""
    noted: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        noted.append(seconds)
        await real(0)

    monkeypatch.setattr(calls.asyncio, "sleep", sleep)
    return noted


async def test_pages_are_read_to_the_end_from_the_last_message_on() -> None:
    async with scene(page(6, 5, cursor="next"), page(4, 3)) as s:
        s.hear(live(2))
        gap = s.gap()
        s.hear(live(7), live(1, "C2"))
        report = await s.filled()

        assert s.said == ["2", "1", "3*", "4*", "5*", "6*", "7"]
        assert report.gaps == (gap,)
        assert report.counts == {"C1": 4}
        assert report.is_complete
        assert s.web.calls == [
            {"channel": "C1", "oldest": ts(0), "limit": 200},
            {"channel": "C1", "oldest": ts(0), "limit": 200, "cursor": "next"},
        ]


async def test_a_server_without_cursors_is_asked_for_what_is_older() -> None:
    async with scene(page(6, 5, has_more=True), page(4, 3, has_more=False)) as s:
        s.gap()
        await s.filled()

        assert s.said == ["3*", "4*", "5*", "6*"]
        assert s.web.calls[1]["latest"] == ts(5)


async def test_a_server_that_pages_in_circles_is_left() -> None:
    async with scene(page(6, cursor="a"), page(5, cursor="a"), page(4, cursor="a")) as s:
        s.gap()
        report = await s.filled()

        assert s.said == ["5*", "6*"]
        assert [each.reason for each in report.incomplete] == ["pagination loop: the server repeated a cursor"]


async def test_the_newest_win_and_the_rest_is_told() -> None:
    async with scene(page(6, 5, cursor="next"), page(4, 3), limit=2) as s:
        s.gap()
        report = await s.filled()

        assert s.said == ["5*", "6*"]
        assert [(each.channel, each.reason) for each in s.errors] == [("C1", "there are more than 2")]
        assert report.incomplete == tuple(s.errors)
        assert not report.is_complete
        assert len(s.web.calls) == 1


async def test_the_limit_itself_is_no_cut() -> None:
    async with scene(page(6, 5), limit=2) as s:
        s.gap()
        assert (await s.filled()).is_complete


async def test_a_rate_limit_is_waited_out(pauses: list[float]) -> None:
    limited = refusal("ratelimited", 429, **{"Retry-After": "7"})
    async with scene(limited, page(3)) as s:
        s.gap()
        assert (await s.filled()).is_complete
        assert s.said == ["3*"]
        assert pauses == [7.0]


async def test_a_rate_limit_beyond_the_time_is_not_waited_for(pauses: list[float]) -> None:
    async with scene(refusal("ratelimited", 429, **{"Retry-After": "600"})) as s:
        s.gap()
        s.hear(live(5))
        await s.filled()
        assert s.said == ["5"]
        assert "ratelimited; no time is left" in s.errors[0].reason
        assert pauses == []


async def test_trouble_that_passes_is_tried_again_a_few_times() -> None:
    async with scene(refusal("", 503), OSError("no route"), refusal("internal_error"), page(3)) as s:
        s.gap()
        assert (await s.filled()).is_complete
        assert s.said == ["3*"]


async def test_trouble_that_stays_ends() -> None:
    async with scene(*[OSError("no route")] * 10) as s:
        s.gap()
        s.hear(live(5))
        await s.filled()
        assert s.said == ["5"]
        assert len(s.web.calls) == calls.TRIES
        assert "no route" in str(s.errors[0])


@pytest.mark.parametrize("code", ["not_in_channel", "channel_not_found", "missing_scope"])
async def test_a_refusal_is_told_at_once_and_spares_the_other_channels(code: str) -> None:
    async with scene(refusal(code), page(3), channels=["C1", "C2"]) as s:
        s.gap()
        s.hear(live(5, "C1"), live(6, "C2"))
        report = await s.filled()
        assert sorted(s.said) == ["3*", "5", "6"]
        assert [(each.channel, each.reason) for each in s.errors] == [("C1", code)]
        assert report.counts == {"C1": 0, "C2": 1}


@pytest.mark.parametrize("answer", [[], {"ok": True}, {"messages": 3}, {"messages": [3]}, {"messages": [{"ts": "x"}]}])
async def test_an_answer_that_is_none_is_told(answer: Any) -> None:
    async with scene(*[answer] * calls.TRIES) as s:
        s.gap()
        s.hear(live(5))
        await s.filled()
        assert s.said == ["5"]
        assert len(s.errors) == 1


async def test_a_failure_on_a_later_page_loses_nothing_that_was_found() -> None:
    async with scene(page(6, 5, cursor="next"), refusal("invalid_cursor")) as s:
        s.gap()
        s.hear(live(7))
        await s.filled()
        assert s.said == ["5*", "6*", "7"]
        assert s.errors[0].reason == "invalid_cursor"


async def test_time_is_bounded() -> None:
    async with scene(asyncio.Event().wait, timeout=0.05) as s:
        s.gap()
        s.hear(live(5))
        assert s.said == []
        await s.filled()
        assert s.said == ["5"]
        assert s.errors[0].reason == "it took more than 0.05 s"


async def test_what_is_held_is_bounded() -> None:
    async with scene(asyncio.Event().wait, held=2) as s:
        s.gap()
        s.hear(live(5), live(6))
        assert s.said == []
        s.hear(live(7), live(8))
        assert s.said == ["5", "6", "7", "8"]
        assert s.errors[0].reason == "too many events came meanwhile"


async def test_a_gap_during_a_filling_is_filled_with_it() -> None:
    async with scene(asyncio.Event().wait, page(6, 4, 3, 1)) as s:
        s.hear(live(2))
        s.gap()
        s.hear(live(5))
        await s.web.called.wait()
        s.gap()
        s.hear(live(7))
        report = await s.filled()

        assert s.said == ["2", "1*", "3*", "4*", "5", "6*", "7"]
        assert len(report.gaps) == 2
        assert len(s.reports) == 1
        assert [each["oldest"] for each in s.web.calls] == [ts(0), ts(0)]


async def test_gaps_without_end_do_not_hold_events_for_longer() -> None:
    async with scene(*[asyncio.Event().wait] * 1000, timeout=0.1) as s:
        s.gap()
        s.hear(live(5))
        async with asyncio.timeout(5):
            while not s.over.is_set():
                await asyncio.wait([asyncio.ensure_future(s.over.wait())], timeout=0.02)
                if not s.over.is_set():
                    s.gap()
        assert s.said == ["5"]


async def test_a_stop_delivers_what_is_held_and_leaves_no_task() -> None:
    async with scene(page(4, 3, cursor="next"), asyncio.Event().wait) as s:
        s.gap()
        s.hear(live(5))
        async with asyncio.timeout(5):
            while len(s.web.calls) < 2:
                s.web.called.clear()
                await s.web.called.wait()
        await s.filler.stop()

        assert s.said == ["3*", "4*", "5"]
        assert s.errors[0].reason == "the client was stopped"
        assert len(s.reports) == 1


async def test_a_defect_is_logged_and_holds_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(page(3)) as s:
        s.filler._read = None  # type: ignore[method-assign, assignment]
        s.gap()
        s.hear(live(5))
        await s.filled()
        assert s.said == ["5"]
        assert "because of a defect" in caplog.text


async def test_messages_of_ours_are_not_found() -> None:
    async with scene(page(4, 3, 2, 1)) as s:
        s.filler.sent(Message(ChannelId("C1"), "one"), ts(1))
        s.filler.sent({"type": "message", "channel": "C1", "text": "two"}, ts(2))
        s.filler.sent(Message(ChannelId("C9"), "elsewhere"), ts(3))
        s.gap()
        await s.filled()
        assert s.said == ["3*", "4*"]


async def test_where_nothing_is_known_the_gap_and_the_newest_event_tell_where_to_begin() -> None:
    async with scene(channels=["C1"]) as s:
        s.gap()
        await s.filled()
        s.hear(live(-100, "C2"))  # the server's clock is behind, whatever it said
        s.over.clear()
        s.gap()
        await s.filled()
        assert [each["oldest"] for each in s.web.calls] == [ts(-2), ts(-102)]


def test_a_backfill_that_makes_no_sense_is_refused() -> None:
    for wrong in (
        {"channels": "C1"},
        {"channels": ["#general"]},
        {"channels": ["C1"], "limit": 0},
        {"channels": ["C1"], "timeout": 0},
        {"channels": ["C1"], "held": 0},
    ):
        with pytest.raises(ConfigError):
            Backfill(**cast("Any", wrong))
    assert Backfill(channels=iter(["C1", "C1", "C2"])).channels == ("C1", "C2")


async def test_half_an_emoji_in_a_found_message_costs_that_character_only() -> None:
    """The standard library reads it, as slack_sdk does; JSON cannot be written with it."""
    answer = page(1, 2)
    answer["messages"][0]["text"] = "cut \ud83d"
    async with scene(answer) as made:
        made.gap()
        report = await made.filled()
    assert report.counts == {"C1": 2}
    assert made.said == ["cut \ufffd*", "2*"]
    assert made.errors == []
