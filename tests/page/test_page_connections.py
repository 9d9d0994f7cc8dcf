"""Connections and apps on the web page: who is connected and how far behind, and an app made from a manifest."""

import asyncio
import json
import re
import shutil
from typing import Any

import pytest
from playwright.async_api import Page, expect

from looking import PATIENCE, Answer, OpenPlace, Place, receiver, until
from test_page_security import CHECK, MARK, axe

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = ["axe"]

MANIFEST = {
    "display_information": {"name": "Helper"},
    "features": {"bot_user": {"display_name": "helper"}},
    "oauth_config": {"scopes": {"bot": ["chat:write", "commands", "app_mentions:read", "reactions:read"]}},
    "settings": {"socket_mode_enabled": True, "event_subscriptions": {"bot_events": ["app_mention"]}},
}


async def look(place: Place, at: str, **options: Any) -> Page:
    """Open the page wide, at a view, with a clipboard."""
    wide: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, **options}
    return await place.look(at=at, permissions=["clipboard-read", "clipboard-write"], **wide)


async def test_connections_are_shown_with_what_waits_and_dropped(place: Place) -> None:
    gate, got = asyncio.Event(), asyncio.Event()

    async def react(kind: str, payload: Answer) -> None:
        got.set()
        await gate.wait()

    async with place.app(react):
        page = await look(place, "tools/connections")
        cards = page.get_by_role("tabpanel", name="Connections").get_by_role("listitem")
        desk, alice = cards.filter(has_text="Socket Mode"), cards.filter(has_text="alice")
        await expect(desk).to_contain_text("desk")
        await expect(desk).to_contain_text("connected")
        await expect(alice).to_contain_text("RTM")
        await expect(alice).to_contain_text("127.0.0.1:")
        await expect(page.get_by_role("tab", name="Connections")).to_contain_text("2")

        await place.operate("say", user="bob", channel="general", text="hello")
        await got.wait()
        await expect(desk).to_contain_text("1 event unacknowledged")
        gate.set()
        await expect(desk).to_contain_text("0 events")

        await desk.get_by_role("link", name="Show frames").click()
        tool = page.get_by_role("tabpanel", name="Frames")
        await expect(tool.locator("li.frame", has_text="events_api")).to_have_count(1)
        assert await tool.locator("li.frame .conn", has_text="alice").count() == 0
        await page.get_by_role("tab", name="Connections").click()
        await desk.get_by_role("button", name="Drop").click()
        await expect(desk).to_have_count(0)


async def test_an_app_is_made_from_a_manifest_and_its_lines_work_in_a_shell(place: Place) -> None:
    page = await look(place, "apps")
    await expect(page.get_by_role("heading", name="desk")).to_be_visible()
    await expect(page.get_by_role("region", name="Interactivity")).to_contain_text("/ticket")
    await page.get_by_role("button", name="From manifest").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Manifest").fill("display_information: {}")
    await dialog.get_by_role("button", name="Make app").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("invalid_manifest")
    place.trouble[:] = [each for each in place.trouble if "400" not in each]  # the browser reports the refusal itself
    await dialog.get_by_role("textbox", name="Manifest").fill(json.dumps(MANIFEST))
    await dialog.get_by_role("button", name="Make app").click()

    once = page.get_by_role("region", name="Tokens of Helper")
    await expect(once).to_contain_text("shown once")
    await once.get_by_role("tab", name="Bolt JS").click()
    await expect(once).to_contain_text("slackApiUrl")
    await once.get_by_role("button", name="Copy lines").click()
    await until(page, "navigator.clipboard.readText().then((text) => text.includes('export'))")
    lines = await page.evaluate("navigator.clipboard.readText()")
    assert "SLACK_APP_TOKEN=xapp-" in lines
    said = await in_shell(
        f"{lines}\ncurl -s -H \"Authorization: Bearer $SLACK_BOT_TOKEN\" -d '' ${{SLACK_API_URL}}auth.test"
    )
    assert json.loads(said)["user"] == "helper"

    await once.get_by_role("button", name="Done, hide them").click()
    await expect(page.get_by_text("xoxb-")).to_have_count(0)
    detail = page.locator(".detail")
    await expect(detail.get_by_role("region", name="Subscriptions")).to_contain_text("app_mention")
    await expect(detail.get_by_role("region", name="Scopes")).to_contain_text("chat:write")
    await detail.get_by_role("button", name="New tokens").click()
    await expect(once).to_contain_text("xoxb-")
    await detail.get_by_role("button", name="Edit manifest").click()
    await expect(dialog.get_by_role("textbox", name="Manifest")).to_have_value(re.compile("Helper"))
    settings = {"socket_mode_enabled": True, "event_subscriptions": {"bot_events": ["reaction_added"]}}
    changed = json.dumps({**MANIFEST, "settings": settings})
    await dialog.get_by_role("textbox", name="Manifest").fill(changed)
    await dialog.get_by_role("button", name="Change app").click()
    await expect(detail.get_by_role("region", name="Subscriptions")).to_contain_text("reaction_added")


async def in_shell(script: str) -> bytes:
    """Run a script in a shell; return what it prints."""
    run = await asyncio.create_subprocess_exec(
        str(shutil.which("sh")), "-c", script, stdout=asyncio.subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}
    )
    said, _ = await asyncio.wait_for(run.communicate(), PATIENCE)
    return said


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_deliveries_that_fail_are_seen_with_their_tries(open_place: OpenPlace, axe: str, theme: str) -> None:
    place = await open_place()

    async def busy(_: Answer) -> int:
        return 503

    async with receiver(busy) as url:
        await place.operate("app.add", name="tally", events=["message.channels"])
        await place.operate("app.request_url", app="tally", url=url)
        await place.operate("join", user="tally", channel="general")
        page = await look(place, "apps", color_scheme=theme)
        await page.get_by_role("navigation", name="Apps").get_by_role("link", name="tally").click()
        detail = page.locator(".detail")
        await expect(detail).to_contain_text(url)
        await expect(page.get_by_role("link", name="tally")).to_contain_text("HTTP, is served")
        await place.operate("say", user="bob", channel="general", text=MARK)

        await expect(detail.get_by_role("status").filter(has_text="failed")).to_contain_text("503")
        table = detail.get_by_role("region", name="Table of deliveries")
        await expect(table).to_contain_text("2 tries")
        await expect(detail.get_by_text("was sent again")).to_contain_text("the next try is in")
        await page.evaluate(axe)
        found = []
        for width in (1440, 390):
            await page.set_viewport_size({"width": width, "height": 800})
            found += await page.evaluate(CHECK)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"sideways at {width}"
        await page.get_by_role("button", name="New tokens").click()
        await expect(page.get_by_role("region", name="Tokens of tally")).to_be_visible()
        found += await page.evaluate(CHECK)
        await page.goto(f"{place.origin}/_page/#/tools/connections")
        await expect(page.get_by_role("tabpanel", name="Connections").get_by_text("tally")).to_be_visible()
        for width in (390, 1440):
            await page.set_viewport_size({"width": width, "height": 800})
            if width == 1440:
                await expect(page.get_by_role("article").first).to_be_visible()
            found += await page.evaluate(CHECK)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"sideways at {width}"
        assert found == []
        assert await page.evaluate("window.hurt === undefined")


@pytest.mark.parametrize("label", ["Try message now", "Try all now"])
async def test_a_delivery_is_tried_at_once_by_a_press(place: Place, label: str) -> None:
    got: list[Answer] = []
    answers = [503, 503, 200]

    async def answer(body: Answer) -> int:
        got.append(body)
        return answers[len(got) - 1]

    async with receiver(answer) as url:
        await place.operate("app.add", name="tally", events=["message.channels"])
        await place.operate("app.request_url", app="tally", url=url)
        page = await look(place, "apps")
        await page.get_by_role("navigation", name="Apps").get_by_role("link", name="tally").click()
        await expect(page.get_by_role("link", name="tally")).to_contain_text("HTTP, is served")
        await place.operate("join", user="tally", channel="general")  # which is a message in the channel
        table = page.get_by_role("region", name="Table of deliveries")
        await expect(table).to_contain_text("2 tries")
        await expect(page.get_by_role("button", name="Try all now")).to_be_visible()

        await page.get_by_role("button", name=label).dblclick()

        await expect(table).to_contain_text("3 tries")
        await expect(table).to_contain_text("200")
        await expect(page.get_by_role("button", name="Try message now")).to_have_count(0)
        await expect(page.get_by_role("button", name="Try all now")).to_be_hidden()
        assert [each["event_id"] for each in got] == [got[0]["event_id"]] * 3
        assert await page.get_by_role("alert").count() == 0
