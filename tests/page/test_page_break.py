"""The tools Break and Compose of the web page: what is pressed is seen in the bot."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Page, expect

from looking import PATIENCE, Answer, Place, receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


@asynccontextmanager
async def bot(place: Place) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect a program of bob over RTM, and wait for its hello."""
    token = place.directory.users["bob"]["token"]
    opened = await place._call(token, "rtm.connect", {})
    async with place.http.ws_connect(opened["url"], compress=0) as socket:
        await until(socket, lambda frame: frame.get("type") == "hello")
        yield socket


async def until(socket: aiohttp.ClientWebSocketResponse, fits: Any) -> dict[str, Any]:
    while True:
        message = await socket.receive(PATIENCE)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: dict[str, Any] = json.loads(message.data)
        if fits(frame):
            return frame


async def choose(page: Page, name: str, label: str = "of") -> None:
    """Choose the connection of a user, by name."""
    select = page.get_by_role("combobox", name=label, exact=True)
    option = select.locator("option", has_text=name)
    await expect(option).to_have_count(1)
    await select.select_option(await option.get_attribute("value"))


async def test_a_link_is_dropped_and_an_ack_is_lost(place: Place) -> None:
    page = await place.look(at="tools/break", **WIDE)
    waiting = page.get_by_role("region", name="Waiting to happen")
    await expect(waiting).to_contain_text("No fault waits")

    async with bot(place) as socket:
        await choose(page, "bob, RTM")
        await page.get_by_role("button", name="Lose acks").click()
        await expect(waiting).to_contain_text("Lose acks of bob, RTM, 1 left")
        channel = place.directory.channels["general"]
        for number in (1, 2):
            await socket.send_json({"id": number, "type": "message", "channel": channel, "text": f"n{number}"})
        assert (await until(socket, lambda frame: "reply_to" in frame))["reply_to"] == 2
        history = await place.desk("conversations.history", channel=channel)
        assert [each["text"] for each in history["messages"]] == ["n2", "n1"]
        await expect(waiting).to_contain_text("No fault waits")

        await page.get_by_role("button", name="Drop link").click()
        await asyncio.wait_for(_ended(socket), PATIENCE)
    await expect(page.get_by_role("combobox", name="of", exact=True)).to_contain_text("bob, RTM, gone")
    await page.get_by_role("button", name="Drop link").click()
    await expect(page.get_by_role("alert")).to_contain_text("connection_gone")


async def _ended(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def test_a_method_answers_429_to_the_app_alone_until_it_is_cancelled(place: Place) -> None:
    page = await place.look(at="tools/break", **WIDE)
    waiting = page.get_by_role("region", name="Waiting to happen")
    await page.get_by_role("combobox", name="of method").fill("auth.test")
    await page.get_by_role("combobox", name="by").select_option("desk")
    retry = page.get_by_role("textbox", name="Answer 429")
    await retry.fill("soon")
    await page.get_by_role("button", name="Answer 429").click()
    await expect(page.get_by_role("alert")).to_contain_text("must be a number from 0 to 86400")
    await retry.fill("7")
    await page.get_by_role("button", name="Answer 429").click()
    await expect(waiting).to_contain_text("429 on auth.test by desk, 1 left")

    headers = {"Authorization": f"Bearer {place.directory.apps['desk']['bot_token']}"}
    async with place.http.post(place.server.api_url + "auth.test", headers=headers) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    await expect(waiting).to_contain_text("No fault waits")
    await page.get_by_role("button", name="Hang", exact=True).click()
    await page.get_by_role("button", name="Cancel Hang").click()
    await expect(waiting).to_contain_text("No fault waits")
    assert (await place.operate("faults.list"))["faults"] == []


async def test_the_clock_goes_forward_and_is_held(place: Place) -> None:
    before = (await place.operate("time.read"))["now"]
    page = await place.look(at="tools/break", **WIDE)
    clock = page.get_by_role("region", name="The clock")
    await page.get_by_role("button", name="Forward 1 day").click()
    await expect(clock).to_contain_text("1 d ahead")
    await page.get_by_role("button", name="Hold").click()
    await expect(clock).to_contain_text("held")
    time = await place.operate("time.read")
    assert time["now"] - before >= 86_400
    assert time["is_frozen"]
    await page.get_by_role("button", name="Hold").click()
    await expect(clock).not_to_contain_text("held")


async def test_an_event_is_composed_and_reaches_one_bot(place: Place) -> None:
    async with bot(place) as socket:
        page = await place.look(at="tools/compose", **WIDE)
        await page.get_by_role("button", name="Send event").click()
        await expect(page.get_by_role("alert")).to_contain_text("Choose a connection first")
        await choose(page, "bob, RTM", "To")
        await page.get_by_role("button", name="Event reaction_added").click()
        await page.get_by_role("combobox", name="Type of event").fill("pref_change")
        await page.keyboard.press("Enter")
        await page.get_by_role("textbox", name="name").fill("colour")
        value = page.get_by_role("textbox", name="value")
        await value.fill("{")
        await page.get_by_role("button", name="Send event").click()
        await expect(page.get_by_role("alert")).to_contain_text("value must be JSON")
        await value.fill('{"red": 1}')
        await page.get_by_role("button", name="Send event").click()
        got = await until(socket, lambda frame: frame.get("type") == "pref_change")
        assert got == {"type": "pref_change", "name": "colour", "value": {"red": 1}}


async def pick_type(page: Page, name: str) -> None:
    """Choose the type of the event."""
    await page.get_by_role("button", name=re.compile("^Event")).click()
    await page.get_by_role("combobox", name="Type of event").fill(name)
    await page.keyboard.press("Enter")


async def test_an_event_and_a_disconnect_are_composed_for_one_app_over_socket_mode(place: Place) -> None:
    opened = await place._call(place.directory.apps["desk"]["app_token"], "apps.connections.open", {})
    async with place.http.ws_connect(opened["url"], compress=0) as socket:
        await until(socket, lambda frame: frame.get("type") == "hello")
        page = await place.look(at="tools/compose", **WIDE)
        await choose(page, "desk, Socket Mode", "To")
        await expect(page.get_by_role("status").filter(has_text="in an envelope")).to_contain_text("It is not stored")
        await page.get_by_role("textbox", name="reaction").fill("tada")
        await page.get_by_role("button", name="Send event").click()
        envelope = await until(socket, lambda frame: "envelope_id" in frame)
        assert envelope["payload"]["event"]["reaction"] == "tada"
        await socket.send_json({"envelope_id": envelope["envelope_id"]})

        await pick_type(page, "disconnect")
        await page.get_by_role("combobox", name="reason").select_option("refresh_requested")
        await page.get_by_role("button", name="Send event").click()
        assert (await until(socket, lambda frame: frame.get("type") == "disconnect"))["reason"] == "refresh_requested"
        await page.get_by_role("button", name="Send event").click()
        await expect(page.get_by_role("alert")).to_contain_text("already_disconnecting")
    place.trouble[:] = [each for each in place.trouble if "400" not in each]  # the browser reports the refusal itself


async def test_an_event_is_composed_for_an_app_over_http(place: Place) -> None:
    got: asyncio.Queue[Answer] = asyncio.Queue()

    async def answer(body: Answer) -> int:
        await got.put(body)
        return 200

    async with receiver(answer) as url:
        await place.operate("app.add", name="tally", events=["message.channels"])
        await place.operate("app.request_url", app="tally", url=url)
        page = await place.look(at="tools/compose", **WIDE)
        await choose(page, "tally, HTTP", "To")
        await expect(page.get_by_role("status").filter(has_text="signed")).to_contain_text("It is not stored")
        await pick_type(page, "disconnect")
        await page.get_by_role("button", name="Send event").click()
        await expect(page.get_by_role("alert")).to_contain_text("over Socket Mode only")
        await pick_type(page, "user_typing")
        await expect(page.get_by_text("Only RTM has it: no client of this connection expects it.")).to_be_visible()
        await pick_type(page, "link_shared")
        await expect(page.get_by_text("no client of this connection expects it")).to_have_count(0)
        await page.get_by_role("textbox", name="links").fill('[{"url": "https://example.com"}]')
        await place.served("tally")
        await page.get_by_role("button", name="Send event").click()
        body = await asyncio.wait_for(got.get(), PATIENCE)
        assert (body["event"]["type"], body["event"]["links"]) == ("link_shared", [{"url": "https://example.com"}])
