"""``tautwire gateway`` with a file of several bots, as an operator calls it."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway_command import tautwire
from gateway_process import GatewayProcess
from scene import Scene, TurnedClock
from several import SEED
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.places import TABLES, read_bots
from tautwire.protocol.errors import ConfigError
from tautwire.server.sources import read_settings
from tautwire.server.table import rows

SAY = """
import os, json, urllib.request
request = urllib.request.Request(os.environ["SLACK_API_URL"] + "auth.test",
    headers={"Authorization": "Bearer " + os.environ["SLACK_BOT_TOKEN"]})
print(json.load(urllib.request.urlopen(request))["user"], sorted(name for name in os.environ if "DESK" in name))
"""


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[Scene]:
    async with Scene.opened(tmp_path / "upstream", TurnedClock(), seed=SEED) as scene:
        yield scene


def private(path: Path, text: object) -> Path:
    path.touch(mode=0o600)
    path.write_text(str(text))
    return path


@pytest.fixture
def file(upstream: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of settings in which desk has its tokens from the environment and porter from files."""
    apps = upstream.directory.apps
    monkeypatch.setenv("DESK_BOT", str(apps["desk"]["bot_token"]))
    monkeypatch.setenv("DESK_APP", str(apps["desk"]["app_token"]))
    private(tmp_path / "porter.bot", apps["porter"]["bot_token"])
    private(tmp_path / "porter.app", apps["porter"]["app_token"])
    path = tmp_path / "gateway.toml"
    path.write_text(
        f"""
        upstream_url = "{upstream.server.api_url}"
        pace = false

        [bots.desk]
        bot_token_env = "DESK_BOT"
        app_token_env = "DESK_APP"
        programs = ["hubot"]

        [bots.porter]
        bot_token_file = "porter.bot"
        app_token_file = "porter.app"
        pace = true
        """
    )
    return path


def gateway(upstream: Scene, file: Path, *options: str) -> GatewayProcess:
    # The tokens of a gateway of one bot are in its environment too: they count for no table that does not name them.
    secrets = {"bot_token": "xoxb-of-another-app-altogether", "app_token": "xapp-of-another-app-altogether"}
    return GatewayProcess(file.parent, upstream.server.api_url, secrets, "--config", str(file), *options)


async def test_run_prints_every_bot_and_names_it_in_the_log(upstream: Scene, file: Path) -> None:
    process = gateway(upstream, file)
    await process.start()
    try:
        bots = process.about["bots"]
        assert {name: (bot["id"], bot["team"]["name"]) for name, bot in bots.items()} == {
            name: (upstream.users[name], "Acme") for name in ("desk", "porter")
        }
        assert bots["desk"]["programs"].keys() == {"hubot"}
        for name, token in (
            ("desk", bots["desk"]["token"]),
            ("desk", bots["desk"]["programs"]["hubot"]),
            ("porter", bots["porter"]["token"]),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            async with upstream.http.post(process.api_url + "auth.test", headers=headers) as response:
                assert (await response.json())["user"] == name
    finally:
        assert await process.end() == 0
    for name in ("desk", "porter"):
        assert f": {name}: {name} ({upstream.users[name]}) of Acme is served" in process.log
    secrets = [each[kind] for each in upstream.directory.apps.values() for kind in ("bot_token", "app_token")]
    assert not [secret for secret in secrets if str(secret) in process.log]


async def test_run_says_which_bot_is_not_served(upstream: Scene, file: Path) -> None:
    private(file.parent / "porter.bot", "xoxb-not-a-token-at-all")
    process = gateway(upstream, file)
    await process.start()
    assert await process.end() == 0
    assert process.about["bots"]["desk"]["token"]
    assert process.about["bots"]["porter"]["token"] is None
    assert "refuses the bot token" in process.about["bots"]["porter"]["fault"]


async def test_run_starts_a_program_of_one_bot(upstream: Scene, file: Path) -> None:
    process = gateway(upstream, file, "--bot", "porter")
    await process.start(sys.executable, "-c", SAY)
    assert await process.line() == "porter []\n", "and the tokens of the other bot are not in its environment"
    assert await process.ended() == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [((), "name the one that the program is for with --bot, one of desk, porter"), (("--bot", "x"), "no bot 'x'")],
)
async def test_a_program_is_of_one_bot(upstream: Scene, file: Path, options: tuple[str, ...], says: str) -> None:
    arguments = ("gateway", "run", "--config", str(file), "--data", str(file.parent / "g"), "--port", "0", *options)
    code, _, err = await tautwire(*arguments, "--", "true")
    assert code == 2
    assert says in err


async def test_doctor_examines_each_bot(upstream: Scene, file: Path) -> None:
    code, out, err = await tautwire("gateway", "doctor", "--config", str(file))
    assert code == 0, out + err
    assert out.startswith("desk:\n")
    assert "\nporter:\n" in out
    assert out.count(" reachability: ") == 2
    private(file.parent / "porter.app", "xapp-not-a-token-at-all")
    code, out, _ = await tautwire("gateway", "doctor", "--config", str(file), "--json")
    assert code == 1
    found = {name: bot["findings"] for name, bot in json.loads(out)["bots"].items()}
    failed = {
        name: [each["check"] for each in findings if each["outcome"] == "failed"] for name, findings in found.items()
    }
    assert failed == {"desk": [], "porter": ["app-level token"]}


async def test_the_settings_of_each_bot_are_printed(upstream: Scene, file: Path) -> None:
    code, out, _ = await tautwire("gateway", "run", "--config", str(file), "--print-config")
    assert code == 0
    desk = out[out.index("[bots.desk]") : out.index("[bots.porter]")]
    assert 'bot_token_env = "DESK_BOT"' in desk
    assert 'programs = "hubot"' in desk
    assert "pace = true" in out[out.index("[bots.porter]") :]
    code, out, _ = await tautwire("gateway", "run", "--config", str(file), "--print-config", "--json")
    assert json.loads(out)["bots"]["porter"]["pace"] is True


def read(file: Path, text: str, **options: Any) -> GatewaySettings | dict[str, GatewaySettings]:
    file.write_text(text)
    tables = {TABLES: rows(GatewaySettings)}
    return read_bots(
        read_settings(rows(GatewaySettings), options, {"SLACK_BOT_TOKEN": "xoxb-" + "x" * 20}, file, tables=tables)
    )


def test_a_table_has_what_the_file_has_at_the_top_but_for_tokens(tmp_path: Path) -> None:
    made = read(
        tmp_path / "g.toml",
        "pace = false\nall_events = true\n[bots.a]\nbot_token_file = 'a.token'\n[bots.b]\nall_events = false\n",
    )
    assert isinstance(made, dict)
    assert (made["a"].pace, made["a"].all_events, made["a"].bot_token) == (False, True, None)
    assert made["a"].bot_token_file == tmp_path / "a.token"
    assert (made["b"].pace, made["b"].all_events, made["b"].bot_token_file) == (False, False, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bots = 3", r"bots must have tables, each with a name: \[bots.NAME\]"),
        ("[bots]\npace = true", r"bots must have tables, each with a name: \[bots.NAME\]"),
        ("[bots.a]\npase = true", r"\[bots.a\]: there is no key 'pase'; did you mean pace\?"),
        ("[bots.a]\nport = 1", r"\[bots.a\]: there is no key 'port'"),
        ("[bots.a.b]\npace = true", r"\[bots.a\]: there is no table 'b'"),
        ("[bots.a]\npace = 'maybe'", r"\[bots.a\]: pace must be on or off, got 'maybe'"),
        ("[bot.a]\npace = true", r"there is no table 'bot': .* or in tables \[bots.NAME\]"),
        ("bot_token_file = 'x'\n[bots.a]", "is for a gateway of one bot"),
        ("[bots.a]\nprograms = ['bot']", "must be at most 50 different names"),
        ("[bots.a]\nprograms = ['x', 'x']", "must be at most 50 different names"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path / "g.toml", text)


def test_a_token_on_the_command_line_is_of_no_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bot_token \(--bot-token\) is for a gateway of one bot"):
        read(tmp_path / "g.toml", "[bots.a]", bot_token="xoxb-" + "y" * 20)
