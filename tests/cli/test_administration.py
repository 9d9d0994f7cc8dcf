"""The commands of an operator, against a server that runs in a process of its own."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tautwire import ConnectError, RTMClient
from tautwire.cli.commands import app

PATIENCE = 30.0
"""Seconds after which something that should have happened has not."""

SEED = """
team: {name: Acme, domain: acme}
users: [{name: alice, real_name: Alice Example, email: alice@example.test}, {name: bob}]
bots: [{name: relaybot}]
channels: [{name: general, members: [alice, bob, relaybot]}, {name: ops, private: true, members: [alice, relaybot]}]
"""

COMMANDS = {
    "user list": [],
    "user show": ["alice"],
    "user add": ["dave"],
    "bot list": [],
    "bot show": ["relaybot"],
    "bot add": ["deploybot"],
    "user deactivate": ["bob"],
    "user reactivate": ["bob"],
    "bot deactivate": ["relaybot"],
    "bot reactivate": ["relaybot"],
    "app list": [],
    "app show": ["relaybot"],
    "app add": ["deploy"],
    "app change": ["relaybot", "--event", "app_mention"],
    "app export": ["relaybot"],
    "app consent": ["relaybot", "alice"],
    "app uninstall": ["relaybot"],
    "app delete": ["relaybot"],
    "app webhook": ["relaybot", "ops"],
    "token list": [],
    "token issue": ["bob"],
    "token rotate": ["0123456789abcdef"],
    "token revoke": ["0123456789abcdef"],
    "channel list": [],
    "channel show": ["general"],
    "channel add": ["plans", "--member", "bob"],
    "channel invite": ["ops", "bob"],
    "channel remove": ["ops", "relaybot"],
    "team show": [],
    "team change": ["--name", "Acme Two"],
}
"""Every command with arguments that it can run with."""


class Running:
    """A server process, and the commands that are run on it."""

    def __init__(self, data: Path, seed: Path) -> None:
        self.data = data
        self._seed = seed
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--data", str(self.data),
             "--seed", str(self._seed)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.facts: dict[str, Any] = json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tautwire", *arguments, "--data", str(self.data)]

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), input=given, capture_output=True, text=True, timeout=60, check=False
        )

    def ok(self, *arguments: str) -> str:
        """Run a command that has to succeed; return what it printed."""
        finished = self.run(*arguments)
        assert (finished.returncode, finished.stderr) == (0, ""), finished
        return finished.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command that has to succeed with --json; return what it printed."""
        answer: dict[str, Any] = json.loads(self.ok(*arguments, "--json"))
        return answer


@contextmanager
def running(directory: Path) -> Iterator[Running]:
    seed = directory / "seed.yaml"
    seed.write_text(SEED)
    server = Running(directory / "data", seed)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for tests that only look, or change something that no other test looks at."""
    with running(tmp_path_factory.mktemp("shared")) as server:
        yield server


def run_here(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its status, and what it printed to stdout and stderr."""
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- each command ---


def test_users_are_listed(shared: Running) -> None:
    lines = shared.ok("user", "list").splitlines()

    assert lines[0].split() == ["NAME", "ID", "FULL", "NAME", "E-MAIL", "SINCE", "STATE"]
    assert lines[1].startswith(f"alice  {shared.facts['users']['alice']['id']}  Alice Example  alice@example.test")
    assert [user["name"] for user in shared.json("user", "list")["users"]][:2] == ["alice", "bob"]


def test_a_user_is_shown_with_channels(shared: Running) -> None:
    text = shared.ok("user", "show", "@alice")

    assert "#general, #ops" in text
    assert "alice@example.test" in text
    assert shared.json("user", "show", "alice@example.test")["user"]["channels"] == ["general", "ops"]


def test_bots_are_listed_and_shown(shared: Running) -> None:
    assert "relaybot" in shared.ok("bot", "list")
    assert "alice" not in shared.ok("bot", "list")
    (bot,) = shared.json("bot", "list")["bots"]
    assert bot["bot_id"] in shared.ok("bot", "show", "relaybot")
    assert shared.json("bot", "show", bot["id"])["bot"]["is_bot"] is True


async def test_the_token_of_a_new_user_is_printed_once_and_connects(shared: Running) -> None:
    text = shared.ok("user", "add", "dave", "--real-name", "Dave Example", "--email", "d@example.test")
    quiet = shared.ok("user", "add", "erin", "--quiet", "--channel", "ops")
    answer = shared.json("user", "add", "frank")

    token = text.splitlines()[-1]
    assert text.count("xoxp-") == 1
    assert len(quiet.splitlines()) == 1
    assert answer["user"]["name"] == "frank"
    assert "xoxp" not in shared.ok("user", "show", "dave")
    assert shared.json("user", "show", "erin")["user"]["channels"] == ["general", "ops"]
    for each in (token, quiet.strip(), answer["token"]):
        await (await connects(shared, each)).close()


def test_the_token_of_a_new_bot_is_that_of_a_bot(shared: Running) -> None:
    assert shared.ok("bot", "add", "deploybot", "--channel", "#ops", "--quiet").startswith("xoxb-")
    assert shared.json("bot", "show", "deploybot")["bot"]["channels"] == ["ops"]


def test_channels_are_listed_and_shown_with_members(shared: Running) -> None:
    assert "general" in shared.ok("channel", "list").splitlines()[1]
    assert {each["name"] for each in shared.json("channel", "list")["channels"]} >= {"general", "ops"}
    assert "alice, " in shared.ok("channel", "show", "#ops")
    answer = shared.json("channel", "show", "ops")
    assert answer["channel"]["private"] is True
    assert "alice" in {member["name"] for member in answer["members"]}


def test_a_channel_is_added_and_its_members_change(shared: Running) -> None:
    added = shared.json("channel", "add", "plans", "--member", "alice", "--member", "@bob", "--private")["channel"]
    assert (added["name"], added["private"], added["member_count"]) == ("plans", True, 2)
    assert "random" in shared.ok("channel", "add", "random", "--member", "bob")

    assert shared.json("channel", "invite", "plans", "relaybot", "bob")["channel"]["member_count"] == 3
    assert "members" in shared.ok("channel", "invite", "random", "alice")
    assert shared.json("channel", "remove", "plans", "bob")["channel"]["member_count"] == 2
    assert "members" in shared.ok("channel", "remove", "random", "alice")
    assert [each["name"] for each in shared.json("channel", "show", "plans")["members"]] == ["alice", "relaybot"]


def test_the_team_is_shown_and_changed(server: Running) -> None:
    assert "Acme" in server.ok("team", "show")

    changed = server.json("team", "change", "--name", "Acme Two", "--domain", "acme-two")
    assert "https://acme.test/x.png" in server.ok("team", "change", "--icon", "https://acme.test/x.png")

    assert changed["team"]["domain"] == "acme-two"
    assert server.json("team", "show")["team"] == changed["team"] | {"icon": "https://acme.test/x.png"}
    server.kill()
    server.start()
    assert server.facts["team"]["name"] == "Acme Two"


def test_a_list_of_several_pages_is_printed_whole(shared: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter([{"users": [{"n": 1}], "next": "a"}, {"users": [{"n": 2}], "next": None}])
    asked: list[Any] = []

    def call(data: Path, operation: str, /, **arguments: Any) -> Any:
        asked.append(arguments)
        return next(pages)

    monkeypatch.setattr("tautwire.cli.operator.call", call)

    status, printed, _ = run_here("user", "list", "--json")

    assert (status, json.loads(printed)) == (0, {"users": [{"n": 1}, {"n": 2}]})
    assert asked == [{"after": ""}, {"after": "a"}]


async def connects(server: Running, token: str) -> RTMClient:
    client = RTMClient(token, server.facts["api_url"], auto_reconnect=False)
    await client.connect()
    return client


async def refuses(server: Running, token: str) -> str:
    """Try to connect; return the error of the server."""
    with pytest.raises(ConnectError) as refused:
        await connects(server, token)
    return str(refused.value)


async def test_an_issued_token_connects_over_rtm_and_a_revoked_one_is_refused(server: Running) -> None:
    quiet = server.ok("token", "issue", "bob", "--quiet").strip()
    text = server.ok("token", "issue", "@bob", "--scope", "identify", "--scope", "chat:write", "--lifetime", "86400")
    answer = server.json("token", "issue", "relaybot")

    assert text.count("xoxp-") == 1
    assert "identify, chat:write" in text
    assert "expires 2" in text
    assert answer["token"].startswith("xoxb-")
    live = await connects(server, quiet)
    listed = server.json("token", "list", "--user", "bob")["tokens"]
    assert len(listed) == 3  # one is from the seed
    assert quiet not in server.ok("token", "list")

    revoked = server.run("token", "revoke", "-", "--json", given=f"{quiet}\n")

    assert json.loads(revoked.stdout)["details"]["revoked"] is not None
    assert "token_revoked" in await refuses(server, quiet)
    await live.close()
    assert "revoked" in server.ok("token", "revoke", answer["details"]["id"])
    assert "token_revoked" in await refuses(server, answer["token"])
    assert len(server.json("token", "list", "--user", "bob")["tokens"]) == 2
    assert len(server.json("token", "list", "--user", "bob", "--revoked")["tokens"]) == 3


async def test_a_rotated_token_is_replaced(server: Running) -> None:
    old = server.facts["users"]["bob"]["token"]
    (listed,) = server.json("token", "list", "--user", "bob")["tokens"]

    new = server.ok("token", "rotate", listed["id"], "--quiet").strip()
    newer = server.json("token", "rotate", server.json("token", "list", "--user", "bob")["tokens"][0]["id"],
                        "--grace", "1000")  # fmt: skip

    assert "token_revoked" in await refuses(server, old)
    for token in (new, newer["token"]):
        await (await connects(server, token)).close()


async def test_a_deactivated_user_is_refused_until_the_reactivation(server: Running) -> None:
    token = server.facts["users"]["bob"]["token"]

    assert server.json("user", "deactivate", "bob")["user"]["deactivated"] is True
    assert "account_inactive" in await refuses(server, token)
    assert "deactivated" in server.ok("user", "list")
    assert "state" not in server.ok("user", "reactivate", "bob")
    await (await connects(server, token)).close()
    assert "deactivated" in server.ok("bot", "deactivate", "relaybot")
    assert server.json("bot", "reactivate", "relaybot")["bot"]["deactivated"] is False


async def test_an_app_is_added_shown_and_deleted(server: Running) -> None:
    text = server.ok("app", "add", "deploy", "--bot", "deploybot", "--scope", "chat:write", "--app-token")
    other = server.json("app", "add", "other")

    assert all(mark in text for mark in ("xoxb-", "xapp-", "client secret", "signing secret"))
    assert "deploybot" in server.ok("app", "show", "deploy")
    assert "chat:write" in server.ok("app", "show", "deploy")
    assert server.json("app", "show", "other")["bot"]["name"] == "other"
    assert [app["name"] for app in server.json("app", "list")["apps"]] == ["deploy", "other", "relaybot"]
    assert "deploy" in server.ok("app", "list")
    text = server.ok("app", "request-url", "deploy", "http://10.0.0.1/events")
    assert "http://10.0.0.1/events" in text
    directed = server.json("app", "request-url", "other", "http://10.0.0.1/")
    assert directed["signing_secret"] == other["signing_secret"]
    assert "http://10.0.0.1/events (unverified)" in server.ok("app", "show", "deploy")
    assert "none" in server.ok("app", "request-url", "deploy")
    await (await connects(server, other["bot_token"])).close()
    assert "is deleted" in server.ok("app", "delete", "other")
    assert server.json("app", "delete", "deploy")["app"]["name"] == "deploy"
    assert [app["name"] for app in server.json("app", "list")["apps"]] == ["relaybot"]
    await refuses(server, other["bot_token"])


MANIFEST = """
display_information: {name: Ticket Desk}
features: {bot_user: {display_name: Ticket Desk}}
oauth_config: {redirect_urls: ["https://desk.example.test/"], scopes: {bot: ["chat:write", "app_mentions:read"]}}
settings: {socket_mode_enabled: true, event_subscriptions: {bot_events: [app_mention]}, token_rotation_enabled: true}
"""


async def test_an_app_comes_from_its_manifest_and_goes_back(server: Running, tmp_path: Path) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(MANIFEST)

    added = server.run("app", "add", "--manifest", str(path), "--json")
    assert added.stderr == "tautwire: /settings/token_rotation_enabled has no effect: tokens do not expire\n"
    answer = json.loads(added.stdout)
    assert answer["app_token"].startswith("xapp-")
    exported = json.loads(server.ok("app", "export", "Ticket Desk"))
    assert exported["settings"]["token_rotation_enabled"] is True
    shown = server.ok("app", "show", "Ticket Desk")
    assert "app_mention" in shown
    assert "Socket Mode  on" in shown
    assert "is changed" in server.ok("app", "change", "Ticket Desk", "--no-socket-mode", "--user-event", "team_join")
    shown = server.ok("app", "show", "Ticket Desk")
    assert "team_join" in shown
    assert "Socket Mode" not in shown
    path.write_text(MANIFEST.replace('"chat:write", ', ""))
    assert "install it again" in server.ok("app", "change", "Ticket Desk", "--manifest", str(path))
    assert server.json("app", "change", "Ticket Desk", "--event", "")["permissions_updated"] is False
    assert server.json("app", "show", "Ticket Desk")["events"] == []
    location = server.ok("app", "consent", "Ticket Desk", "alice", "--state", "x")
    assert location.startswith("https://desk.example.test/?code=")
    assert location.strip().endswith("&state=x")
    assert "is uninstalled" in server.ok("app", "uninstall", "Ticket Desk")
    await refuses(server, answer["bot_token"])
    path.write_text("display_information: {}")
    refused = server.run("app", "add", "--manifest", str(path))
    assert (refused.returncode, "/display_information" in refused.stderr) == (1, True)


def test_a_configuration_token_is_that_of_a_person(server: Running) -> None:
    answer = server.json("token", "issue", "alice", "--configuration")

    assert answer["token"].startswith("xoxe.xoxp-1-")
    assert (answer["details"]["kind"], answer["details"]["holder"]) == ("configuration", "alice")
    assert server.run("token", "issue", "relaybot", "--configuration").returncode == 1
    assert server.run("token", "issue", "--app", "relaybot", "--configuration").returncode == 1


def test_a_webhook_is_made_and_its_url_printed_once(server: Running) -> None:
    made = server.json("app", "webhook", "relaybot", "ops")
    assert "/hooks/services/" in made["url"]
    assert made["url"].rpartition("/")[2] not in server.ok("app", "show", "relaybot")
    assert "/hooks/services/" in server.ok("app", "webhook", "relaybot", "general")


def test_an_app_level_token_is_that_of_an_app(server: Running) -> None:
    answer = server.json("token", "issue", "--app", "relaybot")

    assert answer["token"].startswith("xapp-")
    assert (answer["details"]["kind"], answer["details"]["holder"]) == ("app", "relaybot")


# --- what is refused ---


def test_a_refusal_says_what_to_do_and_ends_with_status_1(shared: Running) -> None:
    cases = {
        "did you mean alice?": ("user", "show", "alcie"),
        "choose another": ("user", "add", "alice"),
        "did you mean general?": ("channel", "show", "genral"),
        "tautwire bot": ("user", "show", "relaybot"),
        "general channel stay": ("channel", "remove", "general", "bob"),
        "lower-case": ("team", "change", "--domain", "Acme Two"),
    }
    for advice, arguments in cases.items():
        finished = shared.run(*arguments)
        assert (finished.returncode, finished.stdout) == (1, "")
        assert finished.stderr.startswith("tautwire: ")
        assert advice in finished.stderr
        finished = shared.run(*arguments, "--json")
        assert (finished.returncode, finished.stderr) == (1, "")
        assert advice in json.loads(finished.stdout)["error"]["message"]


def test_wrong_usage_ends_with_status_2() -> None:
    for arguments in (
        ("app", "add"),
        ("app", "add", "--manifest", "/nothing"),
        ("user", "show"),
        ("user", "nothing"),
        ("team", "change"),
        ("channel", "invite", "ops"),
        ("token", "issue"),
    ):
        assert run_here(*arguments)[0] == 2


# --- servers that are not there ---


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_server_a_command_says_how_to_start_it(tmp_path: Path, command: str) -> None:
    arguments = [*command.split(), *COMMANDS[command], "--data", str(tmp_path)]

    status, printed, error = run_here(*arguments)
    as_json = run_here(*arguments, "--json")

    assert (status, printed) == (3, "")
    assert f"tautwire serve --data {tmp_path}" in error
    assert "Nothing was changed" in error
    assert (as_json[0], json.loads(as_json[1])["error"]["code"]) == (3, "not_running")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_directory_is_named(tmp_path: Path) -> None:
    status, _, error = run_here("user", "list", "--data", str(tmp_path / "none"))

    assert status == 3
    assert "there is no data directory" in error


def test_the_data_directory_can_be_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAUTWIRE_DATA", str(tmp_path))

    assert str(tmp_path) in run_here("user", "list")[2]


def test_after_a_kill_a_command_says_so_and_after_a_restart_it_runs(server: Running) -> None:
    server.kill()

    finished = server.run("user", "add", "dave")
    server.start()

    assert finished.returncode == 3
    assert "no server runs" in finished.stderr
    assert server.json("user", "add", "dave")["user"]["name"] == "dave"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_server_that_is_killed_in_the_middle_leaves_an_open_question(server: Running) -> None:
    server.process.send_signal(signal.SIGSTOP)
    path = json.loads((server.data / "control.json").read_bytes())["socket"]
    with subprocess.Popen(
        server.command("user", "add", "dave"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        # The socket of the server, and that of the connection that it has not accepted.
        wait_until(lambda: Path("/proc/net/unix").read_text().count(f"{path}\n") > 1)
        server.kill()
        printed, error = command.communicate(timeout=60)

    assert (command.returncode, printed) == (4, "")
    assert "may or may not be stored" in error
    assert "tautwire user show dave" in error
    server.start()
    assert server.run("user", "show", "dave").returncode == 1  # the server had not read it
    assert server.json("user", "add", "dave")["user"]["name"] == "dave"


@contextmanager
def answering(data: Path, answer: bytes) -> Iterator[None]:
    """Something that takes one request, sends ``answer``, and closes the connection."""
    path = data / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        (data / "control.json").write_text(json.dumps({"socket": str(path), "secret": "x"}))

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                request = b""
                while not request.endswith(b"}"):
                    request += connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(PATIENCE)
        assert not thread.is_alive()


def response(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"\x00\n", response("200 OK", b"{")]
)
def test_a_lost_answer_leaves_an_open_question_only_for_changes(tmp_path: Path, answer: bytes) -> None:
    with answering(tmp_path, answer):
        status, printed, error = run_here("bot", "add", "deploybot", "--data", str(tmp_path))
    (tmp_path / "s").unlink()
    with answering(tmp_path, answer):
        read = run_here("bot", "list", "--json", "--data", str(tmp_path))

    assert (status, printed) == (4, "")
    assert "tautwire bot show deploybot" in error
    assert read[0] == 4
    assert "Nothing was changed" in json.loads(read[1])["error"]["message"]


def test_a_server_that_is_too_busy_is_no_defect(tmp_path: Path) -> None:
    with answering(tmp_path, response("503 Service Unavailable", b"Service Unavailable")):
        status, _, error = run_here("user", "list", "--data", str(tmp_path))

    assert status == 1
    assert "503" in error


@pytest.mark.parametrize("content", ["", "[]", '{"socket": 1}', "\x00"])
def test_a_damaged_file_is_explained(tmp_path: Path, content: str) -> None:
    (tmp_path / "control.json").write_text(content)

    status, _, error = run_here("user", "list", "--data", str(tmp_path))

    assert status == 3
    assert "restart the server" in error


# --- starting quickly ---


def test_a_command_does_not_import_server_and_client() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from tautwire.cli.commands import app;"
        "CliRunner().invoke(app, ['user', 'list', '--data', '/none']);"
        "print(*(name for name in ('tautwire.server', 'tautwire.client', 'aiohttp', 'msgspec', 'uvicorn')"
        " if name in sys.modules))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert finished.stdout.split() == []
