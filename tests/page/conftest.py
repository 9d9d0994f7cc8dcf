"""The web page in a real browser: Debian's Chromium, driven by Playwright, with a server in this process."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio
from needs import skip_for
from playwright.async_api import Browser, async_playwright

TESTS = Path(__file__).parents[1]
for folder in ("server/shared", "gateway", "page"):  # for the modules that the tests here share, and those of a gateway
    sys.path.insert(0, str(TESTS / folder))

if TYPE_CHECKING:
    from looking import OpenPlace, Place

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The browser of a module."""
    skip_for("chromium was not found: install the Debian package chromium" if CHROMIUM is None else None)
    async with async_playwright() as playwright:
        # Without a sandbox of its own: in containers there is no user that may make one.
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        await found.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_place(browser: Browser, tmp_path: Path) -> "AsyncIterator[OpenPlace]":
    """Start a server; what is given goes to its settings. At the end each page of it has logged no error."""
    from looking import Place

    places = []
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> Place:
            place = await stack.enter_async_context(Place.opened(browser, tmp_path / f"data{len(places)}", **settings))
            places.append(place)
            return place

        yield start
    for each in places:
        assert not each.trouble, each.trouble


@pytest_asyncio.fixture(loop_scope="module")
async def place(open_place: "OpenPlace") -> "Place":
    """A server with alice, bob and the app desk, which answers over Socket Mode when the test says how."""
    return await open_place()
