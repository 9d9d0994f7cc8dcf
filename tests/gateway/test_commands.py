"""``tautwire gateway``: run with a bot, manifest, doctor, as an operator calls them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from crooked import Crooked, refused
from gateway_command import tautwire
from gateway_process import GatewayProcess
from scene import PATIENCE, Scene, TurnedClock
from stage import BOT, SEED
from tautwire.gateway.config import GatewaySettings, gateway_rows, server_settings
from tautwire.gateway.setup.manifest import FEATURES, choose, events_of, scopes_of
from tautwire.gateway.translate.events import RULES, Rule
from tautwire.protocol.errors import ConfigError
from tautwire.server.services.access.subscriptions import BOT_EVENTS

ECHO = """
import os, sys
from slack_sdk.rtm_v2 import RTMClient
rtm = RTMClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
@rtm.on("hello")
def hello(client, event):
    print("ready", sorted(name for name in os.environ if "APP_TOKEN" in name), flush=True)
@rtm.on("message")
def message(client, event):
    if event["text"] == "die":
        os._exit(7)
    client.web_client.chat_postMessage(channel=event["channel"], text="echo: " + event["text"])
rtm.start()
"""


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[Scene]:
    async with Scene.opened(tmp_path / "upstream", TurnedClock(), seed=SEED) as scene:
        yield scene


def tokens_of(upstream: Scene, url: str = "") -> dict[str, str]:
    secrets = upstream.directory.apps[BOT]
    return {
        "SLACK_API_URL": url or upstream.server.api_url,
        "SLACK_BOT_TOKEN": str(secrets["bot_token"]),
        "SLACK_APP_TOKEN": str(secrets["app_token"]),
    }


async def test_run_starts_a_bot_that_answers_at_the_upstream(upstream: Scene, tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, upstream.server.api_url, upstream.directory.apps[BOT])
    await gateway.start(sys.executable, "-c", ECHO)
    assert (await gateway.line()).strip() == "ready []", "the tokens of the app are not in its environment"
    await upstream.post("alice", upstream.general, "hello")
    texts: list[str] = []

    async def answered() -> bool:
        texts[:] = [each["text"] for each in await upstream.history("alice", upstream.general, limit=5)]
        return "echo: hello" in texts

    async with asyncio.timeout(PATIENCE):
        while not await answered():  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.05)
    await upstream.post("alice", upstream.general, "die")
    assert await gateway.ended() == 7, "the exit code is that of the bot"
    assert texts.count("echo: hello") == 1


async def test_a_signal_ends_the_bot_and_the_gateway(upstream: Scene, tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, upstream.server.api_url, upstream.directory.apps[BOT])
    await gateway.start(sys.executable, "-c", ECHO)
    assert (await gateway.line()).startswith("ready")
    assert await gateway.end() == 128 + 15


@pytest.mark.parametrize(("command", "code"), [((), 0), (("false",), 128 + 15)])
async def test_a_signal_ends_a_gateway_whose_upstream_does_not_answer_its_start(
    upstream: Scene, tmp_path: Path, command: tuple[str, ...], code: int
) -> None:
    """A program that was not run counts as ended by SIGTERM."""
    called = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await reader.read(-1)
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/api/"
        gateway = GatewayProcess(tmp_path, url, upstream.directory.apps[BOT])
        await gateway.begin(*command)
        await called.wait()
        assert await gateway.end() == code
    assert "Traceback" not in gateway.log


async def test_a_program_that_is_not_there_is_an_error(upstream: Scene, tmp_path: Path) -> None:
    arguments = ("gateway", "run", "--data", str(tmp_path / "gateway"), "--port", "0", "--", "no-such-program-here")
    code, _, err = await tautwire(*arguments, **tokens_of(upstream))
    assert code == 2
    assert "no-such-program-here cannot be started: it is not a program" in err
    assert not (tmp_path / "gateway").exists(), "nothing is started for it"


async def test_a_directory_is_for_one_bot(upstream: Scene, tmp_path: Path) -> None:
    data = str(tmp_path / "gateway")
    gateway = GatewayProcess(tmp_path, upstream.server.api_url, upstream.directory.apps[BOT])
    await gateway.start()
    await gateway.end()
    other = {**tokens_of(upstream), "SLACK_BOT_TOKEN": upstream.tokens["relaybot"]}
    code, _, err = await tautwire("gateway", "run", "--data", data, "--port", "0", **other)
    assert code == 2
    assert "use a directory of its own" in err
    assert upstream.tokens["relaybot"] not in err


@pytest.mark.parametrize(
    ("missing", "says"), [("SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN"), ("SLACK_APP_TOKEN", "SLACK_APP_TOKEN")]
)
async def test_a_missing_token_is_named(upstream: Scene, tmp_path: Path, missing: str, says: str) -> None:
    variables = tokens_of(upstream)
    del variables[missing]
    code, _, err = await tautwire("gateway", "run", "--data", str(tmp_path / "g"), "--port", "0", **variables)
    assert code == 2
    assert says in err


async def test_a_gateway_is_not_its_own_upstream(upstream: Scene, tmp_path: Path) -> None:
    variables = tokens_of(upstream, "http://127.0.0.1:8066/api/")
    code, _, err = await tautwire("gateway", "run", "--data", str(tmp_path / "g"), **variables)
    assert code == 2
    assert "the address of the gateway itself" in err


async def test_the_settings_are_printed_without_secrets(upstream: Scene) -> None:
    variables = tokens_of(upstream)
    code, out, _ = await tautwire("gateway", "run", "--print-config", **variables)
    assert code == 0
    assert f'upstream_url = "{upstream.server.api_url.rstrip("/")}"' in out
    assert "port = 8066" in out
    assert variables["SLACK_BOT_TOKEN"] not in out


async def test_doctor_finds_nothing_wrong(upstream: Scene) -> None:
    code, out, _ = await tautwire("gateway", "doctor", **tokens_of(upstream))
    assert code == 0, out
    assert "FAILED" not in out
    code, out, _ = await tautwire("gateway", "doctor", "--json", **tokens_of(upstream))
    found = {each["check"]: each["outcome"] for each in json.loads(out)["findings"]}
    assert found == {
        "reachability": "ok", "bot token": "ok", "clock": "ok", "scopes": "ok", "app-level token": "ok", "link": "ok",
        "channels": "ok", "subscriptions": "warning",
    }  # fmt: skip


async def test_doctor_says_what_is_wrong(upstream: Scene) -> None:
    async with Crooked(upstream.server.api_url) as line:

        async def before(method: str, _: dict[str, str]) -> web.Response | None:
            match method:
                case "auth.test":
                    body = {"ok": True, "user": "desk", "user_id": "U1", "bot_id": "B1", "team": "Acme"}
                    headers = {"X-OAuth-Scopes": "chat:write", "Date": "Mon, 01 Jan 2001 00:00:00 GMT"}
                    return web.json_response(body, headers=headers)
                case "apps.connections.open":
                    return refused("not_allowed_token_type")
                case "conversations.list":
                    return web.json_response({"ok": True, "channels": []})
            return None

        line.before = before
        code, out, _ = await tautwire("gateway", "doctor", "--json", **tokens_of(upstream, line.api_url))
    found = {each["check"]: each for each in json.loads(out)["findings"]}
    assert code == 1
    assert found["scopes"]["outcome"] == "failed"
    assert "channels:history" in found["scopes"]["text"]
    assert "chat:write," not in found["scopes"]["text"]
    assert "NTP" in found["clock"]["text"]
    assert "connections:write" in found["app-level token"]["text"]
    assert "/invite" in found["channels"]["text"]


async def test_doctor_without_an_upstream() -> None:
    variables = {
        "SLACK_API_URL": "http://127.0.0.1:1/api/", "SLACK_BOT_TOKEN": "xoxb-some-token-or-other",
        "SLACK_APP_TOKEN": "xapp-some-token-or-other",
    }  # fmt: skip
    code, out, _ = await tautwire("gateway", "doctor", **variables)
    assert code == 1
    assert "cannot be reached" in out
    assert "xoxb-some-token-or-other" not in out


async def test_doctor_says_where_the_methods_are_looked_for(upstream: Scene) -> None:
    wrong = upstream.server.api_url.replace("/api/", "/")
    code, out, _ = await tautwire("gateway", "doctor", **tokens_of(upstream, wrong))
    assert code == 1
    assert f"the address of the upstream (SLACK_API_URL, upstream_url) is {wrong}" in out
    assert "ends in /api/" in out


async def test_doctor_says_which_token_is_in_the_place_of_the_other(upstream: Scene) -> None:
    tokens = tokens_of(upstream)
    swapped = {"SLACK_BOT_TOKEN": tokens["SLACK_APP_TOKEN"], "SLACK_APP_TOKEN": tokens["SLACK_BOT_TOKEN"]}
    code, out, _ = await tautwire("gateway", "doctor", **tokens | swapped)
    assert code == 1
    assert "bot_token must begin with xoxb- or xoxe.xoxb-, and this one is an app-level token" in out
    assert tokens["SLACK_APP_TOKEN"] not in out
    code, out, _ = await tautwire("gateway", "doctor", **tokens | {"SLACK_APP_TOKEN": tokens["SLACK_BOT_TOKEN"]})
    assert code == 1
    assert "app_token must begin with xapp-, and this one is the token of a bot" in out


async def test_the_manifest_is_yaml_or_json() -> None:
    code, out, _ = await tautwire("gateway", "manifest", "--bot", "desk", "--without", "files", "--with", "dnd")
    assert code == 0
    made = yaml.safe_load(out)
    assert made["settings"]["socket_mode_enabled"]
    assert made["features"]["app_home"]["messages_tab_enabled"]
    assert "files:read" not in made["oauth_config"]["scopes"]["bot"]
    assert "dnd_updated_user" in made["settings"]["event_subscriptions"]["bot_events"]
    code, out, _ = await tautwire(
        "gateway", "manifest", "--bot", "desk", "--without", "files", "--with", "dnd", "--json"
    )
    assert json.loads(out) == made
    code, _, err = await tautwire("gateway", "manifest", "--bot", "desk", "--with", "magic")
    assert code == 2
    assert "there is no feature 'magic'" in err


def test_features_name_events_that_rtm_has() -> None:
    for feature in FEATURES.values():
        for event in feature.events:
            assert event in BOT_EVENTS
            assert event.startswith("message.") or RULES[event] is not Rule.NONE


def test_features_are_chosen() -> None:
    assert choose([], []) == [name for name, feature in FEATURES.items() if feature.is_usual]
    assert choose(["dnd"], ["pins", "dnd"]) == [name for name in choose([], []) if name != "pins"]
    assert scopes_of(["send"]) == ["chat:write", "im:write"]
    assert events_of(["pins"]) == ["pin_added", "pin_removed"]


def test_tokens_come_from_files_that_others_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("xoxb-some-token-or-other\n")
    file.chmod(0o600)
    assert GatewaySettings(bot_token_file=file).read_bot_token().reveal() == "xoxb-some-token-or-other"
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        GatewaySettings(bot_token_file=file).read_bot_token()
    file.chmod(0o600)
    file.write_text("xoxb-two tokens-in-it")
    with pytest.raises(ConfigError, match="one token and nothing else"):
        GatewaySettings(bot_token_file=file).read_bot_token()
    with pytest.raises(ConfigError, match="cannot be read"):
        GatewaySettings(app_token_file=tmp_path / "none").read_app_token()
    with pytest.raises(ConfigError, match="must begin with xapp-") as caught:
        GatewaySettings(app_token="xoxb-some-token-or-other").read_app_token()
    assert "xoxb-some-token-or-other" not in str(caught.value)


def test_the_rows_have_defaults_of_their_own() -> None:
    rows = {row.name: row for row in gateway_rows()}
    assert (rows["port"].default, str(rows["data"].default)) == (8066, "tautwire-gateway")
    assert len(rows) == len(gateway_rows()), "no name is there twice"
    assert server_settings({"data": Path("x"), "port": 1}).control is False


async def test_run_with_page_prints_the_link_that_opens_it(upstream: Scene, tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, upstream.server.api_url, upstream.directory.apps[BOT], "--page", "on")
    await gateway.start()
    link = str(gateway.about["page"])
    assert link.startswith(gateway.api_url.replace("/api/", "/_page/#key="))
    assert (gateway.data / "page.txt").read_text() == f"{link}\n"
    await gateway.end()
    assert link.partition("=")[2] not in gateway.log


async def test_the_doctor_reads_the_file_of_run(upstream: Scene, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("page = true\nattach = true\n")
    code, out, err = await tautwire("gateway", "doctor", "--config", str(file), **tokens_of(upstream))
    assert (code, err) == (0, "")
    assert "reachability" in out
