"""Several workspaces in one process: each has what is its own, and a failure of one costs the others nothing."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hosted import SEED, Caller, fill
from scene import end_with_a_stuck_door, eventually
from tautwire.protocol.errors import ConfigError
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.health import Health
from tautwire.server.log.transaction import Transaction
from tautwire.server.served import Content, ServedWorkspace
from tautwire.server.services.seed import SAMPLE, read_seed
from tautwire.server.store.engine import StoreError


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Server, Caller, Caller]]:
    """A server of the workspaces acme and beta, and alice of each."""
    for name in ("acme", "beta"):
        await fill(tmp_path / "data" / name, name)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Server(Settings(data=tmp_path / "data", port=0, drain=0)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        facts = {data.name: directory for data, directory in (await server.directories()).items()}
        yield server, Caller(server, http, facts["acme"], "alice"), Caller(server, http, facts["beta"], "alice")


Two = tuple[Server, Caller, Caller]


async def test_a_token_leads_to_its_workspace(two: Two) -> None:
    _, acme, beta = two
    for caller, name in ((acme, "acme"), (beta, "beta")):
        answer = await caller.call("auth.test")
        assert (answer["ok"], answer["team"], answer["team_id"]) == (True, name, caller.facts.team["id"])
    assert (await acme.call("conversations.history", channel=beta.general))["error"] == "channel_not_found"


async def test_a_ticket_leads_to_its_workspace_and_events_stay_in_theirs(two: Two) -> None:
    _, acme, beta = two
    sockets = [await caller.connect() for caller in (acme, beta)]

    await acme.post("for acme")
    await beta.post("for beta")

    texts = [(await socket.receive_json())["text"] for socket in sockets]
    assert texts == ["for acme", "for beta"]
    for socket in sockets:
        await socket.close()


async def test_a_wrong_token_and_a_wrong_ticket_are_refused_as_with_one_workspace(two: Two) -> None:
    server, acme, _ = two
    acme.token = "xoxb-unknown"
    assert (await acme.call("auth.test"))["error"] == "invalid_auth"
    url = server.api_url.replace("http", "ws").replace("/api/", "/rtm/")
    for ticket in ("nonsense", "T00000000.nonsense", f"{acme.facts.team['id']}.nonsense"):
        async with aiohttp.ClientSession() as http, http.ws_connect(url + ticket) as socket:
            assert (await socket.receive_json())["error"]["code"] == 1


async def test_a_ticket_of_one_workspace_is_no_ticket_of_another(two: Two) -> None:
    server, acme, beta = two
    url = (await acme.call("rtm.connect"))["url"]
    other = url.replace(acme.facts.team["id"], beta.facts.team["id"])
    assert other != url
    async with aiohttp.ClientSession() as http, http.ws_connect(other) as socket:
        assert (await socket.receive_json())["type"] == "error"
    assert len(server.host) == 2


async def test_a_workspace_whose_store_fails_leaves_the_others_as_they_were(
    two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    server, acme, beta = two
    broken = asyncio.create_task(server.broken())
    first = next(iter(server.host))
    assert first.workspace.team.name == "acme"

    def cut(tx: Transaction) -> None:
        tx.execute("UPDATE workspace SET head = head + 5")

    await first.workspace.writer.write(cut)
    assert (await acme.post("x"))["ok"] is False
    await eventually(lambda: bool(server.health.faults))

    assert (await beta.post("y"))["ok"]
    assert "acme" in server.health.faults["store"]
    await asyncio.sleep(0)
    assert not broken.done(), "beta is served"
    broken.cancel()


async def test_a_workspace_is_closed_and_opened_while_the_others_are_served(two: Two) -> None:
    server, acme, beta = two
    socket = await acme.connect()
    await server.host.close(acme.facts.team["id"])

    assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.TEXT)
    assert (await acme.call("auth.test"))["error"] == "invalid_auth"
    assert (await beta.post("y"))["ok"]
    with pytest.raises(KeyError):
        await server.host.close(acme.facts.team["id"])


async def test_an_app_is_found_by_its_client_id_while_another_workspace_is_closed(two: Two, tmp_path: Path) -> None:
    server, _, beta = two
    seed = tmp_path / "gamma.yaml"
    seed.write_text(SEED.format(name="gamma") + "apps: [{name: desk, socket_mode: true}]\n")
    gamma = await server.host.open(tmp_path / "gamma", Content(read_seed(seed), SAMPLE))
    client_id = (await gamma.directory(server.api_url)).apps["desk"]["client_id"]
    closing = server.host.get(beta.facts.team["id"])
    assert closing is not None

    await closing.stop()

    assert await server.host.find_client(client_id or "") is gamma.workspace


async def test_a_workspace_that_is_opened_again_after_a_failure_counts_as_served(
    two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    server, acme, beta = two
    broken = asyncio.create_task(server.broken())
    first, second = server.host

    def cut(tx: Transaction) -> None:
        tx.execute("UPDATE workspace SET head = head + 5")

    await first.workspace.writer.write(cut)
    assert (await acme.post("x"))["ok"] is False
    await eventually(lambda: bool(server.health.faults))
    await server.host.close(acme.facts.team["id"])
    await server.host.open(first.data, Content(None, SAMPLE))

    await second.workspace.writer.write(cut)
    assert (await beta.post("y"))["ok"] is False
    await eventually(lambda: bool(server.health.faults))
    assert (await acme.post("z"))["ok"]
    assert not broken.done(), "acme is served"
    broken.cancel()


async def test_all_workspaces_are_left_at_once_at_a_stop(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    both_left = asyncio.Barrier(2)
    leave = ServedWorkspace.close_doors

    async def close_doors(served: ServedWorkspace) -> None:
        await both_left.wait()
        await leave(served)

    monkeypatch.setattr(ServedWorkspace, "close_doors", close_doors)
    async with asyncio.timeout(10):
        await two[0].stop()


async def test_a_workspace_that_cannot_be_closed_leaves_no_other_open(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, *_ = two
    first, second = server.host
    close = first.stop

    async def fail() -> None:
        await close()
        raise OSError("the disk is gone")

    monkeypatch.setattr(first, "stop", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        await server.stop()
    assert not second.workspace.writer.is_alive


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_workspace_whose_doors_do_not_close_leaves_no_database_open(two: Two, is_cancelled: bool) -> None:
    server, *_ = two
    first, second = server.host
    await end_with_a_stuck_door(first._doors, lambda: server.host.discard(first), is_cancelled=is_cancelled)
    assert not first.workspace.writer.is_alive
    assert second.workspace.writer.is_alive


async def test_figures_are_those_of_all_workspaces(two: Two) -> None:
    server, acme, beta = two
    before = server.host.levels()
    sockets = [await acme.connect(), await beta.connect()]
    await acme.post("x")
    await beta.post("y")

    after = server.host.levels()
    assert after.connections == 2
    assert after.log_head == before.log_head + 2
    for socket in sockets:
        await socket.close()


async def test_a_workspace_that_cannot_be_opened_leaves_the_others_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    for name in ("acme", "zeta"):
        await fill(data / name, name)
    database = data / "acme" / "tautwire.db"
    whole = database.read_bytes()
    database.write_bytes(b"no database" * 1_000)

    async with Server(Settings(data=data, port=0, drain=0)) as server, aiohttp.ClientSession() as http:
        assert [served.data for served in server.host] == [data / "zeta"]
        url = server.api_url.replace("/api/", "/readyz")
        async with http.get(url) as answer:
            faults = (await answer.json())["faults"]
            assert answer.status == 503
        assert f"{data / 'acme'}: not served: " in faults["store"]
        assert "restart the server" in faults["store"]

        database.write_bytes(whole)
        await server.host.open(data / "acme", Content(None, SAMPLE))
        async with http.get(url) as answer:
            assert answer.status == 200
    assert "not ready: store: not served" in caplog.text


async def test_a_start_without_any_workspace_that_can_be_opened_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("acme", "zeta"):
        await fill(data / name, name)
        (data / name / "tautwire.db").write_bytes(b"no database" * 1_000)

    with pytest.raises(StoreError, match="zeta"):
        await Server(Settings(data=data, port=0, drain=0)).start()


async def test_a_copy_of_a_workspace_beside_it_is_refused_with_both_names(tmp_path: Path) -> None:
    await fill(tmp_path / "data" / "acme", "acme")
    shutil.copytree(tmp_path / "data" / "acme", tmp_path / "data" / "copy")

    with pytest.raises(ConfigError, match=r"acme and .*copy have the same workspace T\w+: one is a copy of the other"):
        await Server(Settings(data=tmp_path / "data", port=0, drain=0)).start()


async def test_a_directory_with_a_database_of_its_own_is_that_workspace_alone(tmp_path: Path) -> None:
    await fill(tmp_path / "data", "acme")
    await fill(tmp_path / "data" / "old", "beta")

    async with Server(Settings(data=tmp_path / "data", port=0, drain=0)) as server:
        assert [served.workspace.team.name for served in server.host] == ["acme"]


async def test_a_seed_for_several_workspaces_is_refused(tmp_path: Path) -> None:
    for name in ("acme", "beta"):
        await fill(tmp_path / "data" / name, name)
    with pytest.raises(ConfigError, match=r"a seed file describes one workspace, and .* has 2"):
        await Server(Settings(data=tmp_path / "data", port=0, drain=0, seed=tmp_path / "data" / "acme.yaml")).start()


async def test_the_only_workspace_of_several_is_not_asked_for(two: Two) -> None:
    with pytest.raises(ConfigError, match="the server has 2 workspaces"):
        _ = two[0].workspace


async def test_the_command_describes_every_workspace(tmp_path: Path) -> None:
    for name in ("acme", "beta"):
        await fill(tmp_path / "data" / name, name)
    async with serving(tmp_path / "data") as facts:
        assert sorted(facts["workspaces"]) == ["acme", "beta"]
        assert facts["workspaces"]["beta"]["users"]["betabot"]["token"].startswith("xoxb-")


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[dict[str, Any]]:
    import sys

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--data", str(data), "--drain", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    finally:
        process.terminate()
        await process.wait()


def test_faults_of_parts_are_those_of_the_whole_and_end_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    whole = Health()
    one = whole.of("one")
    one.fault("store", "full")
    assert dict(whole.faults) == {"store": "full"}
    two = whole.of("two")
    two.fault("store", "gone")
    assert whole.faults["store"] == "one: full; two: gone"
    one.clear("store")
    assert dict(whole.faults) == {"store": "two: gone"}
    assert not whole.is_ready
    whole.drop(two)
    assert whole.is_ready


async def test_a_host_without_workspaces_answers_all_the_same(tmp_path: Path) -> None:
    async with Server(Settings(data=tmp_path / "data", port=0, drain=0)) as server, aiohttp.ClientSession() as http:
        (served,) = server.host
        await server.host.close(served.workspace.team.id)
        async with http.post(server.api_url + "auth.test", data={"token": "xoxb-1"}) as answer:
            assert (await answer.json())["error"] == "service_unavailable"
        with pytest.raises(StoreError):
            server.host.find(None)
