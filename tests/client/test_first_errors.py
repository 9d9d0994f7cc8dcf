"""What a user sees in the first minute: a wrong token, a server that is away, a wrong address."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drive import eventually
from fake import TOKEN, FakeServer
from tautwire import ConnectError, ConnectRefused, RTMClient

SLACK = "base_url is Slack's own address, https://slack.com/api/, because SLACK_API_URL is not set"


@pytest.fixture
def away() -> Iterator[str]:
    """An address where no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/api/"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.levelno == logging.WARNING]


PROGRAMS = {
    "asyncio": "import asyncio\nfrom tautwire import RTMClient\nasyncio.run(RTMClient().run())",
    "asyncio, with": """
        import asyncio
        from tautwire import RTMClient
        async def main():
            async with RTMClient():
                pass
        asyncio.run(main())
    """,
    "blocking": "from tautwire import BlockingRTMClient\nBlockingRTMClient().run()",
    "blocking, connect": "from tautwire import BlockingRTMClient\nBlockingRTMClient().connect()",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_token_shows_the_callers_line_and_the_error(fake: FakeServer, program: str, tmp_path: Path) -> None:
    fake.answers.append({"ok": False, "error": "invalid_auth"})
    script = tmp_path / "bot.py"
    script.write_text(textwrap.dedent(PROGRAMS[program]))
    finished = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": fake.api_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = finished.stderr.splitlines()
    assert finished.returncode == 1
    assert lines[0] == "rtm.connect was refused: invalid_auth; no other attempt is made"
    assert lines[-1] == "tautwire.client.errors.ConnectRefused: rtm.connect was refused: invalid_auth"
    assert finished.stderr.count("Traceback") == 1
    ours = [each for each in lines if f"{os.sep}tautwire{os.sep}client{os.sep}" in each]
    assert len(ours) <= (2 if "with" in program or "connect" in program else 1)
    assert any(str(script) in each for each in lines)


def test_a_server_that_is_away_is_named_with_the_next_attempt(
    make_client: Any, away: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(base_url=away)
    errors: list[BaseException] = []
    client.add_error_handler(lambda error, event: errors.append(error))
    with pytest.raises(ConnectError, match=r"^cannot reach ") as caught:
        client.connect()
    assert str(caught.value) == f"cannot reach {away}: connection refused"
    assert warnings(caplog) == [f"cannot reach {away}: connection refused; no other attempt is made"]


async def test_each_failure_says_when_the_next_attempt_is(
    fake: FakeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.client.connection.attempts.random.random", lambda: 1.0)
    fake.answers.append((404, {}, "Not Found"))
    client = RTMClient(TOKEN, fake.api_url)
    running = asyncio.create_task(client.run())
    await client.wait_ready()
    await client.close()
    await running
    assert warnings(caplog) == [
        "rtm.connect failed: HTTP status 404: does base_url end in /api/ ?; next attempt in 2.0 s"
    ]


def test_an_address_that_was_not_given_is_said_to_be_slacks(
    make_client: Any, fake: FakeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call goes to the fake server; no call goes to Slack."""
    monkeypatch.delenv("SLACK_API_URL", raising=False)
    fake.answers.append({"ok": False, "error": "invalid_auth"})
    client = make_client(base_url=None)
    inner = getattr(client, "_client", client)
    inner._parts._rtm_connect.base_url = fake.api_url
    with pytest.raises(ConnectRefused) as caught:
        client.connect()
    assert caught.value.__notes__ == [SLACK]
    assert warnings(caplog) == [f"rtm.connect was refused: invalid_auth; {SLACK}; no other attempt is made"]


@pytest.mark.parametrize("how", ["given", "environment"])
def test_an_address_that_was_given_is_not(
    make_client: Any, fake: FakeServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("SLACK_API_URL", fake.api_url)
    fake.answers.append({"ok": False, "error": "invalid_auth"})
    client = make_client(base_url=fake.api_url if how == "given" else None)
    with pytest.raises(ConnectRefused) as caught:
        client.connect()
    assert not hasattr(caught.value, "__notes__")


def test_a_host_name_that_is_not_known_is_said(make_client: Any) -> None:
    client = make_client(base_url="http://chat.invalid/api/")
    with pytest.raises(ConnectError, match=r"^cannot reach http://chat\.invalid/api/: ") as caught:
        client.connect()
    assert "ssl:" not in str(caught.value)
    assert "chat.invalid:80" not in str(caught.value)


def test_the_log_has_no_failures_when_all_is_well(
    make_client: Any, fake: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client()
    client.connect()
    eventually(lambda: client.is_connected)
    client.close()
    assert warnings(caplog) == []
