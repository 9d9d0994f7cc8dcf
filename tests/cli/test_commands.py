"""The command line as its users meet it: real processes."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tautwire.testing.websocket import upgrade_request

SEED = """
team: {name: Acme, domain: acme}
users: [{name: alice, real_name: Alice Example, email: alice@example.test}, {name: bob}]
bots: [{name: relaybot}]
channels: [{name: general, members: [alice, bob, relaybot]}, {name: ops, private: true, members: [alice, relaybot]}]
"""


def tautwire(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tautwire", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server process and what its first line said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()


def test_the_demo_shows_the_main_job_and_succeeds() -> None:
    finished = tautwire("demo")

    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    for shown in (
        '"type":"hello"',
        '"type":"user_typing"',
        '"type":"message"',
        '{"ok":true,"reply_to":1,"ts":"',
        '"type":"presence_change"',
        '"type":"goodbye"',
        "tautwire serve",
    ):
        assert shown in finished.stdout


def test_the_first_line_describes_the_seeded_workspace(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED)
    with serving("--data", str(tmp_path / "data"), "--seed", str(seed)) as (_, facts):
        assert facts["api_url"].startswith("http://127.0.0.1:")
        assert facts["api_url"].endswith("/api/")
        assert (facts["team"]["name"], facts["team"]["domain"]) == ("Acme", "acme")
        assert list(facts["users"]) == ["alice", "bob", "relaybot"]
        assert facts["users"]["relaybot"]["token"].startswith("xoxb-")
        assert facts["users"]["alice"]["token"].startswith("xoxp-")
        assert list(facts["channels"]) == ["general", "ops"]


def test_a_restart_finds_everything_again_and_the_seed_only_adds(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED)
    data = str(tmp_path / "data")
    with serving("--data", data, "--seed", str(seed)) as (_, first):
        pass
    seed.write_text(SEED.replace("{name: bob}", "{name: bob}, {name: carol}"))
    with serving("--data", data, "--seed", str(seed)) as (_, second):
        pass
    with serving("--data", data) as (_, third):
        pass

    assert second["users"].pop("carol")["token"].startswith("xoxp-")
    assert third["users"].pop("carol")
    for again in (second, third):
        assert {**again, "api_url": ""} == {**first, "api_url": ""}


def test_tokens_are_readable_by_their_owner_only_and_not_in_the_database(tmp_path: Path) -> None:
    with serving("--data", str(tmp_path)) as (_, facts):
        assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("tautwire.db*"))
        for user in facts["users"].values():
            assert user["token"].encode() not in stored


def test_a_signal_ends_the_server_with_status_0(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with serving("--data", str(tmp_path)) as (process, _):
            process.send_signal(number)
            assert process.wait(20) == 0


@contextmanager
def listening(facts: dict[str, Any]) -> Iterator[socket.socket]:
    """An RTM connection whose peer reads and never answers: it holds up an orderly end."""
    api = urlsplit(facts["api_url"])
    http = HTTPConnection(str(api.hostname), api.port)
    token = facts["users"]["alice"]["token"]
    http.request("POST", "/api/rtm.connect", headers={"Authorization": f"Bearer {token}"})
    url = urlsplit(json.loads(http.getresponse().read())["url"])
    http.close()
    with socket.create_connection((str(url.hostname), url.port)) as sock:
        sock.sendall(upgrade_request(url.path, url.netloc))
        sock.settimeout(20)
        read_until(sock, b"hello")
        yield sock


def read_until(sock: socket.socket, mark: bytes) -> None:
    received = b""
    while mark not in received:
        data = sock.recv(4_096)
        assert data, received
        received += data


def test_a_second_signal_ends_the_server_at_once(tmp_path: Path) -> None:
    for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
        with serving("--data", str(tmp_path)) as (process, facts), listening(facts) as sock:
            process.send_signal(first)
            read_until(sock, b"goodbye")
            process.send_signal(second)
            assert process.wait(20) == -second


def test_urls_are_made_from_the_public_url(tmp_path: Path) -> None:
    with serving("--data", str(tmp_path), "--public-url", "https://chat.example.test") as (_, facts):
        api = urlsplit(facts["api_url"])
        http = HTTPConnection(str(api.hostname), api.port)
        token = facts["users"]["alice"]["token"]
        http.request("POST", "/api/rtm.connect", headers={"Authorization": f"Bearer {token}"})
        assert json.loads(http.getresponse().read())["url"].startswith("wss://chat.example.test/rtm/")
        http.close()


def test_what_cannot_be_served_is_refused_with_a_reason(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    broken = tmp_path / "broken.yaml"
    broken.write_text("users: [{nome: alice}]")
    cases = {
        "choose another": ("--port", str(taken.getsockname()[1]), "--data", str(tmp_path / "a")),
        "sample workspace": ("--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "b")),
        "nome": ("--seed", str(broken), "--port", "0", "--data", str(tmp_path / "c")),
        "--public-url must be": ("--public-url", "chat.example", "--port", "0", "--data", str(tmp_path / "e")),
        "--forwarded-allow-ips must": ("--forwarded-allow-ips", "proxy", "--port", "0", "--data", str(tmp_path / "f")),
        "--log-keep must be at least 1h, got 0 days": ("--log-keep", "0", "--port", "0", "--data", str(tmp_path / "h")),
        "LimitNOFILE": ("--max-connections", "1000000000", "--port", "0", "--data", str(tmp_path / "g")),
        "cannot be read": ("--seed", str(tmp_path / "none.yaml"), "--port", "0", "--data", str(tmp_path / "d")),
    }
    with taken:
        for reason, arguments in cases.items():
            finished = tautwire("serve", *arguments)
            assert finished.returncode == 2
            assert reason in finished.stderr
            assert "Traceback" not in finished.stderr


def test_two_servers_do_not_share_a_directory(tmp_path: Path) -> None:
    with serving("--data", str(tmp_path)):
        finished = tautwire("serve", "--port", "0", "--data", str(tmp_path))

    assert finished.returncode == 2
    assert "another server" in finished.stderr


def test_the_version_is_printed() -> None:
    assert tautwire("--version").stdout.strip()
