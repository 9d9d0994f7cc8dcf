"""What hostile texts and pages of other sites can do on the web page: nothing. And the page without a mouse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from needs import skip_for
from playwright.async_api import expect

from conformance.programs import NODE, NPM, NPM_CI, Client
from looking import OpenPlace, Place, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

AXE = Client("axe", "axe-core", "Node.js", (), tools=(NODE, NPM), build=NPM_CI, home=Path(__file__).parent)
"""The checks of accessibility, which run in the browser."""

MARK = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'


async def test_hostile_texts_are_shown_as_they_are(place: Place) -> None:
    channel = place.directory.channels["general"]
    page = await place.look()

    link = f'<https://example.test/|{"a" * 30}"onclick=hurt>'
    label = MARK.replace(">", "").replace("<", "")
    for number, text in enumerate(
        (
            MARK,
            f"*{MARK}* _{MARK}_ `{MARK}` ```{MARK}``` &gt; {MARK}",
            f"<javascript:window.hurt=1|press me> <data:text/html,x|or me> {link}",
            f"> {MARK}",
            f"<@U1|{label}> <!date^99999999999999^{{date}}|x> <!subteam^S1|y>",
            "*" * 4_000 + " _" * 3_000,
        )
    ):
        await place.desk("chat.postMessage", channel=channel, text=text, username=f"n{number}{MARK}")
        await expect(page.get_by_role("article", name=f"n{number}")).to_be_attached()
        assert await page.evaluate(IS_HURT) is False
    assert await page.locator("a[href^='javascript'], a[href^='data']").count() == 0


async def test_hostile_blocks_attachments_and_names_are_shown_as_they_are(place: Place) -> None:
    channel = place.directory.channels["general"]
    page = await place.look()
    text = {"type": "mrkdwn", "text": MARK}
    button = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": MARK[:70]}}
    rich = [{"type": "text", "text": MARK}, {"type": "link", "url": "javascript:window.hurt=1", "text": "press"}]
    blocks = [
        {"type": "section", "text": text, "fields": [text], "accessory": button},
        {"type": "context", "elements": [text]},
        {"type": "image", "image_url": "https://example.test/x.png", "alt_text": MARK},
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": rich}]},
        {"type": "markdown", "text": f"{MARK} [press](javascript:window.hurt=1) **{MARK}**"},
    ]
    attachment = {
        "title": MARK,
        "title_link": "javascript:window.hurt=1",
        "text": MARK,
        "footer": MARK,
        "color": '"><script>',
        "author_name": MARK,
        "fields": [{"title": MARK, "value": MARK}],
        "image_url": "javascript:window.hurt=1",
    }

    await place.desk("chat.postMessage", channel=channel, text="x", blocks=blocks)
    await expect(page.get_by_role("article", name="desk")).to_contain_text("<script>")
    assert await page.evaluate(IS_HURT) is False
    await place.desk("chat.postMessage", channel=channel, text="x", attachments=[attachment])
    await place.operate("upload", user="bob", channel="general", name=f"{MARK}.png", text="no picture", title=MARK)
    await expect(page.get_by_role("button", name="Save <img")).to_be_visible()
    await place.operate("user.add", name="mallory", real_name=MARK)
    await page.get_by_role("button", name="Acting as").click()
    await expect(page.get_by_role("option", name="mallory")).to_contain_text("<script>")

    assert await page.evaluate(IS_HURT) is False
    assert await page.locator("a[href^='javascript']").count() == 0


IS_HURT = """() => window.hurt !== undefined
  || document.querySelector(".feed img:not(.picture), .feed script, [onerror], [onclick]") !== null"""


@asynccontextmanager
async def other_site(body: str) -> AsyncIterator[str]:
    """Serve a page of another origin on this machine: another port, which browsers count as the same site."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_page_of_another_origin_can_do_nothing_with_the_session(place: Place) -> None:
    window = await place.window()
    mine = await window.new_page()
    await mine.goto(await place.link())
    await expect(mine.get_by_role("textbox", name="Message")).to_be_visible()
    before = await place.desk("conversations.history", channel=place.directory.channels["general"])

    async with other_site("<p>hello</p>") as port:
        # By the browser itself, and without the watch of the tests: these requests fail, and say so in the console.
        context = await place.browser.new_context(storage_state=await window.storage_state())
        page = await context.new_page()
        await page.goto(f"http://127.0.0.1:{port}/")
        tried = await page.evaluate(ATTACK, place.origin)
        await context.close()

    assert tried == {"say": "refused", "blind": "refused", "read": "refused", "stream": "refused", "frame": "refused"}
    after = await place.desk("conversations.history", channel=place.directory.channels["general"])
    assert after["messages"] == before["messages"] == []


ATTACK = """async (origin) => {
  const say = JSON.stringify({ user: "alice", channel: "general", text: "hurt" });
  const url = `${origin}/_page/control/say`;
  const attempt = (promise) => promise.then((answer) => answer.type, () => "refused");
  const stream = new Promise((done) => {
    const source = new EventSource(`${origin}/_page/control/watch`, { withCredentials: true });
    source.onerror = () => { source.close(); done("refused"); };
    source.onopen = () => { source.close(); done("open"); };
  });
  const frame = new Promise((done) => {
    const element = document.createElement("iframe");
    element.src = `${origin}/_page/`;
    element.onload = () => { try { done(element.contentDocument ? "read" : "refused"); } catch { done("refused"); } };
    document.body.append(element);
  });
  return {
    say: await attempt(fetch(url, { method: "POST", body: say, credentials: "include" })),
    blind: await attempt(fetch(url, { method: "POST", body: say, credentials: "include", mode: "no-cors" })),
    read: await attempt(fetch(`${origin}/_page/session`, { credentials: "include" })),
    stream: await stream,
    frame: await frame,
  };
}"""


async def test_a_link_opens_the_page_once_and_leaves_no_key_behind(place: Place) -> None:
    link = await place.link()
    page = await (await place.window()).new_page()
    await page.goto(link)
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()

    assert "key" not in page.url
    assert await page.evaluate("document.cookie") == ""
    kept = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "xox" not in kept
    assert link.partition("=")[2] not in kept
    await page.reload()
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()

    other = await (await place.window()).new_page()
    await other.goto(link)
    await expect(other.get_by_role("heading", name="This page needs its link", level=2)).to_be_visible()
    place.trouble[:] = [each for each in place.trouble if "401" not in each]  # the browser reports the refusal itself


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, from npm."""
    skip_for(AXE.lack())
    AXE.prepare()
    return (AXE.directory / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_in_any_width(open_place: OpenPlace, axe: str, theme: str) -> None:
    place = await open_place()
    said = await place.operate(
        "say", user="bob", channel="general", text="*look* <@U1> `x` :tada:\n> and this\n```code```"
    )
    await place.operate("react", user="bob", channel="general", ts=said["ts"], name="tada")
    await place.operate("reply", user="alice", channel="general", ts=said["ts"], text="yes")
    await place.operate("upload", user="bob", channel="general", name="a.csv", text="1,2")
    await place.operate("dm", user="bob", to=["alice"], text="psst")
    page = await place.look(color_scheme=theme)
    await page.get_by_role("button", name="1 reply").click()
    await page.evaluate(axe)

    found = []
    for width in (1440, 1100, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        await until(page, f"innerWidth === {width}")
        found += await page.evaluate(CHECK)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"
    await page.set_viewport_size({"width": 1100, "height": 800})
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox", name="Search").fill("look")
    await expect(page.get_by_role("option").first).to_be_visible()
    found += await page.evaluate(CHECK)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Keys").click()
    found += await page.evaluate(CHECK)

    assert found == []


async def test_axe_finds_nothing_where_nothing_was_said_yet(place: Place, axe: str) -> None:
    page = await place.look()
    await expect(page.locator(".feed")).to_have_attribute("aria-busy", "false")
    await page.evaluate(axe)

    assert await page.evaluate(CHECK) == []

    await place.operate("say", user="bob", channel="general", text="first")
    await expect(page.get_by_role("feed").get_by_role("article")).to_have_count(1)
    assert await page.evaluate(CHECK) == []


CHECK = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
  .map((each) => `${each.id}: ${each.nodes.map((node) => node.html).slice(0, 3).join(" ")}`)"""


async def test_the_chat_is_used_by_keys_alone(place: Place) -> None:
    await place.operate("say", user="bob", channel="general", text="first")
    await place.operate("say", user="bob", channel="general", text="second")
    page = await place.look()
    feed = page.get_by_role("feed")
    await expect(feed.get_by_text("second")).to_be_visible()

    await feed.focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("article").filter(has_text="second")).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("article").filter(has_text="first")).to_be_focused()
    await page.keyboard.press("r")
    await page.keyboard.type("rocket")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="rocket, 1, you reacted")).to_be_visible()
    await page.keyboard.press("t")
    await expect(page.get_by_role("textbox", name="Reply as alice")).to_be_focused()
    await page.keyboard.type("by keys")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Thread")).to_contain_text("by keys")
    await page.keyboard.press("Alt+ArrowDown")
    await expect(page.get_by_role("region", name="Messages in #lounge")).to_be_visible()
