"""The start of the web page: what it loads before it is first seen, and in which order."""

import pytest
from playwright.async_api import expect

from looking import Place, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATE = """() => {
  const [{ domContentLoadedEventStart: ready }] = performance.getEntriesByType("navigation");
  const loaded = performance.getEntriesByType("resource").filter((each) => /\\.(js|css)$/.test(each.name));
  const name = (each) => each.name.split("/_page/")[1].replace(/^v-[0-9a-f]{16}\\//, "");
  return {
    first: loaded.filter((each) => each.startTime < ready).map(name),
    chained: loaded.filter((each) => each.startTime < ready && each.initiatorType === "script").map(name),
    later: loaded.filter((each) => each.startTime >= ready).map(name),
    fetched: loaded.filter((each) => each.startTime < ready && each.transferSize > 0).map(name),
  };
}"""


async def test_all_files_of_the_first_view_are_asked_for_at_once(place: Place) -> None:
    page = await place.look()
    await page.reload()
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    await until(page, "document.querySelectorAll('#strip li').length > 0")

    loaded = await page.evaluate(LATE)

    # A module that only another module names comes later: the browser has to read that one first.
    assert loaded["chained"] == ["js/main.js"]
    assert {"style.css", "js/main.js", "js/chat/feed.js", "js/blocks/act.js"} <= set(loaded["first"])
    assert "js/health/strip.js" in loaded["later"]
    assert loaded["fetched"] == []  # they were there since the first time
