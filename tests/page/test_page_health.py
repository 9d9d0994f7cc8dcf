"""The view Health of the web page: what /readyz and /metrics say."""

from typing import Any

import pytest
from playwright.async_api import expect

from looking import OpenPlace, Place
from test_page_security import CHECK, axe

pytestmark = pytest.mark.asyncio(loop_scope="module")

__all__ = ["axe"]

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


async def test_figures_grow_with_what_is_posted_and_are_drawn(place: Place) -> None:
    page = await place.look(at="health", **WIDE)
    stored = page.get_by_role("region", name="Messages stored")
    await expect(page.get_by_role("region", name="Connections")).to_contain_text("1open")
    await expect(page.get_by_role("region", name="Memory").locator(".figure")).to_contain_text("MiB")
    await expect(stored.locator("polyline")).to_have_count(1)
    await expect(page.get_by_role("region", name="Checks")).to_contain_text("commits, 0 failed")
    await expect(page.get_by_text("Ready", exact=True)).to_be_visible()

    for number in range(20):
        await place.operate("say", user="bob", channel="general", text=f"n{number}")
    await expect(stored).not_to_contain_text("peak 0;")
    await expect(page.get_by_role("region", name="Commit, median").locator(".figure")).not_to_contain_text("none")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_fault_is_said_and_axe_finds_nothing(place: Place, axe: str, theme: str) -> None:
    await place.operate("say", user="bob", channel="general", text="hello")
    place.server.health.fault("upstream", "<img src=x onerror=window.hurt=1>")
    page = await place.look(at="health", color_scheme=theme, **WIDE)
    await expect(page.get_by_text("Not ready")).to_be_visible()
    await expect(page.locator(".alert")).to_contain_text("<img src=x")
    await page.evaluate(axe)
    found = []
    for width in (1440, 1100, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.wait_for_function(f"innerWidth === {width}")
        found += await page.evaluate(CHECK)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"
    assert found == []
    assert await page.evaluate("window.hurt === undefined && !document.querySelector('.pages img')")


async def test_a_server_that_shows_no_figures_still_tells_its_state(open_place: OpenPlace) -> None:
    place = await open_place(metrics="off")
    page = await place.look(at="health", **WIDE)
    await expect(page.get_by_role("alert")).to_contain_text("http_404")
    await expect(page.get_by_role("region", name="Checks")).to_contain_text("commits, 0 failed")
    place.trouble[:] = [said for said in place.trouble if "404" not in said]  # the browser reports the refusal itself
