"""Other people's apps, unmodified, in Socket Mode against our real server.

Bolt for Python runs on each WebSocket client of slack_sdk.

Each app answers a person in a public, a private and a direct channel, a command, a button and a modal; it survives a
restart of the server and its own absence, and answers everything, once.
"""

from pathlib import Path

import pytest
from needs import skip_for
from stores import Store

from conformance.conversation import FIRST_WORDS, Conversation, interact
from conformance.inbox import Transcript
from conformance.person import Person
from conformance.programs import APPS, BOLT, Client, Program
from conformance.server import ServerProcess

SEED = """\
team: {name: Acme, domain: acme}
users: [{name: alice}]
apps:
  - {name: desk, socket_mode: true, bot_events: [app_mention, message.channels, message.groups, message.im],
     commands: [/ticket], interactivity: true}
channels: [{name: general, members: [alice, desk]}, {name: ops, private: true, members: [alice, desk]}]
"""

RETURN = 120.0
"""Seconds for a client to come back after a restart of the server: slack_sdk looks every 10 s and sleeps in between."""


CASES = [
    pytest.param(app, {"SOCKET_MODE_CLIENT": client}, id=f"{app.name}-{client}")
    for app in APPS
    for client in (["builtin", "aiohttp", "websocket_client", "websockets"] if app is BOLT else ["own"])
]


@pytest.mark.timeout(900)  # the first build downloads packages
@pytest.mark.parametrize(("app", "variables"), CASES)
@pytest.mark.only_on("sqlite")
async def test_an_app_answers_everything(app: Client, variables: dict[str, str], store: Store, tmp_path: Path) -> None:
    lack = app.lack()
    skip_for(f"{app.title}: {lack}" if lack is not None else None)
    app.prepare()
    transcript = Transcript()
    try:
        async with ServerProcess(
            tmp_path, transcript, ("--rate-limits", "off", "--control", "on"), seed=SEED
        ) as server:
            await converse(server, transcript, app, variables)
    finally:
        print(transcript)


async def converse(server: ServerProcess, transcript: Transcript, app: Client, variables: dict[str, str]) -> None:
    async def start() -> Program:
        program = await Program.start(
            app, api_url=server.api_url, token=server.token("desk"), transcript=transcript,
            SLACK_APP_TOKEN=server.app_token("desk"), **variables,
        )  # fmt: skip
        await program.inbox.take(step="connect", ok=True, within=FIRST_WORDS)
        return program

    general, desk = server.channel("general"), server.user("desk")
    program = await start()
    try:
        async with Person("alice", server.token("alice"), server.api_url, transcript) as alice:
            talk = Conversation(alice, await alice.connect(), desk)
            direct = (await alice.web.conversations_open(users=desk))["channel"]["id"]
            for channel, kind in ((general, "channel"), (server.channel("ops"), "group"), (direct, "im")):
                await talk.ask(channel, f"one of {kind}")
                await program.inbox.take(step="message", channel_type=kind)
            await alice.post(general, f"<@{desk}> are you there?")
            await talk.hear("you called: are you there?", FIRST_WORDS)

            await interact(server, talk, general)

            await server.stop()
            await server.start()
            talk.socket = await alice.connect()
            await talk.ask(general, "after the restart", within=RETURN)

            await program.stop()
            for number in range(20):
                await alice.post(general, f"ask missed {number}")
            program = await start()
            for number in range(20):
                await talk.hear(f"answer to missed {number}", FIRST_WORDS)
            await talk.ask(general, "the last")
            more = [record["text"] for record in talk.socket.inbox.drop(type="message", user=desk)]
            # The app was killed at once after this answer, perhaps before it could acknowledge the event.
            unacked = {"answer to after the restart"} if app.acks_last else set()
            assert len(more) == len(set(more))
            assert set(more) <= unacked, "all others were answered once"
    finally:
        await program.stop()
