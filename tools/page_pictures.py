"""Takes the pictures of the web page in docs/pictures, of a real server in a real Chromium.

Run with ``python -m tools.page_pictures`` or ``make picture``. Times and ids differ from run to run, so they are not
compared: take them again when the page looks different. Emoji need a font, such as Debian's fonts-noto-color-emoji.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from playwright.async_api import Browser, ViewportSize, async_playwright, expect

from tautwire import RTMClient
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.gateway import Gateway
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.directory import Directory

T = TypeVar("T")

FOLDER: Final = Path(__file__).parent.parent / "docs" / "pictures"
SIZE: Final[ViewportSize] = {"width": 1440, "height": 720}

SEED: Final = """
team: {name: Acme, domain: acme}
users:
  - {name: alice, real_name: Alice Example}
  - {name: bob, real_name: Bob Example}
  - {name: carol, real_name: Carol Example}
channels:
  - {name: deploys, topic: What goes out, members: [alice, bob, carol, deploybot]}
  - {name: general, members: [alice, bob, carol]}
  - {name: random, members: [alice, bob]}
apps:
  - {name: deploybot, socket_mode: true, bot_events: [message.channels, app_mention], interactivity: true}
"""

BLOCKS: Final = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*1.42.0* is ready for _production_. The tests passed."}},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "style": "primary", "action_id": "go", "text": {"type": "plain_text", "text": "Deploy"}},
            {"type": "button", "action_id": "wait", "text": {"type": "plain_text", "text": "Not today"}},
        ],
    },
]


async def take(folder: Path, chromium: str) -> list[Path]:
    """Take all pictures; return where they are."""
    with tempfile.TemporaryDirectory() as scratch:
        seed = Path(scratch) / "seed.yaml"
        seed.write_text(SEED)
        settings = Settings(data=Path(scratch) / "data", port=0, seed=seed, page=True, drain=0.1)
        async with Server(settings) as server, aiohttp.ClientSession() as http, async_playwright() as playwright:
            directory = await server.directory()
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            await _talk(http, server, directory)
            taken = [
                await _chat(browser, directory, folder / "page.png"),
                await _frames(browser, await server.directory(), folder / "page-frames.png"),
                await _gateway(browser, server, directory, Path(scratch) / "gateway", folder / "page-gateway.png"),
            ]
            await browser.close()
            return taken


async def _talk(http: aiohttp.ClientSession, server: Server, directory: Directory) -> None:
    """Let something be said."""
    control = _there(directory.control)

    async def operate(operation: str, **arguments: Any) -> Any:
        headers = {"Authorization": f"Bearer {control.secret}"}
        async with http.post(control.url + operation, json=arguments, headers=headers) as response:
            return await response.json()

    async def post(**arguments: str) -> Any:
        headers = {"Authorization": f"Bearer {directory.apps['deploybot']['bot_token']}"}
        async with http.post(server.api_url + "chat.postMessage", data=arguments, headers=headers) as response:
            return await response.json()

    channel = directory.channels["deploys"]
    await operate("say", user="bob", channel="deploys", text="The fix for the login is merged. :tada:")
    asked = await operate("say", user="alice", channel="deploys", text="@deploybot what is next?")
    await post(channel=channel, text="1.42.0 is ready", blocks=json.dumps(BLOCKS))
    await operate("react", user="carol", channel="deploys", ts=asked["ts"], name="eyes")
    await operate("reply", user="bob", channel="deploys", ts=asked["ts"], text="I take the database first")
    await operate("say", user="carol", channel="general", text="Lunch at *one*?")


def _there(value: T | None) -> T:
    if value is None:
        raise RuntimeError("the server does not serve its page")
    return value


async def _chat(browser: Browser, directory: Directory, path: Path) -> Path:
    context = await browser.new_context(viewport=SIZE, color_scheme="light")
    page = await context.new_page()
    await page.goto(_there(directory.page))
    await page.get_by_role("link", name="deploys").click()
    await expect(page.get_by_role("button", name="Deploy", exact=True)).to_be_visible()
    await page.screenshot(path=path)
    await context.close()
    return path


async def _frames(browser: Browser, directory: Directory, path: Path) -> Path:
    context = await browser.new_context(viewport=SIZE, color_scheme="dark")
    page = await context.new_page()
    await page.goto(_there(directory.page))
    await page.get_by_role("link", name="deploys").click()
    field = page.get_by_role("textbox", name="Message")
    await field.fill("Let us deploy at *three*")
    await field.press("Enter")
    message = page.locator(
        'article:not([data-ts^="9999999999"])', has_text="Let us deploy at three"
    )  # not one on its way
    await message.focus()
    await page.keyboard.press("f")
    await page.get_by_role("button", name="Show only these").click()
    await page.locator("li.frame").first.get_by_role("button").first.click()
    await expect(page.locator(".frame-open")).to_be_visible()
    await page.screenshot(path=path)
    await context.close()
    return path


async def _gateway(browser: Browser, server: Server, directory: Directory, data: Path, path: Path) -> Path:
    secrets = directory.apps["deploybot"]
    settings = GatewaySettings(
        upstream_url=server.api_url, bot_token=secrets["bot_token"], app_token=secrets["app_token"], pace=False
    )
    async with (
        Gateway(settings, Settings(data=data, port=0, drain=0.1), page=True) as gateway,
        RTMClient(gateway.local_token.reveal(), base_url=gateway.api_url) as bot,
    ):
        for number in range(20):
            await bot.say(directory.channels["deploys"], f"Step {number} is done")
        context = await browser.new_context(viewport=SIZE, color_scheme="light")
        page = await context.new_page()
        await page.goto(_there(gateway.page))
        await expect(page.get_by_role("region", name="Table of programs")).to_contain_text("RTM")
        await page.screenshot(path=path)
        await context.close()
    return path


def find_chromium() -> str | None:
    """Return the program of the browser."""
    return shutil.which("chromium") or shutil.which("google-chrome")


def main() -> int:
    """Take the pictures."""
    chromium = find_chromium()
    if chromium is None:
        print("chromium was not found: install the Debian package chromium")
        return 1
    for path in asyncio.run(take(FOLDER, chromium)):
        print(path.relative_to(FOLDER.parent.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
