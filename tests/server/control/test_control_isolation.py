"""Journal, faults and time of one workspace are not those of another in the same process."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hosted import Caller, fill
from tautwire.server.app import Server
from tautwire.server.config import Settings


class Controlled(Caller):
    """A user of a workspace, and the control API of it."""

    def __init__(self, server: Server, http: aiohttp.ClientSession, facts: Any) -> None:
        super().__init__(server, http, facts, "alice")
        self._control = facts.control

    async def operate(self, operation: str, **arguments: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._control.secret}"}
        url, body = self._control.url + operation, json.dumps(arguments)
        async with self._http.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def journal(self) -> str:
        headers = {"Authorization": f"Bearer {self._control.secret}"}
        async with self._http.get(self._control.url + "journal", headers=headers) as answer:
            return await answer.text()


Two = tuple[Controlled, Controlled]


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    for name in ("acme", "beta"):
        await fill(tmp_path / "data" / name, name)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            Server(Settings(data=tmp_path / "data", port=0, drain=0, control=True))
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        facts = {data.name: directory for data, directory in (await server.directories()).items()}
        yield Controlled(server, http, facts["acme"]), Controlled(server, http, facts["beta"])


async def test_each_workspace_has_its_own_journal(two: Two) -> None:
    acme, beta = two

    await acme.post("for acme")
    await beta.post("for beta")

    assert ("for acme" in await acme.journal(), "for beta" in await acme.journal()) == (True, False)
    assert ("for acme" in await beta.journal(), "for beta" in await beta.journal()) == (False, True)


async def test_a_fault_breaks_its_own_workspace(two: Two) -> None:
    acme, beta = two
    socket = await beta.connect()
    await acme.operate("faults.set", fault="method_error", code="fatal_error", times=None)
    await acme.operate("faults.set", fault="drop", times=None)

    assert (await beta.post("hello"))["ok"]
    assert (await acme.post("hello"))["error"] == "fatal_error"
    assert (await socket.receive_json())["text"] == "hello"
    assert (await beta.operate("faults.list"))["faults"] == []
    await socket.close()


async def test_time_is_turned_in_its_own_workspace(two: Two) -> None:
    acme, beta = two

    await acme.operate("time.turn", seconds=86_400)
    await acme.operate("time.freeze")

    assert float((await acme.post("late"))["ts"]) - float((await beta.post("now"))["ts"]) > 86_000
    assert not (await beta.operate("time.read"))["is_frozen"]
