"""Names are looked up like anywhere else, but nobody waits for the end of a look-up that hangs."""

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from drive import MakeClient
from fake import PATIENCE, TOKEN, FakeServer
from tautwire import ConnectError

REAL = socket.getaddrinfo


def test_names_are_looked_up(fake: FakeServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(host: Any, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        return REAL("127.0.0.1" if host in ("api.test", "rtm.test") else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", note)
    fake.answers.append({"url": f"ws://rtm.test:{fake.port}/x"})
    client = make_client(base_url=fake.api_url.replace("127.0.0.1", "api.test"))
    client.connect()
    assert client.is_connected
    assert [each for each in asked if str(each).endswith(".test")] == ["api.test", "rtm.test"]


@pytest.mark.parametrize("name", ["api.test", "rtm.test"])
def test_a_name_nobody_has_is_an_attempt_that_failed(
    fake: FakeServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(host: Any, *rest: Any, **options: Any) -> Any:
        if host == name:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return REAL(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    fake.answers.append({"url": f"ws://rtm.test:{fake.port}/x"})
    api_url = fake.api_url.replace("127.0.0.1", "api.test") if name == "api.test" else fake.api_url
    client = make_client(base_url=api_url)
    with pytest.raises(ConnectError, match="Name or service not known"):
        client.connect()


PROGRAM = """
import asyncio, socket, sys, threading, time
from tautwire import BlockingRTMClient, RTMClient

real, asked = socket.getaddrinfo, threading.Event()

def hang(host, *rest, **options):
    if host == "slow.test":
        asked.set()
        time.sleep(600)
    return real(host, *rest, **options)

socket.getaddrinfo = hang

async def main():
    client = RTMClient()
    running = asyncio.create_task(client.run())
    while not asked.is_set():
        await asyncio.sleep(0.01)
    await client.close()
    await running

if sys.argv[1] == "asyncio":
    asyncio.run(main())
else:
    client = BlockingRTMClient()
    threading.Thread(target=client.run).start()
    asked.wait()
    client.close()
print("the end")
"""


@pytest.mark.parametrize("door", ["rtm.connect", "socket"])
@pytest.mark.parametrize("kind", ["asyncio", "blocking"])
def test_a_look_up_that_hangs_holds_up_neither_close_nor_the_end_of_the_program(
    fake: FakeServer, kind: str, door: str
) -> None:
    fake.answers.append({"url": "ws://slow.test/x"})
    api_url = fake.api_url if door == "socket" else "http://slow.test/api/"
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind],
        env=os.environ | {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": api_url},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (finished.stdout, finished.stderr, finished.returncode) == ("the end\n", "", 0)
