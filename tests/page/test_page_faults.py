"""The tool Break of the web page: each way to end or slow a connection, as the bot sees it."""

import asyncio
from typing import Any

import aiohttp
import pytest
from playwright.async_api import expect

from looking import PATIENCE, Place
from test_page_break import bot, choose, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


async def last(socket: aiohttp.ClientWebSocketResponse) -> tuple[list[str], aiohttp.WSMessage]:
    """Read to the end; return the frames, and the message that ended it."""
    texts: list[str] = []
    while True:
        message = await socket.receive(PATIENCE)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return texts, message
        texts.append(message.data)


async def test_a_bot_sees_a_reset_a_goodbye_and_slow_frames(place: Place) -> None:
    page = await place.look(at="tools/break", **WIDE)
    waiting = page.get_by_role("region", name="Waiting to happen")

    async with bot(place) as socket:
        await choose(page, "bob, RTM")
        await page.get_by_role("textbox", name="Slow down").fill("0.1")
        await page.get_by_role("button", name="Slow down").click()
        await expect(waiting).to_contain_text("Slow down of bob, RTM, until")
        assert (await place.operate("faults.list"))["faults"][0]["seconds"] == 0.1
        await socket.send_json({"id": 1, "type": "ping"})
        await until(socket, lambda frame: frame.get("reply_to") == 1)
        await expect(waiting).to_contain_text("happened")
        await page.get_by_role("button", name="Cancel Slow down").click()
        await expect(waiting).to_contain_text("No fault waits")

        await page.get_by_role("button", name="Say goodbye").click()
        texts, end = await last(socket)
        assert '"goodbye"' in texts[-1]
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1001)

    link = page.get_by_role("combobox", name="of", exact=True)
    await expect(link).to_contain_text("bob, RTM, gone")
    async with bot(place) as socket:
        await expect(link).not_to_contain_text("gone")  # the next connection of the same person is chosen
        await page.get_by_role("button", name="Reset (RST)").click()
        _, end = await last(socket)
        assert end.type in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED)  # without a Close frame


async def test_every_connection_ends_and_the_page_comes_back(place: Place) -> None:
    page = await place.look(at="tools/break", **WIDE)
    async with bot(place) as one, bot(place) as two:
        bots = page.get_by_role("combobox", name="of", exact=True).locator("option", has_text="bob, RTM")
        await expect(bots).to_have_count(2)  # the page knows both: it reads who is connected every two seconds
        await choose(page, "every connection")
        await page.get_by_role("button", name="Drop link").click()
        await asyncio.gather(last(one), last(two))
    await page.goto(f"{place.origin}/_page/#/chat")
    await place.operate("say", user="bob", channel="general", text="after the drop")
    await expect(page.get_by_text("after the drop")).to_be_visible()


async def test_a_fault_that_cannot_happen_to_a_connection_is_refused_at_its_button(place: Place) -> None:
    page = await place.look(at="tools/break", **WIDE)
    async with bot(place):
        await choose(page, "bob, RTM")
        await page.get_by_role("button", name="Lose envelopes").click()
        await expect(page.get_by_role("alert")).to_contain_text("over Socket Mode only")
    assert (await place.operate("faults.list"))["faults"] == []
