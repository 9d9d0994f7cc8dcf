"""Frames on the web page: what goes over the wire, live, and from a message to what it caused."""

import asyncio
import json
import re
import shutil
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from looking import PATIENCE, Answer, OpenPlace, Place, until
from tautwire.server.journal.entry import Origin
from tautwire.testing import Workspace
from test_page_security import CHECK, MARK, axe

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = ["axe"]


async def frames_of(place: Place, **options: Any) -> tuple[Page, Locator]:
    """Open the page with the frames beside the chat; return it and the tool."""
    wide: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, **options}
    page = await place.look(permissions=["clipboard-read", "clipboard-write"], **wide)
    tool = page.get_by_role("tabpanel", name="Frames")
    await expect(tool.locator("li.frame").first).to_be_visible()
    return page, tool


async def copied(page: Page) -> str:
    """Return what was copied last."""
    text: str = await page.evaluate("navigator.clipboard.readText()")
    return text


async def click_copy(page: Page, tool: Locator, name: str) -> str:
    """Press a button that copies; return what was copied."""
    await page.evaluate("navigator.clipboard.writeText('')")
    await tool.get_by_role("button", name=name, exact=True).click()
    await until(page, "navigator.clipboard.readText().then((text) => text !== '')")
    return await copied(page)


def row(tool: Locator, chip: str, text: str = "") -> Locator:
    """Return the rows with a chip."""
    found = tool.locator("li.frame").filter(has=tool.page.locator(".chip", has_text=re.compile(f"^{re.escape(chip)}$")))
    return found.filter(has_text=text) if text else found


async def test_a_message_leads_to_what_it_caused_and_becomes_a_test(place: Place) -> None:
    channel = place.directory.channels["general"]

    async def react(kind: str, payload: Answer) -> None:
        event = payload.get("event", {})
        if event.get("type") == "message" and not event.get("bot_id"):
            await place.desk("chat.postMessage", channel=channel, text="deploying")

    async with place.app(react):
        page, tool = await frames_of(place)
        await place.operate("say", user="bob", channel="lounge", text="something else")
        field = page.get_by_role("textbox", name="Message")
        await field.fill("deploy api")
        await field.press("Enter")
        await expect(page.get_by_role("article", name="desk")).to_contain_text("deploying")
        await expect(row(tool, "envelope ack")).not_to_have_count(0)
        message = page.get_by_role("article", name="alice")
        await message.focus()
        await page.keyboard.press("f")

        note = tool.get_by_role("status").filter(has_text="deploy api")
        await expect(note).to_contain_text("the last after")
        await expect(message).to_contain_class("picked")
        await note.get_by_role("button", name="Show only these").click()
        await expect(row(tool, "events_api", "deploy api")).to_have_count(1)
        await expect(row(tool, "envelope ack").first).to_contain_text("after")
        await expect(row(tool, "chat.postMessage").filter(has_text="desk")).to_have_count(1)
        await expect(row(tool, "message", "something else")).to_have_count(0)
        await expect(row(tool, "conversations.history")).to_have_count(0)

        written = await click_copy(page, tool, "Copy these as test")
        await tool.get_by_role("button", name="Clear the selection").click()
        await expect(row(tool, "message", "something else")).not_to_have_count(0)
        await row(tool, "message", "something else").first.get_by_role("button").click()
        await tool.get_by_role("link", name="Show message").click()
        await expect(page.get_by_role("feed", name="Messages in #lounge")).to_be_visible()

    made: dict[str, Any] = {}
    exec(compile(written, "copied", "exec"), made)  # noqa: S102 - what the page copies has to run
    with Workspace(people=["alice"], bots=["desk"], channels=["general"]) as workspace:
        running = asyncio.create_task(made["test_the_bot_answers"](workspace))
        general, answer = workspace.channel("general"), {"text": "deploying"}
        await general.wait_for("deploy api", user="alice")
        headers = {"Authorization": f"Bearer {workspace.person('desk').token}"}
        answer["channel"] = str(general.id)
        async with place.http.post(f"{workspace.api_url}chat.postMessage", json=answer, headers=headers) as response:
            assert (await response.json())["ok"]
        await asyncio.wait_for(running, PATIENCE)


async def test_frames_are_filtered_paused_and_copied(place: Place) -> None:
    page, tool = await frames_of(place)
    channel = place.directory.channels["general"]
    token = place.directory.apps["desk"]["bot_token"]
    await place.desk("chat.postMessage", channel=channel, text="it's one", token=token)
    await place.operate("say", user="bob", channel="general", text="two")
    await expect(row(tool, "message", "two")).to_have_count(1)

    await tool.get_by_role("combobox", name="Connection").select_option("desk")
    await expect(row(tool, "message")).to_have_count(0)
    await row(tool, "chat.postMessage").get_by_role("button").click()
    shown = tool.get_by_role("region", name="Content of the frame")
    await expect(shown).to_contain_text('"text": "it\'s one"')
    await expect(shown.locator("b").first).to_have_text('"method"')
    assert token not in await page.content()

    command = await click_copy(page, tool, "Copy as curl")
    assert token not in command
    run = await asyncio.create_subprocess_exec(
        str(shutil.which("sh")), "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"SLACK_TOKEN": str(token), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    said, _ = await asyncio.wait_for(run.communicate(), PATIENCE)
    assert json.loads(said)["message"]["text"] == "it's one"
    await expect(row(tool, "chat.postMessage")).to_have_count(2)

    lines = [json.loads(line) for line in (await click_copy(page, tool, "Copy JSONL")).splitlines()]
    assert [line["method"] for line in lines] == ["chat.postMessage"] * 2
    assert token not in json.dumps(lines)

    await tool.get_by_role("combobox", name="Connection").select_option("All connections")
    await tool.get_by_role("searchbox", name="Filter frames").fill("THREE")
    await expect(tool.get_by_text("fits the filter")).to_be_visible()
    await tool.get_by_role("button", name="Pause").click()
    await place.operate("say", user="bob", channel="general", text="three")
    await expect(tool.get_by_role("button", name="new")).to_contain_text("2")  # the operation, and its frame
    await expect(row(tool, "message", "three")).to_have_count(0)
    await tool.get_by_role("button", name="new").click()
    await expect(row(tool, "message", "three")).to_have_count(1)
    await expect(tool.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")

    await expect(row(tool, "say")).to_have_count(1)
    await tool.get_by_role("button", name="Control API").click()
    await expect(row(tool, "say")).to_have_count(0)
    await tool.get_by_role("button", name="To client", exact=True).click()
    await expect(row(tool, "message", "three")).to_have_count(0)
    await tool.get_by_role("button", name="Show all").click()
    await expect(row(tool, "message", "three")).to_have_count(1)


async def test_a_flood_of_frames_is_counted_and_drawn_in_part_and_keys_move_in_it(place: Place) -> None:
    page, tool = await frames_of(place)
    controls = place.server.workspace.controls
    assert controls is not None
    origin = Origin("rtm", 900, None, place.directory.users["bob"]["id"])
    for number in range(40_000):  # more than the journal has room for, at once
        controls.journal.note("frame", origin, {"direction": "out"}, payload=b'{"type":"flood","text":"n%d"}' % number)

    await expect(tool.get_by_text("frames were not shown")).to_be_visible()
    await expect(tool.locator("li.frame").last).to_contain_text("n39999")
    kept, dropped = [int(each.replace(",", "")) for each in await tool.locator(".foot").evaluate(COUNTS)]
    assert kept > 1_000
    assert dropped > 1_000
    assert await page.locator("li.frame").count() < 100
    await tool.get_by_role("button", name="Hide this").click()

    frames = tool.get_by_role("group", name="Frames", exact=True)
    await frames.focus()
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    chosen = frames.get_by_role("button", expanded=True)
    await expect(chosen).to_be_focused()
    await expect(tool.get_by_role("region", name="Content of the frame")).to_contain_text("n39998")
    await page.keyboard.press("ArrowLeft")
    await expect(chosen).to_have_count(0)
    await page.keyboard.press("Home")
    top = await frames.locator("li.frame button:focus").inner_text()
    controls.journal.note("frame", origin, {"direction": "out"}, payload=b'{"type":"after"}')
    await expect(tool.get_by_role("button", name="new")).to_contain_text("1")
    assert await frames.locator("li.frame button:focus").inner_text() == top
    await tool.get_by_role("button", name="new").click()
    await expect(row(tool, "after")).to_be_visible()


COUNTS = """async (foot) => {
  const count = () => [...foot.children].map((each) => each.textContent.split(" ")[0]);
  while (count()[3] === "0") await new Promise((done) => setTimeout(done, 50));
  return [count()[0], count()[3]];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_hostile_frames_hurt_nothing_and_axe_finds_nothing(open_place: OpenPlace, axe: str, theme: str) -> None:
    place = await open_place()
    await place.operate("user.add", name="mallory", real_name=MARK)
    page, tool = await frames_of(place, color_scheme=theme)
    said = await place.operate("say", user="bob", channel="general", text=MARK + "\u202e'\"$(id)`")
    await place.desk("chat.postMessage", channel=said["channel"], text=MARK)
    await row(tool, "chat.postMessage").get_by_role("button").click()
    await expect(tool.get_by_role("region", name="Content of the frame")).to_contain_text("<script>")
    await page.goto(f"{place.origin}/_page/#/tools/frames/{said['channel']}/{said['ts']}")
    await expect(tool.get_by_role("status").filter(has_text="belong")).to_contain_text("<img")
    written = await click_copy(page, tool, "Copy these as test")
    compile(written, "copied", "exec")
    assert "\u202e" not in written

    await page.evaluate(axe)
    found = []
    for width in (1440, 1100, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        await expect(tool.locator("li.frame").first).to_be_visible()
        found += await page.evaluate(CHECK)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"
    assert found == []
    assert await page.evaluate("window.hurt === undefined && !document.querySelector('.tools img, .tools script')")
