"""The strip below the panes of the web page: whether the server is ready, and its figures."""

from typing import Any

import pytest
from playwright.async_api import expect

from looking import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


async def test_the_strip_tells_the_state_and_the_figures_and_leads_to_health(place: Place) -> None:
    page = await place.look(**WIDE)
    strip = page.get_by_role("contentinfo", name="Health")
    state = strip.get_by_role("link")
    await expect(state).to_have_text("Ready")
    await expect(strip.get_by_role("listitem").filter(has_text="Connections")).to_contain_text("1")
    await expect(strip.get_by_role("listitem").filter(has_text="Memory")).to_contain_text("MiB")
    await place.operate("say", user="bob", channel="general", text="hello")
    await expect(strip.get_by_role("listitem").filter(has_text="Commit p50")).to_contain_text("ms")

    place.server.health.fault("upstream", "it does not answer")
    await expect(state).to_have_text("Not ready")
    await state.click()
    await expect(page.get_by_text("it does not answer")).to_be_visible()
    # The plots have a past: figures are read since the page is open.
    await expect(page.get_by_role("region", name="Memory").locator("polyline")).to_have_count(1)
