"""Several bots in one gateway: each has its own tokens, log, directory and link, and fails alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scene import PATIENCE, end_with_a_stuck_door, eventually
from several import Several
from tautwire.gateway import bots as bots_module
from tautwire.gateway.gateway import Gateway
from tautwire.gateway.places import places
from tautwire.gateway.relay import Relay
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import StoreError
from tautwire.server.web_api.fallback import Passed
from tautwire.server.web_api.method import Call, Caller

NOBODY = "http://127.0.0.1:1/api"
"""An upstream that cannot be reached."""


@pytest.fixture
async def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Several]:
    monkeypatch.setattr(bots_module, "RETRY", 0.05)
    async with Several.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
async def both(several: Several) -> Several:
    """A gateway of desk and porter."""
    await several.start({"desk": several.settings("desk"), "porter": several.settings("porter")})
    return several


async def faults(several: Several) -> dict[str, str]:
    _, body = await several.probe("/readyz")
    found: dict[str, str] = json.loads(body)["faults"]
    return found


async def test_a_local_token_leads_to_its_bot(both: Several) -> None:
    upstream = both.upstream
    desk, porter = await both.connect(both.token("desk")), await both.connect(both.token("porter"))
    assert desk.grant["self"] == {"id": upstream.users["desk"], "name": "desk"}
    assert porter.grant["self"] == {"id": upstream.users["porter"], "name": "porter"}
    await upstream.post("alice", upstream.ops, "to porter")
    await upstream.post("alice", upstream.general, "to both")
    assert (await desk.until("message"))["text"] == "to both"
    assert [(await porter.until("message"))["text"] for _ in range(2)] == ["to porter", "to both"]

    who = await both.request(both.token("porter"), "auth.test")
    assert who["user_id"] == upstream.users["porter"]
    assert (await desk.say(upstream.general, "from desk"))["ok"]
    assert (await porter.until("message"))["user"] == upstream.users["desk"]


async def test_rtm_start_is_of_the_bot_that_calls(both: Several) -> None:
    for name in ("desk", "porter"):
        state = await both.request(both.token(name), "rtm.start")
        assert state["self"]["name"] == name
        mine = {channel["name"] for channel in state["channels"] if channel.get("is_member")}
        assert mine == ({"general"} if name == "desk" else {"general", "ops"})


async def test_each_bot_has_a_directory_of_its_own(both: Several) -> None:
    for name in ("desk", "porter"):
        assert (both.data / name / "tautwire.db").exists()
        assert json.loads((both.data / name / "tokens.json").read_text()) == {"bot": both.token(name)}
    assert both.data.stat().st_mode & 0o077 == 0
    assert not (both.data / "tautwire.db").exists()


async def test_an_unknown_token_is_refused(both: Several) -> None:
    assert (await both.request("xoxb-local-of-somebody-else", "auth.test"))["error"] == "invalid_auth"
    assert (await both.request("xoxb-local-of-somebody-else", "rtm.connect"))["error"] == "invalid_auth"
    assert (await both.request("", "conversations.list"))["error"] == "not_authed"
    assert (await both.request("", "api.test"))["ok"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"upstream_url": NOBODY}, "the first start needs the upstream"),
        ({"bot_token": "xoxb-not-a-token-at-all"}, "refuses the bot token"),
        ({"app_token": None, "app_token_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
    ],
)
async def test_a_bot_that_cannot_be_served_is_a_fault_and_the_others_are_served(
    several: Several, caplog: pytest.LogCaptureFixture, wrong: dict[str, Any], says: str
) -> None:
    await several.start({"desk": several.settings("desk"), "porter": several.settings("porter", **wrong)})
    desk = await several.connect(several.token("desk"))
    await several.upstream.post("alice", several.upstream.general, "hello")
    assert (await desk.until("message"))["text"] == "hello"
    status, _ = await several.probe("/readyz")
    assert status == 503
    assert (await faults(several)).keys() == {"bot"}
    assert (await faults(several))["bot"].startswith("porter: not served")
    assert says in (await faults(several))["bot"]
    _, metrics = await several.probe("/metrics")
    assert 'tautwire_bot_served{bot="desk"} 1.0' in metrics
    assert 'tautwire_bot_served{bot="porter"} 0.0' in metrics
    assert 'tautwire_upstream_connected{bot="desk"} 1.0' in metrics
    assert "xoxb-not-a-token-at-all" not in caplog.text


async def test_a_bot_is_served_when_what_was_wrong_is_mended(several: Several, tmp_path: Path) -> None:
    secret = tmp_path / "porter.token"
    given = {"bot_token": None, "bot_token_file": secret}
    await several.start({"desk": several.settings("desk"), "porter": several.settings("porter", **given)})
    assert "porter.token" in (await faults(several))["bot"]
    secret.touch(mode=0o600)
    secret.write_text(str(several.upstream.directory.apps["porter"]["bot_token"]))
    await eventually(lambda: several.gateway.bots.get("porter") is not None)
    await eventually(lambda: several.gateway.health.is_ready)
    await several.connect(several.token("porter"))


async def test_an_upstream_that_does_not_answer_holds_back_its_bot_alone(
    several: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bots_module, "PATIENCE", 0.1)
    silent = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
        await several.start({"desk": several.settings("desk"), "porter": several.settings("porter", upstream_url=url)})
        desk = await several.connect(several.token("desk"))
        assert desk.grant["self"]["name"] == "desk"
        assert "it takes long" in (await faults(several))["bot"]
        await several.gateway.stop()
        silent.set()


async def test_the_token_of_a_bot_that_is_not_served_is_not_called_wrong(several: Several) -> None:
    bots = {"desk": several.settings("desk"), "porter": several.settings("porter")}
    await several.start(bots)
    token = several.token("porter")
    await several.gateway.stop()
    await several.start({**bots, "porter": replace(bots["porter"], bot_token="xoxb-not-a-token-at-all")})
    assert (await several.request(token, "rtm.connect"))["error"] == "service_unavailable"


async def test_a_gateway_of_which_no_bot_can_be_served_does_not_start(several: Several) -> None:
    wrong = {"bot_token": "xoxb-not-a-token-at-all"}
    with pytest.raises(ConfigError, match="refuses the bot token"):
        await several.start({"desk": several.settings("desk", **wrong), "porter": several.settings("porter", **wrong)})


async def test_settings_that_come_while_a_bot_is_tried_count(several: Several, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, wrong = several.settings("desk"), several.settings("porter", bot_token="xoxb-not-a-token-at-all")
    await several.start({"desk": desk, "porter": wrong})
    porter, given, tried, go_on = several.settings("porter"), [], asyncio.Event(), asyncio.Event()
    opened, renewed = bots_module.Bots._open, Relay.renew

    async def slow(bots: bots_module.Bots, name: str) -> Exception | None:
        tried.set()
        await go_on.wait()
        return await opened(bots, name)

    async def renew(relay: Relay, settings: Any) -> None:
        given.append(settings)
        await renewed(relay, settings)

    monkeypatch.setattr(bots_module.Bots, "_open", slow)
    monkeypatch.setattr(Relay, "renew", renew)
    several.gateway.bots._places["porter"] = several.gateway.bots._places["porter"]._replace(settings=porter)
    tried.clear()
    await tried.wait()
    last = replace(porter, app_token=porter.app_token)
    await several.gateway.renew({"desk": desk, "porter": last})
    given.clear()
    go_on.set()
    await eventually(lambda: given == [last])
    assert several.gateway.bots.get("porter") is not None


async def test_a_bot_whose_settings_change_while_it_is_started_is_started_with_the_new_ones(
    several: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, tried, go_on = Relay.start, list[Relay](), asyncio.Event()

    async def slow(relay: Relay) -> None:
        if relay.name == "porter":
            tried.append(relay)
            await go_on.wait()
        await start(relay)

    monkeypatch.setattr(bots_module, "PATIENCE", 0.1)
    monkeypatch.setattr(bots_module, "RETRY", 1_000.0)
    monkeypatch.setattr(Relay, "start", slow)
    desk = several.settings("desk")
    await several.start({"desk": desk, "porter": several.settings("porter")})
    assert "it takes long" in (await faults(several))["bot"]
    await several.gateway.renew({"desk": desk, "porter": several.settings("porter", all_events=True)})
    go_on.set()
    await eventually(lambda: several.gateway.health.is_ready)
    assert [relay._settings.all_events for relay in tried] == [False, True]
    assert several.gateway.bots.get("porter") is tried[1]
    assert not tried[0].workspace.writer.is_alive


async def test_a_bot_that_gets_its_events_over_http_from_now_on_needs_a_restart(
    several: Several, caplog: pytest.LogCaptureFixture
) -> None:
    desk = several.settings("desk")
    await several.start({"desk": desk, "porter": several.settings("porter", bot_token="xoxb-not-a-token-at-all")})
    secret = several.upstream.directory.apps["porter"]["signing_secret"]
    await several.gateway.renew(
        {"desk": desk, "porter": several.settings("porter", events="http", signing_secret=secret)}
    )
    assert "porter is not served yet: a new bot whose events come over HTTP needs a restart" in caplog.text
    assert several.gateway.bots.get("porter") is None


async def test_a_bot_that_does_not_close_in_order_holds_up_no_other(
    both: Several, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stopped, closed = Relay.stop, []

    async def stop(relay: Relay) -> None:
        await stopped(relay)
        closed.append(relay.name)
        if relay.name == "porter":
            raise OSError("the disk is gone")

    monkeypatch.setattr(Relay, "stop", stop)
    desk = both.settings("desk")
    await both.gateway.renew({"desk": desk})
    assert "porter was not closed in order" in caplog.text
    assert both.gateway.bots.names == ["desk"]
    await both.gateway.renew({"desk": desk, "porter": both.settings("porter")})
    assert sorted(relay.name for relay in both.gateway.bots) == ["desk", "porter"]
    assert closed == ["porter"]
    monkeypatch.setattr(Relay, "stop", stopped)
    caplog.clear()


async def test_the_end_waits_for_a_bot_that_is_being_closed(both: Several, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped, begun, closed = Relay.stop, asyncio.Event(), []

    async def stop(relay: Relay) -> None:
        begun.set()
        await asyncio.sleep(0)
        await stopped(relay)
        closed.append(relay.name)

    monkeypatch.setattr(Relay, "stop", stop)
    removal = asyncio.create_task(both.gateway.renew({"desk": both.settings("desk")}))
    await begun.wait()
    removal.cancel()
    await asyncio.gather(removal, return_exceptions=True)
    await both.gateway.stop()
    assert sorted(closed) == ["desk", "porter"]


async def test_a_store_that_breaks_ends_one_bot(both: Several, caplog: pytest.LogCaptureFixture) -> None:
    relays = {relay.name: relay for relay in both.gateway.bots}
    broken = asyncio.create_task(both.gateway.broken())
    both.gateway.bots._lose("porter", StoreError("the disk is gone"))
    desk = await both.connect(both.token("desk"))
    await both.upstream.post("alice", both.upstream.general, "hello")
    assert (await desk.until("message"))["text"] == "hello"
    assert not broken.done()
    assert "porter is not served any more: the disk is gone" in caplog.text
    both.gateway.bots._lose("desk", StoreError("that too"))
    assert str(await asyncio.wait_for(broken, PATIENCE)) == "that too"
    assert relays.keys() == {"desk", "porter"}


async def test_no_other_bot_answers_for_one_that_was_lost_while_its_call_was_on_the_way(both: Several) -> None:
    bots, token = both.gateway.bots, both.token("porter")
    workspace, relay = bots.find(token), bots.get("porter")
    assert relay is not None
    who = workspace.identities.authenticate(token)
    bots._forget(relay)
    for name in ("users.list", "auth.test"):
        with pytest.raises(MethodError, match="service_unavailable"):
            await bots(Passed(name, who, {}, workspace, ""))
    with pytest.raises(MethodError, match="service_unavailable"):
        await bots.open_sink(Caller(workspace, who), "a.txt", 1)
    for method in bots.methods().values():
        with pytest.raises(MethodError, match="service_unavailable"):
            await method.function(Call(workspace, who, "", {}), None)
    await relay.stop()


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_bot_whose_doors_do_not_close_leaves_no_database_open(both: Several, is_cancelled: bool) -> None:
    relay = both.gateway.bots.get("porter")
    assert relay is not None
    both.gateway.bots._forget(relay)
    await end_with_a_stuck_door(relay._doors, relay.stop, is_cancelled=is_cancelled)
    assert not relay.workspace.writer.is_alive


async def test_a_bot_that_can_neither_be_served_nor_closed_is_a_fault_of_its_start(
    several: Several, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = Relay.stop

    async def fail(relay: Relay) -> None:
        await stop(relay)
        if relay.name == "porter":
            raise OSError("a door is stuck")

    monkeypatch.setattr(Relay, "stop", fail)
    await several.start(
        {"desk": several.settings("desk"), "porter": several.settings("porter", bot_token="xoxb-not-a-token-at-all")}
    )
    assert "refuses the bot token" in (await faults(several))["bot"]
    assert "porter was not closed in order" in caplog.text


async def test_a_file_of_a_bot_that_is_not_served_is_not_said_to_be_missing(
    both: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, token = both.gateway.bots.get("porter"), both.token("porter")
    assert relay is not None
    workspace = relay.workspace
    both.gateway.bots._forget(relay)
    monkeypatch.setattr(both.gateway.bots, "find", lambda _: workspace)
    url = both.gateway.api_url.replace("/api/", "/files-pri/") + "127.0.0.1/files-pri/T1-F1/a.txt"
    async with both.upstream.http.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
        assert response.status == 503
    await relay.stop()


async def test_two_tables_of_one_app_are_refused(several: Several) -> None:
    await several.start({"desk": several.settings("desk"), "again": several.settings("desk")})
    assert "are the same app" in (await faults(several))["bot"]
    assert len(several.gateway.bots) == 1


async def test_a_local_token_leads_to_one_bot(several: Several) -> None:
    old = {"local_token": "xoxb-the-old-token-of-both"}
    await several.start({"desk": several.settings("desk", **old), "porter": several.settings("porter", **old)})
    assert "a token leads to one bot" in (await faults(several))["bot"]
    assert old["local_token"] not in (await faults(several))["bot"]
    assert len(several.gateway.bots) == 1


async def test_programs_have_tokens_of_their_own_which_can_be_revoked(several: Several) -> None:
    def settings(*programs: str) -> dict[str, Any]:
        return {"desk": several.settings("desk", programs=programs or None), "porter": several.settings("porter")}

    await several.start(settings("hubot", "worker"))
    hubot, worker, plain = (several.token("desk", name) for name in ("hubot", "worker", "bot"))
    assert len({hubot, worker, plain}) == 3
    for token in (hubot, worker, plain):
        assert (await several.connect(token)).grant["self"]["name"] == "desk"
    await several.gateway.stop()

    await several.start(settings("worker"))
    assert (await several.request(hubot, "rtm.connect"))["error"] == "token_revoked"
    assert several.token("desk", "worker") == worker
    await several.connect(worker)
    await several.gateway.stop()

    await several.start(settings("hubot"))
    assert (await several.request(worker, "rtm.connect"))["error"] == "token_revoked"
    await several.connect(hubot)


async def test_the_links_of_bots_are_their_own(both: Several) -> None:
    relays: dict[str, Relay] = {relay.name: relay for relay in both.gateway.bots}
    assert relays["desk"].link is not relays["porter"].link
    await relays["porter"].link.stop()
    desk = await both.connect(both.token("desk"))
    await both.upstream.post("alice", both.upstream.general, "hello")
    assert (await desk.until("message"))["text"] == "hello"


async def test_the_directory_of_a_gateway_of_one_bot_goes_on_and_can_be_moved(several: Several) -> None:
    await several.start(several.settings("desk"))
    token = several.gateway.local_token.reveal()
    await several.gateway.stop()
    bots = {"desk": several.settings("desk"), "porter": several.settings("porter")}
    with pytest.raises(ConfigError, match="a gateway of one bot: move its files into"):
        Gateway(bots, Settings(data=several.data))
    await several.start(several.settings("desk"))
    assert several.gateway.local_token.reveal() == token
    await several.gateway.stop()

    files = list(several.data.iterdir())
    (several.data / "desk").mkdir(mode=0o700)
    for file in files:
        file.rename(several.data / "desk" / file.name)
    await several.start(bots)
    assert several.token("desk") == token


@pytest.mark.parametrize("name", ["Desk", "a-b", "", "a" * 32, "bot", "..", "1st"])
def test_a_name_has_to_be_fit_for_a_directory(name: str, several: Several) -> None:
    with pytest.raises(ConfigError, match="the name of a bot must be"):
        places({name: several.settings("desk")}, Settings(data=Path("x")))


def test_each_bot_has_a_schema_of_its_own(several: Several) -> None:
    def urls(url: str | None) -> list[str | None]:
        server = Settings(data=Path("x"), database=url)
        bots = {"desk": several.settings("desk"), "porter": several.settings("porter")}
        return [place.server.database for place in (*places(several.settings("desk"), server), *places(bots, server))]

    base = "postgresql://u:p%40@h:5432/d"
    assert urls(None) == [None, None, None]
    assert urls(base) == [f"{base}?schema=tautwire_gateway{end}" for end in ("", "_desk", "_porter")]
    assert urls(f"{base}?sslmode=require&schema=g") == [
        f"{base}?sslmode=require&schema=g{end}" for end in ("", "_desk", "_porter")
    ]
