"""Bolt for Python and for JavaScript, unmodified, with request URLs at our real server.

The app of the how-to page answers everything once; those of the programs answer commands, buttons and modals too.
"""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from needs import skip_for
from stores import Store

from conformance.conversation import Conversation, interact
from conformance.inbox import Transcript
from conformance.person import Person
from conformance.ports import free_port, wait_until_listening
from conformance.programs import BOLT, NODE_BOLT, Client, Program
from conformance.server import ServerProcess

WITHIN = 90.0
"""Seconds for an answer: the server asks an app that has no listener yet once a minute at last."""


@pytest.mark.timeout(900)  # the first build downloads packages
@pytest.mark.only_on("sqlite")
async def test_the_app_of_the_how_to_answers_everything_once(store: Store, tmp_path: Path) -> None:
    lack = BOLT.lack()
    skip_for(f"{BOLT.title}: {lack}" if lack is not None else None)
    BOLT.prepare()
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "apps" / "receive-events-over-http.md").read_text()
    seed, code = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("yaml", "py"))
    port = free_port()
    (tmp_path / "app.py").write_text(code)
    app = replace(BOLT, command=("bin/python", str(tmp_path / "app.py")))
    transcript = Transcript()
    try:
        async with ServerProcess(tmp_path, transcript, seed=seed.replace(":3000/", f":{port}/")) as server:

            async def start() -> Program:
                program = await Program.start(
                    app, api_url=server.api_url, token=server.token("desk"), transcript=transcript,
                    SLACK_SIGNING_SECRET=server.signing_secret("desk"), PORT=str(port),
                )  # fmt: skip
                await wait_until_listening(port, WITHIN)
                return program

            program = await start()
            try:
                async with Person("alice", server.token("alice"), server.api_url, transcript) as alice:
                    general, desk = server.channel("general"), server.user("desk")
                    inbox = (await alice.connect()).inbox
                    await alice.post(general, "ask why")
                    await inbox.take(type="message", user=desk, text="answer to why", within=WITHIN)
                    await alice.post(general, f"<@{desk}> are you there?")
                    await inbox.take(type="message", user=desk, within=WITHIN, text=greeting(server.user("alice")))

                    await program.stop()
                    for number in range(10):
                        await alice.post(general, f"ask missed {number}")
                    program = await start()
                    await server.stop()
                    await server.start()
                    await alice.post(general, "ask the last")
                    history = await answers(alice, general, desk, 13)
                    missed = [f"answer to missed {number}" for number in range(10)]
                    wanted = ["answer to why", greeting(server.user("alice")), "answer to the last", *missed]
                    assert sorted(history) == sorted(wanted), "each was answered once"
            finally:
                await program.stop()
    finally:
        print(transcript)


def greeting(user: str) -> str:
    return f"Hello <@{user}>, write `ask` and a question."


async def answers(alice: Person, channel: str, app: str, count: int) -> list[str]:
    """Return the texts of the app, once there are ``count``."""
    async with asyncio.timeout(WITHIN):
        while True:
            found = (await alice.web.conversations_history(channel=channel, limit=100))["messages"]
            texts = [message["text"] for message in found if message.get("user") == app]
            if len(texts) >= count:
                return texts
            await asyncio.sleep(0.2)


SEED = """\
team: {{name: Acme, domain: acme}}
users: [{{name: alice}}]
apps:
  - name: desk
    bot_events: [app_mention, message.channels, message.groups, message.im]
    request_url: {url}
    commands: [{{name: /ticket, url: "{url}"}}]
    interactivity: {{request_url: "{url}"}}
channels: [{{name: general, members: [alice, desk]}}, {{name: ops, private: true, members: [alice, desk]}}]
"""


@pytest.mark.timeout(900)  # the first build downloads packages
@pytest.mark.parametrize("app", [BOLT, NODE_BOLT], ids=lambda app: app.name)
@pytest.mark.only_on("sqlite")
async def test_an_app_answers_a_command_a_button_and_a_modal(app: Client, store: Store, tmp_path: Path) -> None:
    lack = app.lack()
    skip_for(f"{app.title}: {lack}" if lack is not None else None)
    app.prepare()
    port = free_port()
    seed = SEED.format(url=f"http://127.0.0.1:{port}/slack/events")
    transcript = Transcript()
    try:
        async with ServerProcess(tmp_path, transcript, ("--control", "on"), seed=seed) as server:

            async def start() -> Program:
                program = await Program.start(
                    app, api_url=server.api_url, token=server.token("desk"), transcript=transcript,
                    SLACK_SIGNING_SECRET=server.signing_secret("desk"), PORT=str(port), SOCKET_MODE_CLIENT="http",
                )  # fmt: skip
                await wait_until_listening(port, WITHIN)
                return program

            general, desk = server.channel("general"), server.user("desk")
            program = await start()
            try:
                async with Person("alice", server.token("alice"), server.api_url, transcript) as alice:
                    talk = Conversation(alice, await alice.connect(), desk)
                    direct = (await alice.web.conversations_open(users=desk))["channel"]["id"]
                    for channel in (general, server.channel("ops"), direct):
                        await talk.ask(channel, f"one of {channel}", within=WITHIN)
                    await interact(server, talk, general)

                    await program.stop()
                    gone = await server.act("command", user="alice", channel=general, text="/ticket away")
                    assert gone["error"] == "dispatch_failed"
                    for number in range(10):
                        await alice.post(general, f"ask missed {number}")
                    await server.stop()
                    await server.start()
                    talk.socket = await alice.connect()
                    program = await start()
                    for number in range(10):
                        await talk.hear(f"answer to missed {number}", WITHIN)
                    await talk.ask(general, "after the restart", within=WITHIN)
                    await interact(server, talk, general)
            finally:
                await program.stop()
    finally:
        print(transcript)
