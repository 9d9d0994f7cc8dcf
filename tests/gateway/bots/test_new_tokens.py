"""Tokens are changed while the gateway runs: SIGHUP, real processes, and a stream of messages meanwhile."""

import asyncio
import contextlib
import json
import os
import pty
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from crooked import refused
from gateway_process import START_PATIENCE, TAUTWIRE, GatewayProcess
from scene import PATIENCE, Scene, Socket, TurnedClock, eventually, is_plain
from several import SEED
from stage import OpenStage, Stage
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.upstream import api
from tautwire.gateway.upstream.receiver import EventReceiver
from tautwire.server.services.access.identity import hash_token
from tautwire.server.services.access.tokens import revoke, rotate, token_id

GRACE = 600
"""Seconds that an old token is accepted, unless the test revokes it."""
DONE = "the settings were read anew"


def private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


class Operated:
    """An upstream, a gateway of its own process in front of it, and the files that its operator writes."""

    def __init__(self, upstream: Scene, directory: Path) -> None:
        self.upstream = upstream
        self._directory = directory
        self.file = directory / "gateway.toml"
        self.tokens: dict[str, str] = {}
        """The tokens of the apps, such as those of ``desk.bot`` and ``desk.app``, as the files have them."""
        self.write("desk")
        for name, secrets in upstream.directory.apps.items():
            for kind in ("bot", "app"):
                self.give(f"{name}.{kind}", str(secrets[f"{kind}_token"]))
        unused = {"bot_token": "xoxb-of-no-table-at-all", "app_token": "xapp-of-no-table-at-all"}
        self.process = GatewayProcess(directory, upstream.server.api_url, unused, "--config", str(self.file))

    def write(self, *bots: str, more: str = "") -> None:
        """Write the file of settings with tables of these bots."""
        tables = [f"[bots.{bot}]\nbot_token_file='{bot}.bot'\napp_token_file='{bot}.app'\n" for bot in bots]
        self.file.write_text(f"upstream_url = '{self.upstream.server.api_url}'\n{more}\n{''.join(tables)}")

    def give(self, name: str, token: str) -> None:
        """Write the file of a token."""
        self.tokens[name] = token
        private(self._directory / name, token)

    async def rotated(self, name: str) -> str:
        """Return a new token at the upstream in place of one; the old one is accepted for a while."""
        old, workspace = token_id(hash_token(self.tokens[name])), self.upstream.server.workspace
        return (await workspace.writer.write(lambda tx: rotate(tx, old, grace=GRACE))).text

    async def revoke(self, token: str) -> None:
        """Revoke a token at the upstream."""
        await self.upstream.server.workspace.writer.write(lambda tx: revoke(tx, token_id(hash_token(token))))

    async def reload(self, *says: str) -> None:
        """Send SIGHUP, and wait for these lines in the log."""
        counts = {text: self.process.log.count(text) for text in (*says, DONE)}
        self.process.reload()
        for text in says or (DONE,):
            await self.process.logged(text, counts[text] + 1)

    async def request(self, bot: str, method: str, **form: str) -> dict[str, Any]:
        """Call a method at the gateway with the local token of a bot."""
        token = json.loads((self.process.data / bot / "tokens.json").read_text())["bot"]
        headers = {"Authorization": f"Bearer {token}"}
        async with self.upstream.http.post(self.process.api_url + method, data=form, headers=headers) as response:
            found: dict[str, Any] = await response.json()
            return found

    async def connect(self, bot: str = "desk") -> Socket:
        """Connect a program of a bot, up to and including the hello."""
        grant = await self.request(bot, "rtm.connect")
        assert grant["ok"], grant
        socket = Socket(await self.upstream.http.ws_connect(grant["url"], compress=0, max_msg_size=0), grant)
        assert (await socket.frame())["type"] == "hello"
        return socket

    async def faults(self) -> dict[str, str]:
        """Return the faults by name."""
        async with self.upstream.http.get(self.process.api_url.replace("/api/", "/readyz")) as response:
            found: dict[str, str] = (await response.json())["faults"]
            return found

    async def until_faults(self, *names: str) -> dict[str, str]:
        """Wait until there are these faults and no others."""
        async with asyncio.timeout(PATIENCE):
            while (found := await self.faults()).keys() != set(names):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found


@pytest.fixture
async def operated(tmp_path: Path) -> AsyncIterator[Operated]:
    """A gateway of desk."""
    async with Scene.opened(tmp_path / "upstream", TurnedClock(), seed=SEED) as upstream:
        operated = Operated(upstream, tmp_path)
        await operated.process.start()
        try:
            yield operated
        finally:
            assert await operated.process.end() == 0
            print(operated.process.log)
        shown = [token for token in operated.tokens.values() if token in operated.process.log]
        assert not shown, "no token is in the log"


class Speaker:
    """Alice, who posts one message after the other."""

    def __init__(self, upstream: Scene) -> None:
        self._upstream = upstream
        self.said: list[str] = []
        self._task = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        while True:
            text = f"message {len(self.said)}"
            await self._upstream.post("alice", self._upstream.general, text)
            self.said.append(text)

    async def more(self, count: int = 20) -> None:
        """Wait until she has said so many more."""
        wanted = len(self.said) + count
        await eventually(lambda: len(self.said) >= wanted)

    async def end(self) -> list[str]:
        """Have her say something last; return all that she said."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._upstream.post("alice", self._upstream.general, "the end")
        return self.said


async def test_new_tokens_have_an_effect_and_no_message_is_lost_or_comes_twice(operated: Operated) -> None:
    socket, speaker = await operated.connect(), Speaker(operated.upstream)
    for names in (("desk.app",), ("desk.bot",), ("desk.bot", "desk.app")):
        await speaker.more()
        old = {name: operated.tokens[name] for name in names}
        for name in names:
            operated.give(name, await operated.rotated(name))
        await operated.reload()
        if "desk.app" in names:  # the connection with the new token is there before the old one is revoked
            await operated.process.logged("is replaced: renewed", operated.process.log.count("the new app-level token"))
            await eventually(lambda: operated.process.log.count("connected to 127.0.0.1") > 1)
        await speaker.more()
        for token in old.values():
            await operated.revoke(token)
        assert (await socket.say(operated.upstream.general, "still heard"))["ok"]
        assert (await operated.request("desk", "auth.test"))["user"] == "desk"
        await speaker.more()
    said = await speaker.end()
    heard: list[str] = []
    while "the end" not in heard:
        frame = await socket.frame()
        heard += [frame["text"]] if is_plain(frame) else []
    assert heard[-1] == "the end"
    mine = [text for text in heard[:-1] if text.startswith("message")]
    assert mine[: len(said)] == said, "and one that was on its way may follow"
    assert len(set(mine)) == len(mine)
    assert await operated.faults() == {}
    await socket.close()


async def test_a_bot_whose_token_was_revoked_gets_well(operated: Operated) -> None:
    socket = await operated.connect()
    new = await operated.rotated("desk.bot")
    await operated.revoke(operated.tokens["desk.bot"])
    assert not (await socket.say(operated.upstream.general, "not heard"))["ok"]
    fault = (await operated.until_faults("token"))["token"]
    assert "SIGHUP" in fault
    await operated.upstream.post("alice", operated.upstream.general, "meanwhile")
    operated.give("desk.bot", new)
    await operated.reload("the new bot token of desk is in use")
    await operated.until_faults()
    assert (await socket.say(operated.upstream.general, "well again"))["ok"]
    await operated.upstream.post("alice", operated.upstream.general, "after")
    heard = [(await socket.until(is_plain))["text"] for _ in range(2)]
    assert heard == ["meanwhile", "after"]
    await socket.close()


async def test_an_app_token_that_was_revoked_is_replaced_at_once(operated: Operated) -> None:
    """Not after the pause of a minute that a refusal has."""
    socket = await operated.connect()
    new = await operated.rotated("desk.app")
    await operated.revoke(operated.tokens["desk.app"])
    await operated.until_faults("upstream")
    await operated.upstream.post("alice", operated.upstream.general, "meanwhile")
    operated.give("desk.app", new)
    await operated.reload()
    await operated.until_faults()
    await operated.upstream.post("alice", operated.upstream.general, "after")
    assert [(await socket.until(is_plain))["text"] for _ in range(2)] == ["meanwhile", "after"]
    await socket.close()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("desk.bot", "xoxb-1-2-not-a-token", "127.0.0.1 refuses the new token: auth.test: invalid_auth"),
        ("desk.app", "xapp-1-not-a-token", "127.0.0.1 refuses the new token: apps.connections.open: invalid_auth"),
        ("desk.bot", "porter.bot", "the new bot token is that of porter ("),
        ("desk.app", "porter.app", "the new app-level token is that of the app A"),
        ("desk.bot", "desk.app", "bot_token must begin with xoxb- or xoxe.xoxb-, and this one is an app-level token"),
        ("desk.bot", "", "desk.bot must have one token and nothing else"),
    ],
)
async def test_a_token_that_cannot_be_used_has_no_effect_and_is_said(
    operated: Operated, name: str, text: str, says: str
) -> None:
    socket, right = await operated.connect(), operated.tokens[name]
    private(operated.file.parent / name, operated.tokens.get(text, text))
    await operated.reload("a new token has no effect, and the one before it stays in use: ")
    await operated.process.logged(says)
    assert operated.process.log.count("ERROR") == 1
    assert await operated.faults() == {}
    assert (await socket.say(operated.upstream.general, "heard"))["ok"]
    await operated.upstream.post("alice", operated.upstream.general, "as before")
    assert (await socket.until(is_plain))["text"] == "as before"
    private(operated.file.parent / name, right)
    await operated.reload()
    assert operated.process.log.count("ERROR") == 1
    await socket.close()


async def test_a_file_that_cannot_be_read_has_no_effect_and_is_said(operated: Operated) -> None:
    socket, right = await operated.connect(), operated.file.read_text()
    for text, says in (
        ("[bots.desk", "the file is not TOML"),
        ("[bots.desk]\npase = true", "did you mean pace?"),
        (
            "bot_token_file = 'desk.bot'",
            "the gateway was started with tables of bots, and the file has none now: restart it",
        ),
        ("[bots.desk]\nlog_keep = 1", "there is no key 'log_keep'"),
    ):
        operated.file.write_text(text)
        await operated.reload("the settings were not read anew, and those before stay in use: ")
        await operated.process.logged(says)
    operated.file.write_text(right)
    await operated.reload()
    await operated.upstream.post("alice", operated.upstream.general, "as before")
    assert (await socket.until(is_plain))["text"] == "as before"
    assert await operated.faults() == {}
    await socket.close()


async def test_a_bot_more_is_served_and_one_less_is_not_any_more(operated: Operated) -> None:
    desk = await operated.connect()
    operated.write("desk", "porter")
    await operated.reload()
    porter = await operated.connect("porter")
    assert porter.grant["self"]["name"] == "porter"
    await operated.upstream.post("alice", operated.upstream.general, "to both")
    for socket in (desk, porter):
        assert (await socket.until(is_plain))["text"] == "to both"
    operated.write("desk")
    await operated.reload("porter is not served any more: the settings have no such bot")
    await porter.ended()
    assert (await operated.request("porter", "auth.test"))["error"] == "invalid_auth"
    await operated.upstream.post("alice", operated.upstream.general, "to desk")
    assert (await desk.until(is_plain))["text"] == "to desk"
    assert await operated.faults() == {}
    await desk.close()


async def test_a_bot_more_that_cannot_be_served_is_a_fault_until_its_token_is_right(operated: Operated) -> None:
    right = operated.tokens["porter.bot"]
    private(operated.file.parent / "porter.bot", "xoxb-1-2-not-a-token")
    operated.write("desk", "porter")
    await operated.reload()
    assert "refuses the bot token" in (await operated.until_faults("bot"))["bot"]
    private(operated.file.parent / "porter.bot", right)
    await operated.reload()
    await operated.until_faults()  # at once, and not when it is tried again
    await (await operated.connect("porter")).close()


async def test_a_setting_that_needs_a_restart_is_named(operated: Operated) -> None:
    operated.write("desk", more="answer_cache = false\nlog_level = 'debug'")
    operated.file.write_text(operated.file.read_text() + "all_events = true\n")
    await operated.reload()
    for name in ("answer_cache", "log_level", "all_events of desk"):
        assert f"{name} has another value than at the start: it needs a restart" in operated.process.log


async def test_a_setting_of_a_bot_that_came_later_is_named_too(operated: Operated) -> None:
    warning = "all_events of porter has another value than at the start: it needs a restart"
    operated.write("desk", "porter")
    await operated.reload()
    operated.file.write_text(operated.file.read_text() + "all_events = true\n")
    await operated.reload()
    assert operated.process.log.count(warning) == 1
    operated.write("desk")
    await operated.reload()
    operated.write("desk", "porter")
    operated.file.write_text(operated.file.read_text() + "all_events = true\n")
    await operated.reload()
    assert operated.process.log.count(warning) == 1, "it has come again, with this setting"


async def test_the_end_of_its_terminal_ends_the_gateway(tmp_path: Path) -> None:
    """It sends SIGHUP too, and no Ctrl-C can come any more."""
    async with Scene.opened(tmp_path / "upstream", TurnedClock(), seed=SEED) as upstream:
        secrets = upstream.directory.apps["desk"]
        environment = {
            **os.environ, "SLACK_API_URL": upstream.server.api_url, "SLACK_BOT_TOKEN": str(secrets["bot_token"]),
            "SLACK_APP_TOKEN": str(secrets["app_token"]),
        }  # fmt: skip
        ours, terminal = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            TAUTWIRE, "gateway", "run", "--json", "--port", "0", "--data", str(tmp_path / "gateway"),
            env=environment, stdin=terminal, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        try:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), START_PATIENCE)
            assert b"api_url" in line
            process.send_signal(signal.SIGHUP)
            assert process.stderr is not None
            while DONE.encode() not in await asyncio.wait_for(process.stderr.readline(), PATIENCE):
                pass
            os.close(ours)
            process.send_signal(signal.SIGHUP)  # what the kernel does where the gateway leads the session's foreground
            assert await asyncio.wait_for(process.wait(), START_PATIENCE) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def new_settings(stage: Stage) -> GatewaySettings:
    """Return settings with a new bot token; the old one is accepted for a while."""
    assert isinstance(stage.gateway.settings, GatewaySettings)
    old = token_id(hash_token(stage.gateway.settings.bot_token or ""))
    issued = await stage.upstream.server.workspace.writer.write(lambda tx: rotate(tx, old, grace=GRACE))
    return replace(stage.gateway.settings, bot_token=issued.text)


async def test_a_late_answer_about_the_old_token_is_no_fault_of_the_new_one(stage: Stage) -> None:
    come, late = asyncio.Event(), asyncio.Event()

    async def stall(method: str, _: dict[str, str]) -> web.Response | None:
        if method != "pins.list":
            return None
        come.set()
        await late.wait()
        return refused("token_revoked")

    stage.line.before = stall
    call = asyncio.create_task(stage.request("pins.list", channel=stage.general))
    await come.wait()
    await stage.gateway.renew(await new_settings(stage))
    late.set()
    assert (await call)["error"] == "token_revoked"
    assert stage.gateway.health.is_ready


async def test_a_token_that_cannot_be_tried_has_no_effect(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(api, "PAUSE", 0.0)
    before, settings = stage.gateway.relay.api.token, await new_settings(stage)

    async def fail(method: str, _: dict[str, str]) -> web.Response | None:
        return web.Response(status=502) if method == "auth.test" else None

    stage.line.before = fail
    await stage.gateway.renew(settings)
    assert "the new token cannot be tried: " in caplog.text
    assert stage.gateway.relay.api.token == before
    caplog.clear()
    stage.line.before = None
    await stage.gateway.renew(settings)
    assert stage.gateway.relay.api.token.reveal() == settings.bot_token


async def test_a_new_token_is_not_sent_to_the_upstream_of_before(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(await new_settings(stage), upstream_url="http://127.0.0.1:9/api")
    before = len(stage.line.calls)
    await stage.gateway.renew(settings)
    assert "upstream_url is another, http://127.0.0.1:9/api, which needs a restart" in caplog.text
    assert len(stage.line.calls) == before
    caplog.clear()


async def test_another_signing_secret_counts_at_once(open_stage: OpenStage) -> None:
    stage = await open_stage(events="http")
    right, socket, receiver = stage.gateway.settings, await stage.connect(), stage.gateway.relay.link
    assert isinstance(right, GatewaySettings)
    assert isinstance(receiver, EventReceiver)
    await stage.gateway.renew(replace(right, signing_secret="0123456789abcdef0123456789abcdef"))
    await stage.post("alice", stage.general, "not believed")
    await eventually(lambda: receiver.requests[401] >= 2)
    await stage.gateway.renew(right)
    await stage.post("alice", stage.general, "believed")
    assert [(await stage.received(socket, "believed"))[-1]["text"]] == ["believed"]
