"""Bolt apps, unmodified, at the gateway's Socket Mode: each process gets every event."""

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the conformance package is not installed

from needs import skip_for

from conformance.conversation import FIRST_WORDS
from conformance.inbox import Transcript
from conformance.programs import BOLT, NODE_BOLT, Client, Program
from several import Several


@pytest.mark.timeout(900)  # the first build downloads packages
@pytest.mark.parametrize("app", [BOLT, NODE_BOLT], ids=lambda app: app.name)
async def test_bolt_gets_every_event_in_each_process(app: Client, tmp_path: Path) -> None:
    lack = app.lack()
    skip_for(f"{app.title}: {lack}" if lack is not None else None)
    app.prepare()
    async with AsyncExitStack() as stack:
        several = await stack.enter_async_context(Several.opened(tmp_path))
        await several.start(several.settings("desk", socket_mode=True))
        transcript, programs = Transcript(), []
        for _ in range(2):
            program = await Program.start(
                app, api_url=several.gateway.api_url, token=several.token("bot"), transcript=transcript,
                SLACK_APP_TOKEN=several.token("bot", "app"), SOCKET_MODE_CLIENT="builtin",
            )  # fmt: skip
            stack.push_async_callback(program.stop)
            await program.inbox.take(step="connect", ok=True, within=FIRST_WORDS)
            programs.append(program)
        await several.upstream.post("alice", several.upstream.general, "ask something")
        for program in programs:
            await program.inbox.take(step="message", channel_type="channel", within=FIRST_WORDS)
        person = await several.upstream.connect("alice")
        await several.upstream.post("alice", several.upstream.general, "ask again")
        answers = 0
        while answers < len(programs):
            answers += (await person.until("message")).get("text") == "answer to again"
