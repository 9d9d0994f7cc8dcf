"""The view of a gateway on the web page: a real gateway with a server of ours as its upstream, in a real browser."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from crooked import refused
from several import Several
from stage import Stage
from tautwire.gateway.gateway import Gateway
from test_page_security import CHECK, MARK, axe, other_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = ["axe"]

Look = Callable[..., Awaitable[Page]]


class Windows:
    """Windows of the browser in front of a gateway; errors of their pages are kept."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.trouble: list[str] = []
        self.contexts: list[BrowserContext] = []

    async def look(self, gateway: Gateway, **options: Any) -> Page:
        """Open the page by its link, and wait for the status."""
        context = await self._browser.new_context(**options)
        self.contexts.append(context)
        page = await context.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and self.trouble.append(said.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: self._check(request.url, gateway))
        assert gateway.page is not None
        await page.goto(gateway.page)
        await expect(page.get_by_role("heading", name="Gateway", level=2)).to_be_visible()
        await expect(page.get_by_text("Upstream connected")).to_be_visible()
        return page

    def _check(self, url: str, gateway: Gateway) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(gateway.api_url).netloc:
            self.trouble.append(f"a request to another host: {url}")


@pytest_asyncio.fixture(loop_scope="module")
async def windows(browser: Browser) -> AsyncIterator[Windows]:
    windows = Windows(browser)
    yield windows
    for context in windows.contexts:
        await context.close()
    assert not windows.trouble, windows.trouble


@pytest_asyncio.fixture(loop_scope="module")
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A gateway with its page, for the bot desk."""
    monkeypatch.setattr("tautwire.server.watch.MAX_BUSY", 30.0)  # seconds: the disk may be slow while all tests run
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Stage.opened(tmp_path, page=True))


def row(page: Page, table: str, text: str) -> Locator:
    return page.get_by_role("region", name=table).get_by_role("row").filter(has_text=text)


async def test_the_gateway_opens_on_its_view_and_the_figures_follow_what_happens(
    stage: Stage, windows: Windows
) -> None:
    page = await windows.look(stage.gateway)
    assert "key" not in page.url
    for absent in ("Conversations", "Panes"):
        await expect(page.get_by_role("navigation", name=absent)).to_be_hidden()
    await expect(page.get_by_role("contentinfo")).to_be_hidden()
    await expect(page.get_by_role("navigation", name="Views").get_by_role("link")).to_have_text(["Gateway"])
    await expect(page.get_by_role("region", name="Table of programs")).to_contain_text("No program is connected")
    link = row(page, "Table of links", "Socket Mode")
    await expect(link).to_contain_text("127.0.0.1")
    await expect(link).to_contain_text("connected")

    socket = await stage.connect()
    await stage.post("alice", stage.general, "one")
    await stage.received(socket, "one")
    await socket.say(stage.general, "two")
    await expect(page.get_by_role("group", name="Programs")).to_contain_text("1connected")
    program = row(page, "Table of programs", "RTM")
    await expect(program).to_contain_text("Python/")
    bots = row(page, "Table of bots", "desk").get_by_role("cell")
    await expect(bots.nth(6)).to_have_text("1")
    await expect(page.get_by_role("group", name="Behind the upstream").locator(".gateway-figure")).to_contain_text("ms")
    await socket.close()
    await expect(program).to_have_count(0)


async def test_a_view_that_is_read_stays_in_its_place_with_the_focus(stage: Stage, windows: Windows) -> None:
    page = await windows.look(stage.gateway, viewport={"width": 1440, "height": 500})
    table = page.get_by_role("region", name="Table of programs")
    await table.focus()
    before = await page.evaluate("document.querySelector('#pages').scrollTop")
    kept = await page.evaluate_handle("document.querySelector('[aria-label=\"Table of links\"] tbody tr')")
    await stage.post("alice", stage.general, "one")
    await expect(row(page, "Table of links", "Socket Mode").get_by_role("cell").nth(4)).not_to_have_text("never")
    await expect(table).to_be_focused()
    assert await page.evaluate("document.querySelector('#pages').scrollTop") == before
    assert await kept.evaluate("(row) => row.isConnected"), "rows change in place"


async def test_a_cut_upstream_is_said_with_its_reason_and_its_return_too(stage: Stage, windows: Windows) -> None:
    page = await windows.look(stage.gateway)
    await stage.line.die()
    await expect(page.get_by_text("Upstream not connected").first).to_be_visible()
    await expect(page.locator(".alert")).to_contain_text("upstream: 127.0.0.1 cannot be reached")
    await expect(row(page, "Table of links", "Socket Mode")).to_contain_text("not connected")
    await expect(page.get_by_role("status")).to_have_text("Upstream not connected")
    await stage.line.live()
    await expect(page.get_by_text("Upstream connected").first).to_be_visible()
    await expect(page.locator(".alert")).to_have_count(0)
    await expect(row(page, "Table of links", "Socket Mode")).to_contain_text("cannot be reached")  # the last failure


async def test_what_could_not_be_mapped_is_counted_with_the_reason(stage: Stage, windows: Windows) -> None:
    page = await windows.look(stage.gateway)
    unmapped = page.get_by_role("region", name="Table of what could not be mapped")
    await expect(unmapped).to_contain_text("All events and calls could be mapped")
    for number in range(2):
        event = {"type": "event_callback", "event_id": f"Ev{number}", "event": {"type": "app_home_opened"}}
        await stage.line.tell({"type": "events_api", "envelope_id": f"E{number}", "payload": event})
    await stage.request("apps.no_such_method")
    found = row(page, "Table of what could not be mapped", "app_home_opened")
    await expect(found.get_by_role("cell").nth(3)).to_have_text("2")
    await expect(found).to_contain_text("RTM has no such event")
    await expect(row(page, "Table of what could not be mapped", "apps.no_such_method")).to_contain_text(
        "unknown_method"
    )
    await expect(page.get_by_role("group", name="Could not be mapped")).to_contain_text("3events and calls")


async def test_the_doctor_is_run_by_keys_and_says_what_to_do(stage: Stage, windows: Windows) -> None:
    stage.line.scopes = "chat:write"
    page = await windows.look(stage.gateway)
    button = page.get_by_role("button", name="Run the doctor")
    await button.focus()
    await page.keyboard.press("Enter")
    findings = page.get_by_role("list", name="Findings")
    scopes = findings.get_by_role("listitem").filter(has_text="scopes").first
    await expect(scopes).to_contain_text("Must change")
    await expect(scopes).to_contain_text("channels:history")
    await expect(findings.get_by_role("listitem").filter(has_text="link")).to_contain_text("events come")
    again = page.get_by_role("button", name="Check again")
    await expect(again).to_be_focused()
    await expect(page.get_by_role("status")).to_have_text("The doctor has found 1 thing to change")
    stage.line.scopes = ""
    await again.click()
    await expect(findings.get_by_role("listitem").filter(has_text="scopes").first).to_contain_text("all are there")


async def test_a_missing_scope_is_shown_with_the_change(stage: Stage, windows: Windows) -> None:
    async def refuse(method: str, _: dict[str, str]) -> Any:
        return refused("missing_scope", needed="pins:read") if method == "pins.list" else None

    stage.line.before, stage.line.scopes = refuse, "chat:write"
    await stage.ok("conversations.info", channel=stage.general)  # its answer names the scopes
    await stage.request("pins.list", channel=stage.general)
    page = await windows.look(stage.gateway)
    await expect(page.get_by_role("list", name="Missing scopes")).to_contain_text(
        "add pins:read to oauth_config.scopes.bot"
    )


async def test_axe_finds_nothing_and_hostile_names_do_nothing(stage: Stage, windows: Windows, axe: str) -> None:
    relay = stage.gateway.relay
    stage.upstream.http.headers["User-Agent"] = MARK
    await stage.connect()
    await stage.connect(batch_presence_aware=True)
    event = {"type": "event_callback", "event_id": "Ev1", "event": {"type": MARK[:80]}}
    await stage.line.tell({"type": "events_api", "envelope_id": "E1", "payload": event})
    object.__setattr__(relay.bot, "name", MARK)
    object.__setattr__(relay.bot.team, "name", MARK * 5)
    relay.api.scopes.read({"X-OAuth-Scopes": "chat:write"})
    relay.api.scopes.missing(MARK, MARK)
    relay.sending.figures.errors.count(MARK[:80])
    relay.link.condition.failed(MARK * 3)
    page = await windows.look(stage.gateway, reduced_motion="reduce")  # colours that still fade have no contrast
    relay.health.fault("upstream", MARK)
    await expect(page.locator(".alert")).to_contain_text(MARK)
    await page.get_by_role("button", name="Run the doctor").click()
    await expect(page.get_by_role("button", name="Check again")).to_be_visible()
    await expect(page.get_by_role("region", name="Table of programs")).to_contain_text("<script>")
    await expect(page.get_by_role("region", name="Table of what could not be mapped")).to_contain_text("<img")
    await page.evaluate(axe)

    found: list[str] = []
    for width in (1440, 1100, 390, 320):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.wait_for_function(f"innerWidth === {width}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"
        assert await page.evaluate(
            "document.querySelector('#pages').scrollWidth <= document.querySelector('#pages').clientWidth"
        ), f"the view scrolls sideways at {width}"
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            found += await page.evaluate(CHECK)
    await page.get_by_role("button", name="Keys").click()
    found += await page.evaluate(CHECK)
    assert found == []
    assert await page.evaluate(IS_HURT) is False
    relay.health.clear("upstream")


IS_HURT = """() => window.hurt !== undefined
  || document.querySelector("main img, main script, [onerror], [onclick]") !== null"""


async def test_no_token_is_on_the_page_nor_in_what_it_gets(stage: Stage, windows: Windows) -> None:
    page = await windows.look(stage.gateway)
    await page.get_by_role("button", name="Run the doctor").click()
    await expect(page.get_by_role("button", name="Check again")).to_be_visible()
    seen = await page.evaluate(
        "async () => document.documentElement.outerHTML + await (await fetch('gateway/status')).text()"
    )
    secrets = stage.upstream.directory.apps["desk"]
    tokens = [str(secrets[name]) for name in ("bot_token", "app_token", "signing_secret")]
    tokens += [token.reveal() for token in stage.gateway.relay.local_tokens.values()]
    for token in tokens:
        assert token not in seen
    assert "xox" not in seen.replace("xoxb-, xoxp-", "")
    assert "xapp-" not in seen


async def test_several_bots_are_told_apart_and_one_that_is_not_served_says_why(
    tmp_path: Path, windows: Windows
) -> None:
    async with Several.opened(tmp_path) as several:
        bots = {"desk_bot": several.settings("desk"), "porter_bot": several.settings("porter")}
        bots["lost_bot"] = several.settings("porter", bot_token="xoxb-wrong-0000000000000")
        await several.start(bots, page=True)
        page = await (await windows._browser.new_context()).new_page()
        windows.contexts.append(page.context)
        await page.goto(str(several.gateway.page))
        await expect(row(page, "Table of bots", "desk_bot")).to_contain_text("Acme")
        await expect(row(page, "Table of bots", "porter_bot")).to_contain_text("porter")
        await expect(page.locator(".alert")).to_contain_text("lost_bot: bot: not served")
        await expect(page.get_by_text("Upstream not connected for 1 of 3 bots")).to_be_visible()
        await page.get_by_role("button", name="Run the doctor").click()
        findings = page.get_by_role("list", name="Findings")
        await expect(findings.get_by_role("listitem").filter(has_text="lost_bot: bot token")).to_contain_text(
            "Must change"
        )
        await expect(findings.get_by_role("listitem").filter(has_text="desk_bot: scopes")).to_contain_text("Fine")


async def test_an_ended_session_and_a_gateway_that_is_gone_are_said(stage: Stage, windows: Windows) -> None:
    page = await windows.look(stage.gateway)
    await page.evaluate("async () => (await fetch('session', { method: 'DELETE' })).status")
    await expect(page.get_by_role("alert")).to_contain_text("not_authorized")
    await expect(page.get_by_role("alert")).to_contain_text("page.txt")
    await page.reload()
    await expect(page.get_by_role("heading", name="This page needs its link", level=2)).to_be_visible()
    port = stage.gateway.port
    other = await windows.look(stage.gateway)
    await stage.gateway.stop()
    await expect(other.get_by_role("alert")).to_contain_text("unreachable")
    await stage.start(port)
    windows.trouble[:] = [said for said in windows.trouble if "401" not in said and "ERR_CONNECTION" not in said]


async def test_a_page_of_another_origin_can_do_nothing_with_the_session(
    stage: Stage, windows: Windows, browser: Browser
) -> None:
    mine = await windows.look(stage.gateway)
    calls = stage.line.count("auth.test")
    async with other_site("<p>hello</p>") as port:
        context = await browser.new_context(storage_state=await mine.context.storage_state())
        page = await context.new_page()
        await page.goto(f"http://127.0.0.1:{port}/")
        tried = await page.evaluate(ATTACK, stage.gateway.base_url)
        await context.close()
    assert tried == {"run": "refused", "blind": "refused", "read": "refused", "frame": "refused"}
    checkup = await mine.evaluate("async () => (await (await fetch('gateway/status')).json()).doctor")
    assert checkup == {"is_running": False, "ended": None, "findings": {}}
    assert stage.line.count("auth.test") == calls


ATTACK = """async (origin) => {
  const attempt = (promise) => promise.then((answer) => answer.type, () => "refused");
  const frame = new Promise((done) => {
    const element = document.createElement("iframe");
    element.src = `${origin}/_page/`;
    element.onload = () => { try { done(element.contentDocument ? "read" : "refused"); } catch { done("refused"); } };
    document.body.append(element);
  });
  const run = `${origin}/_page/gateway/doctor`;
  return {
    run: await attempt(fetch(run, { method: "POST", credentials: "include" })),
    blind: await attempt(fetch(run, { method: "POST", credentials: "include", mode: "no-cors" })),
    read: await attempt(fetch(`${origin}/_page/gateway/status`, { credentials: "include" })),
    frame: await frame,
  };
}"""
