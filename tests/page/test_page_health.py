"""The view Health of the web page: what /readyz and /metrics say."""

from typing import Any

import pytest
from playwright.async_api import expect

from looking import OpenPlace, Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


async def test_figures_grow_with_what_is_posted_and_are_drawn(place: Place) -> None:
    page = await place.look(at="health", **WIDE)
    stored = page.get_by_role("region", name="Messages stored")
    await expect(page.get_by_role("region", name="Connections")).to_contain_text("1open")
    await expect(page.get_by_role("region", name="Memory").locator(".figure")).to_contain_text("MiB")
    await expect(stored.locator("polyline")).to_have_count(1)
    await expect(page.get_by_role("region", name="Checks")).to_contain_text("commits, 0 failed")
    await expect(page.locator("#pages").get_by_text("Ready", exact=True)).to_be_visible()

    for number in range(20):
        await place.operate("say", user="bob", channel="general", text=f"n{number}")
    await expect(stored).not_to_contain_text("peak 0;")
    await expect(page.get_by_role("region", name="Commit, median").locator(".figure")).not_to_contain_text("none")


async def test_a_server_that_shows_no_figures_still_tells_its_state(open_place: OpenPlace) -> None:
    place = await open_place(metrics="off")
    page = await place.look(at="health", **WIDE)
    await expect(page.get_by_role("alert")).to_contain_text("metrics_off")
    await expect(page.get_by_role("region", name="Checks")).to_contain_text("commits, 0 failed")
    strip = page.get_by_role("contentinfo", name="Health")
    await expect(strip.get_by_role("link")).to_have_text("Ready")
    await expect(strip.get_by_text("Memory")).to_be_hidden()
    assert not place.trouble  # what is refused was not asked for: the browser would report it
