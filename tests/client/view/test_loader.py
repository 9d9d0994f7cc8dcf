"""What is read for the view, and when: after gaps, after failures, and what becomes of readings that come too late."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tautwire import Event, NotConnected, View, ViewIncomplete, ViewOptions
from tautwire.client.view.loader import Loader
from tautwire.protocol.codec import decode_event, encode
from tautwire.protocol.ids import UserId

ME = UserId("U0")


def decoded(**members: Any) -> Event:
    event = decode_event(encode(members))
    assert isinstance(event, Event)
    return event


def refusal(code: str) -> SlackApiError:
    return SlackApiError("no", SimpleNamespace(status_code=200, data={"ok": False, "error": code}, headers={}))


class Web:
    """A workspace that says what is the case, but for the calls that ``fate`` decides: it may raise, or wait."""

    def __init__(self) -> None:
        self.users: list[dict[str, Any]] = [{"id": ME, "name": "bot"}]
        self.channels: list[dict[str, Any]] = [{"id": "C1", "name": "general", "is_member": True}]
        self.members: dict[str, list[str]] = {"C1": [ME, "U1"]}
        self.page_size = 0
        """Things on a page; 0 for one page of all, without a word about pages."""
        self.cursor = ""
        """What every page but the last one names as the next, instead of the right one."""
        self.calls: list[str] = []
        """Each call, as a method and perhaps a channel."""
        self.fate: dict[str, Callable[[], Awaitable[None]]] = {}

    def refuse(self, call: str, code: str) -> None:
        async def fail() -> None:
            raise refusal(code)

        self.fate[call] = fail

    def hold(self, call: str, code: str = "") -> tuple[asyncio.Event, asyncio.Event]:
        """Keep the next such call waiting, then perhaps refuse it; return what says that it came, and lets it go."""
        come, may_go = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            del self.fate[call]
            come.set()
            await may_go.wait()
            if code:
                raise refusal(code)

        self.fate[call] = wait
        return come, may_go

    async def api_call(self, method: str, *, http_verb: str, params: Mapping[str, Any]) -> Any:
        call = " ".join([method, *([params["channel"]] if "channel" in params else [])])
        self.calls.append(call)
        match method:
            case "users.list":
                answer = self._page("members", self.users, params)
            case "conversations.list":
                answer = self._page("channels", self.channels, params)
            case _:
                answer = self._page("members", self.members[params["channel"]], params)
        if call in self.fate:
            await self.fate[call]()
        return SimpleNamespace(data={"ok": True, **answer})

    def _page(self, name: str, found: list[Any], params: Mapping[str, Any]) -> dict[str, Any]:
        if not self.page_size:
            return {name: list(found)}
        begin = int(params.get("cursor", 0))
        end = begin + self.page_size
        cursor = (self.cursor or str(end)) if end < len(found) else ""
        return {name: found[begin:end], "response_metadata": {"next_cursor": cursor}}


class Scene:
    """A view that is loaded from a workspace, and what was told of it."""

    def __init__(self) -> None:
        self.web = Web()
        self.errors: list[str] = []
        self.told = asyncio.Event()
        options = ViewOptions()
        self.view = View(options)
        web = cast("AsyncWebClient", self.web)
        self.loader = Loader(self.view, options, web, self._tell)

    def _tell(self, error: ViewIncomplete) -> None:
        self.errors.append(str(error))
        self.told.set()

    def hello(self, *, is_resumed: bool = False) -> None:
        self.loader.connected(ME, is_resumed=is_resumed)

    def lose(self) -> None:
        self.loader.disconnected()

    def enter(self, id_: str, *members: str) -> None:
        """Come into a channel, on the server and by an event."""
        channel = {"id": id_, "name": id_.lower(), "is_member": True}
        self.web.channels.append(channel)
        self.web.members[id_] = [ME, *members]
        self.view.apply(decoded(type="channel_joined", channel=channel))

    async def load(self) -> None:
        async with asyncio.timeout(10):
            await self.loader.load()

    async def idle(self) -> None:
        """Wait until nothing is being read."""
        async with asyncio.timeout(10):
            while found := readings():
                await asyncio.wait(found)


def readings() -> list[asyncio.Task[Any]]:
    return [each for each in asyncio.all_tasks() if each.get_name() == "tautwire-view"]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    made.hello()
    await made.load()
    assert made.view.is_current
    yield made
    await made.loader.stop()
    assert readings() == []


async def test_a_resume_does_not_make_up_for_a_gap_whose_reading_failed(scene: Scene) -> None:
    view, web = scene.view, scene.web
    scene.lose()
    web.users.append({"id": "U2", "name": "carol"})
    web.refuse("users.list", "fatal")
    scene.hello()
    with pytest.raises(ViewIncomplete):
        await scene.load()
    scene.lose()
    web.fate.clear()
    scene.hello(is_resumed=True)
    assert not view.is_current
    await scene.load()
    assert view.is_current
    assert view.user_named("carol") is not None


async def test_a_resume_after_a_gap_that_was_read_needs_no_reading(scene: Scene) -> None:
    scene.lose()
    scene.hello()
    await scene.load()
    calls = len(scene.web.calls)
    scene.lose()
    assert not scene.view.is_current
    scene.hello(is_resumed=True)
    assert scene.view.is_current
    await scene.idle()
    assert len(scene.web.calls) == calls


async def test_a_reading_that_ends_between_two_connections_counts_after_a_resume(scene: Scene) -> None:
    scene.lose()
    come, may_go = scene.web.hold("users.list")
    scene.hello()
    await come.wait()
    scene.lose()
    may_go.set()
    await scene.load()
    assert not scene.view.is_current
    scene.hello(is_resumed=True)
    assert scene.view.is_current


async def test_a_second_reading_that_fails_takes_nothing_away(scene: Scene) -> None:
    scene.web.refuse("users.list", "fatal")
    with pytest.raises(ViewIncomplete):
        await scene.load()
    assert scene.view.is_current


async def test_members_asked_for_before_a_gap_do_not_replace_those_read_after_it(scene: Scene) -> None:
    come, may_go = scene.web.hold("conversations.members C2")
    scene.enter("C2", "U1", "U2")
    await come.wait()
    scene.lose()
    scene.web.members["C2"] = [ME, "U3"]
    scene.hello()
    await scene.load()
    assert scene.view.members("C2") == {ME, "U3"}
    may_go.set()
    await scene.idle()
    assert scene.view.members("C2") == {ME, "U3"}
    assert scene.errors == []


async def test_members_of_a_conversation_that_cannot_be_read_alone_are_read_with_the_rest(scene: Scene) -> None:
    scene.web.refuse("conversations.members C2", "fatal")
    scene.enter("C2", "U1")
    await scene.idle()
    assert scene.errors == ["the view lacks members of C2: fatal"]
    assert not scene.view.is_current
    scene.web.fate.clear()
    scene.lose()
    scene.hello(is_resumed=True)
    await scene.load()
    assert scene.view.members("C2") == {ME, "U1"}
    assert scene.view.is_current


async def test_members_that_cannot_be_read_are_lacking_though_the_rest_is_read_later(scene: Scene) -> None:
    come, may_go = scene.web.hold("conversations.members C1")
    loading = asyncio.ensure_future(scene.load())
    await come.wait()
    scene.web.refuse("conversations.members C2", "fatal")
    scene.enter("C2")
    async with asyncio.timeout(10):
        await scene.told.wait()
    may_go.set()
    await loading
    assert not scene.view.is_current


async def test_what_was_being_read_when_the_client_stopped_is_read_when_it_goes_on(scene: Scene) -> None:
    come, _ = scene.web.hold("conversations.members C2")
    scene.enter("C2", "U1")
    await come.wait()
    await scene.loader.stop()
    scene.hello(is_resumed=True)
    assert not scene.view.is_current
    await scene.load()
    assert scene.view.members("C2") == {ME, "U1"}
    assert scene.view.is_current


async def test_who_waits_for_a_reading_waits_for_the_one_after_the_gap(scene: Scene) -> None:
    come, _ = scene.web.hold("users.list")
    waiting = asyncio.ensure_future(scene.load())
    await come.wait()
    scene.lose()
    scene.web.users.append({"id": "U2", "name": "carol"})
    scene.hello()
    await waiting
    assert scene.view.user_named("carol") is not None


async def test_who_waits_for_a_reading_is_told_of_the_stop(scene: Scene) -> None:
    come, _ = scene.web.hold("users.list")
    waiting = asyncio.ensure_future(scene.load())
    await come.wait()
    await scene.loader.stop()
    with pytest.raises(NotConnected):
        await waiting


async def test_a_conversation_that_we_left_meanwhile_is_not_missed(scene: Scene) -> None:
    come, may_go = scene.web.hold("conversations.members C1", "channel_not_found")
    loading = asyncio.ensure_future(scene.load())
    await come.wait()
    scene.view.apply(decoded(type="channel_left", channel="C1"))
    may_go.set()
    await loading
    come, may_go = scene.web.hold("conversations.members C2", "channel_not_found")
    scene.enter("C2")
    await come.wait()
    scene.view.apply(decoded(type="channel_left", channel="C2"))
    may_go.set()
    await scene.idle()
    assert scene.errors == []
    assert scene.view.members("C1") == scene.view.members("C2") == frozenset()
    assert scene.view.is_current


@pytest.mark.parametrize("kind", ["im", "mpim"])
async def test_members_of_a_direct_message_that_is_opened_are_read(scene: Scene, kind: str) -> None:
    scene.web.members["D1"] = [ME, "U1"]
    channel = {"id": "D1", f"is_{kind}": True}
    if kind == "im":
        event = decoded(type="im_created", user=ME, channel=channel)
    else:
        event = decoded(type="mpim_joined", channel=channel)
    scene.view.apply(event)
    await scene.idle()
    assert scene.view.members("D1") == {ME, "U1"}
    scene.view.apply(event)
    assert scene.web.calls.count("conversations.members D1") == 1


async def test_what_is_of_an_odd_shape_keeps_the_members_that_are_not(scene: Scene) -> None:
    odd = {"id": "C3", "name": "odd", "created": "long ago", "is_private": True, "is_member": True}
    scene.web.channels.append(odd)
    scene.web.members["C3"] = [ME]
    await scene.load()
    channel = scene.view.channel_named("odd")
    assert channel is not None
    assert (channel.created, channel.is_private) == (None, True)
    assert scene.view.members("C3") == {ME}


async def test_lists_are_read_to_their_last_page(scene: Scene) -> None:
    web = scene.web
    web.page_size = 2
    web.users += [{"id": f"U{number}", "name": f"user{number}"} for number in range(1, 5)]
    web.channels += [{"id": f"C{number}", "name": f"room{number}", "is_member": False} for number in range(2, 5)]
    web.members["C1"] = [each["id"] for each in web.users]
    web.calls.clear()
    await scene.load()
    assert {each.name for each in scene.view.users()} == {"bot", "user1", "user2", "user3", "user4"}
    assert {each.id for each in scene.view.channels()} == {"C1", "C2", "C3", "C4"}
    assert scene.view.members("C1") == set(web.members["C1"])
    assert [web.calls.count(each) for each in ("users.list", "conversations.list", "conversations.members C1")] == [
        3,
        2,
        3,
    ]


async def test_a_list_that_pages_in_circles_is_given_up(scene: Scene) -> None:
    scene.web.users += [{"id": f"U{number}"} for number in range(1, 5)]
    scene.web.page_size, scene.web.cursor = 2, "2"
    scene.web.calls.clear()
    with pytest.raises(ViewIncomplete, match=r"pagination loop: users\.list repeated a cursor"):
        await scene.load()
    assert scene.web.calls.count("users.list") == 2


async def test_an_answer_without_its_list_is_told(scene: Scene) -> None:
    scene.web.users = cast("list[dict[str, Any]]", "many")
    scene.web.page_size = 10
    with pytest.raises(ViewIncomplete, match=r"the answer of users\.list has no list of members"):
        await scene.load()


async def test_what_has_no_id_is_left_out_and_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.web.users += [cast("dict[str, Any]", "U8"), {"name": "nobody"}, {"id": 7}, {"id": "U2", "name": "carol"}]
    await scene.load()
    assert {each.id for each in scene.view.users()} == {ME, "U2"}
    lines = [each.getMessage() for each in caplog.records if "without an id" in each.getMessage()]
    assert lines == [f"the list of Users holds something without an id: a {kind}" for kind in ("str", "dict", "dict")]


async def test_half_an_emoji_in_a_name_costs_that_character_only(scene: Scene) -> None:
    """The standard library reads it, as slack_sdk does; JSON cannot be written with it."""
    scene.web.users.append({"id": "U2", "name": "carol", "real_name": "Carol \ud83d", "updated": "then"})
    await scene.load()
    found = scene.view.user_named("carol")
    assert found is not None
    assert (found.real_name, found.updated) == ("Carol \ufffd", None)
