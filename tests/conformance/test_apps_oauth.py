"""Bolt for Python installs itself at our real server by OAuth, with its own stores: the app of the how-to page."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from needs import skip_for
from stores import Store

from conformance.inbox import Transcript
from conformance.person import Person
from conformance.ports import free_port, wait_until_listening
from conformance.programs import BOLT, Program
from conformance.server import ServerProcess

SECRET = "the-operator-of-this-test-0123456789"
WITHIN = 60.0
SEED = """\
team: {name: Acme, domain: acme}
users: [{name: alice}]
apps: [{manifest: desk.yaml, tokens: []}]
channels: [{name: general}]
"""


@pytest.mark.timeout(900)  # the first build downloads packages
@pytest.mark.only_on("sqlite")
async def test_the_app_of_the_how_to_is_installed_in_a_browser_and_uninstalled(store: Store, tmp_path: Path) -> None:
    lack = BOLT.lack()
    skip_for(f"{BOLT.title}: {lack}" if lack is not None else None)
    await asyncio.to_thread(BOLT.prepare)
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "apps" / "install-an-app.md").read_text()
    manifest, code = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("yaml", "py"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "desk.yaml").write_text(manifest.replace("http://127.0.0.1:3000", url))
    installations, states = tmp_path / "installations", tmp_path / "states"
    code = code.replace('"installations"', repr(str(installations))).replace('"states"', repr(str(states)))
    (tmp_path / "app.py").write_text(code)
    client = replace(BOLT, command=("bin/python", str(tmp_path / "app.py")))
    transcript = Transcript()
    try:
        options = ("--control", "on", "--control-secret", SECRET)
        async with ServerProcess(tmp_path, transcript, options, seed=SEED) as server:
            facts = server.app("Desk")
            program = await Program.start(
                client, api_url=server.api_url, token="", transcript=transcript, APP_URL=url, PORT=str(port),
                SLACK_SIGNING_SECRET=facts["signing_secret"], SLACK_CLIENT_ID=facts["client_id"],
                SLACK_CLIENT_SECRET=facts["client_secret"],
            )  # fmt: skip
            try:
                await wait_until_listening(port, WITHIN)
                await install(url)
                stored = [json.loads(path.read_text()) for path in installations.rglob("installer-latest")]
                assert [(each["user_id"], each["bot_user_id"]) for each in stored] == [
                    (server.user("alice"), server.user("desk"))
                ]
                async with Person("alice", server.token("alice"), server.api_url, transcript) as alice:
                    general, desk = server.channel("general"), server.user("desk")
                    inbox = (await alice.connect()).inbox
                    await alice.post(general, f"<@{desk}> hello")
                    greeting = f"Hello <@{server.user('alice')}>"
                    await inbox.take(type="message", user=desk, text=greeting, within=WITHIN)
                    await alice.post(general, "who sees this?")
                    await inbox.take(type="message", user=desk, text="as the bot: False", within=WITHIN)
                async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRET}"}) as operator:
                    control = server.api_url.replace("/api/", "/_control/v1/")
                    async with operator.post(f"{control}app.uninstall", json={"app": "Desk"}) as answer:
                        assert answer.status == 200, await answer.text()
                await until(lambda: asyncio.to_thread(is_empty, installations))
            finally:
                await program.stop()
    finally:
        print(transcript)


async def install(url: str) -> None:
    """Do what a person does in a browser."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
        async with browser.get(f"{url}/slack/install") as answer:
            link = unescape(re.findall(r'href="([^"]*authorize[^"]*)"', await answer.text())[0])
            # Secure cookies: browsers send them to this machine without TLS as well, aiohttp does not.
            cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
        async with browser.get(link) as answer:
            assert answer.status == 200
        asked = dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))
        form = {**asked, "person": "alice", "secret": SECRET}
        page = link.partition("?")[0]
        async with browser.post(page, data=form, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            location = answer.headers["Location"]
        async with browser.get(location, cookies=cookies) as answer:
            assert answer.status == 200, await answer.text()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN):
        while not await condition():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


def is_empty(directory: Path) -> bool:
    return not [path for path in directory.rglob("*") if path.is_file() and "latest" in path.name]
