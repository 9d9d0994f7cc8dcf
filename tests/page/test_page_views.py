"""The views and tools of an operator on the web page, with hostile names: axe, both themes, all widths."""

import pytest
from playwright.async_api import Page, expect

from looking import Place
from test_page_security import CHECK, MARK, axe

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = ["axe"]

IS_HURT = """() => window.hurt !== undefined
  || document.querySelector("main img:not(.picture), main script, [onerror], [onclick]") !== null"""


async def test_axe_finds_nothing_and_hostile_names_do_nothing(place: Place, axe: str) -> None:
    await place.operate("say", user="bob", channel="general", text="hello")
    await place.operate("faults.set", fault="rate_limit", method=MARK, times=None)
    await place.operate("user.add", name="mallory", real_name=MARK)
    place.server.health.fault("upstream", MARK)
    page = await place.look(reduced_motion="reduce")  # colours that still fade have no contrast
    await page.evaluate(axe)
    found: list[str] = []

    await page.goto(f"{place.origin}/_page/#/tools/break")
    await expect(page.get_by_role("region", name="Waiting to happen")).to_contain_text(f"429 on {MARK}")
    found += await check(page)

    await page.goto(f"{place.origin}/_page/#/tools/compose")
    await expect(page.get_by_role("textbox", name="reaction")).to_be_visible()
    found += await check(page)

    await page.goto(f"{place.origin}/_page/#/health")
    await expect(page.locator(".alert")).to_contain_text(MARK)
    found += await check(page)

    await page.goto(f"{place.origin}/_page/#/people")
    row = page.get_by_role("row", name="mallory")
    await expect(row).to_contain_text(MARK)
    await row.get_by_role("button", name="Tokens of mallory").click()
    await expect(page.get_by_role("region", name="Table of tokens")).to_be_visible()
    found += await check(page)
    await row.get_by_role("button", name="Issue token for mallory").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    found += await page.evaluate(CHECK)

    assert found == []
    assert await page.evaluate(IS_HURT) is False


async def check(page: Page) -> list[str]:
    """Return what axe finds in the present view, in both themes and three widths."""
    found: list[str] = []
    for width in (1440, 1100, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.wait_for_function(f"innerWidth === {width}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            found += await page.evaluate(CHECK)
    return found
