"""The paths of a gateway below its web page: who may read its status, what it says, and what it never says."""

import asyncio
import json
from dataclasses import replace
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web

from crooked import refused
from scene import eventually
from stage import OpenStage, Stage
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.page.checkup import Checkup
from tautwire.gateway.page.status import MAX_FINDING, MAX_SHOWN, MAX_TEXT
from tautwire.gateway.upstream.link import Link
from tautwire.server.clock import Clock
from tautwire.server.services.access.identity import hash_token
from tautwire.server.services.access.tokens import revoke, rotate, token_id


class Reply(NamedTuple):
    status: int
    body: Any


class Caller:
    """What asks a gateway as its page does."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cookie = ""

    async def ask(self, verb: str, path: str, **headers: str) -> Reply:
        """Make a request; what is given goes on top, an empty value takes a header away."""
        root = self.stage.gateway.base_url
        given = {"Origin": root, "Sec-Fetch-Site": "same-origin", "Cookie": self.cookie}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in given.items() if value}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.request(verb, f"{root}/_page/{path}", headers=given) as response,
        ):
            text = await response.text()
            if "Set-Cookie" in response.headers:
                self.cookie = response.headers["Set-Cookie"].partition(";")[0]
            is_json = response.headers["Content-Type"].startswith("application/json")
            return Reply(response.status, json.loads(text) if is_json else text)

    async def open(self) -> None:
        """Open a session with the present link."""
        link = self.stage.gateway.page
        assert link is not None
        reply = await self.ask("POST", "session", Authorization=f"Bearer {link.partition('#key=')[2]}")
        assert reply.status == 200, reply

    async def status(self) -> Any:
        reply = await self.ask("GET", "gateway/status")
        assert reply.status == 200, reply
        return reply.body

    async def bot(self) -> Any:
        (bot,) = (await self.status())["bots"]
        return bot

    async def examined(self) -> list[Any]:
        """Run the doctor; return its findings."""
        assert (await self.ask("POST", "gateway/doctor")).body == {"has_begun": True}
        found: Any = {"is_running": True}
        while found["is_running"]:
            found = (await self.status())["doctor"]
        return list(found["findings"]["bot"])


@pytest.fixture
async def caller(open_stage: OpenStage) -> Caller:
    caller = Caller(await open_stage(page=True))
    await caller.open()
    return caller


async def test_without_the_setting_nothing_of_the_page_is_served(stage: Stage) -> None:
    caller = Caller(stage)
    for path in ("", "index.html", "session", "gateway/status"):
        assert (await caller.ask("GET", path)).status == 404
    assert not (stage.data / "page.txt").exists()
    assert stage.gateway.page is None


async def test_the_link_opens_one_session_and_the_next_one_is_in_the_file(open_stage: OpenStage) -> None:
    stage = await open_stage(page=True)
    caller, first = Caller(stage), stage.gateway.page
    file = stage.data / "page.txt"
    assert file.read_text() == f"{first}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    await caller.open()
    assert (await caller.ask("GET", "session")).body == {"team": "gateway", "parts": ["gateway"]}
    assert stage.gateway.page != first
    assert file.read_text() == f"{stage.gateway.page}\n"
    await stage.gateway.stop()
    assert not file.exists()


async def test_only_the_page_in_its_session_may_read_and_act(caller: Caller) -> None:
    assert (await caller.ask("GET", "gateway/status", Cookie="")).status == 401
    assert (await caller.ask("POST", "gateway/doctor", Cookie="")).status == 401
    for headers in ({"Origin": "http://127.0.0.1:1"}, {"Sec_Fetch_Site": "same-site"}, {"Host": "evil.example"}):
        assert (await caller.ask("GET", "gateway/status", **headers)).status == 403
        assert (await caller.ask("POST", "gateway/doctor", **headers)).status == 403
    bearer = f"Bearer {caller.stage.gateway.local_token.reveal()}"
    assert (await caller.ask("GET", "gateway/status", Cookie="", Authorization=bearer)).status == 401
    assert (await caller.ask("POST", "gateway/status")).status == 405
    assert (await caller.ask("GET", "gateway/doctor")).status == 405
    assert (await caller.ask("GET", "gateway/more")).status == 404
    assert (await caller.ask("GET", "control/status")).status == 404
    assert (await caller.status())["doctor"] == {"is_running": False, "ended": None, "findings": {}}


async def test_the_status_has_the_link_the_programs_and_their_messages(caller: Caller) -> None:
    stage = caller.stage
    socket = await stage.connect()
    await stage.post("alice", stage.general, "one")
    await stage.received(socket, "one")
    await socket.say(stage.general, "two")

    found = await caller.status()
    (bot,) = found["bots"]
    served = bot["served"]
    assert found["is_ready"]
    assert bot["faults"] == {}
    assert (served["bot"], served["team"]) == ("desk", "Acme")
    upstream = served["upstream"]
    assert (upstream["way"], upstream["host"], upstream["is_up"]) == ("socket_mode", "127.0.0.1", True)
    assert (upstream["connections"], upstream["connects"], upstream["lost"], upstream["trouble"]) == (1, 1, 0, "")
    assert 0 <= upstream["up_for"] == pytest.approx(upstream["hello"], abs=0.01)
    assert 0 <= upstream["event"] < 60
    assert served["events"]["stored"] >= 1
    assert served["events"]["lag"] is not None
    assert served["sends"]["accepted"] == 1
    assert served["connections"] == 1
    (program,) = served["programs"]
    assert (program["door"], program["name"]) == ("rtm", "bot")
    assert program["agent"].startswith("Python/")
    assert 0 <= program["since"] < 60


async def test_a_lost_link_is_in_the_status_with_what_failed(caller: Caller) -> None:
    await caller.stage.line.die()
    await eventually(lambda: caller.stage.gateway.relay.link.condition.trouble is not None)
    bot = await caller.bot()
    upstream = bot["served"]["upstream"]
    assert not upstream["is_up"]
    assert upstream["up_for"] is None
    assert upstream["lost"] == 1
    assert "127.0.0.1" in upstream["trouble"]
    assert "upstream" in bot["faults"]
    await caller.stage.line.live()
    await eventually(lambda: caller.stage.gateway.relay.link.is_up)
    bot = await caller.bot()
    assert bot["faults"] == {}
    assert bot["served"]["upstream"]["connects"] == 2


async def test_a_fault_of_the_process_is_in_the_status(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    health = caller.stage.gateway.health
    health.fault("descriptors", "nearly all are open")
    found = await caller.status()
    assert (found["is_ready"], found["faults"]) == (False, {"descriptors": "nearly all are open"})
    assert found["bots"][0]["faults"] == {}
    health.clear("descriptors")
    caplog.clear()  # a fault is logged as an error


async def test_events_over_http_are_in_the_status_with_the_requests(open_stage: OpenStage) -> None:
    stage = await open_stage(page=True, events="http")
    caller = Caller(stage)
    await caller.open()
    await stage.post("alice", stage.general, "one")
    await stage.settled()
    async with aiohttp.ClientSession() as http:
        headers = {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": "v0=0"}
        async with http.post(stage.line.events_url, data=b"{}", headers=headers) as response:
            assert response.status == 401
    upstream = (await caller.bot())["served"]["upstream"]
    assert (upstream["way"], upstream["is_up"], upstream["hello"], upstream["connections"]) == ("http", True, None, 0)
    assert upstream["up_for"] >= 0
    assert upstream["requests"]["200"] >= 1
    assert upstream["requests"]["401"] == 1
    assert "SLACK_SIGNING_SECRET" in upstream["trouble"]


async def test_a_finding_is_cut_and_has_no_token(caller: Caller) -> None:
    async def answer(method: str, _: dict[str, str]) -> Any:
        members = {"ok": True, "bot_id": "B1", "user": "xoxb-in-a-name " + "u" * 100_000, "user_id": "U1", "team": "T"}
        return web.json_response(members) if method == "auth.test" else None

    caller.stage.line.before = answer
    findings = {each["check"]: each["text"] for each in await caller.examined()}
    assert findings["bot token"].startswith("xoxb-…")
    assert len(findings["bot token"]) == MAX_FINDING


async def test_what_could_not_be_mapped_is_counted_with_its_reason(caller: Caller) -> None:
    stage = caller.stage
    for number, kind in enumerate(("app_home_opened", "app_home_opened", "no_such_event")):
        event = {"type": "event_callback", "event_id": f"Ev{number}", "event": {"type": kind, "user": "U1"}}
        await stage.line.tell({"type": "events_api", "envelope_id": f"E{number}", "payload": event})
    await eventually(lambda: stage.gateway.relay.intake.figures.without_frame == 3)
    assert (await stage.request("apps.no_such_method"))["error"] == "unknown_method"
    assert (await stage.request("users.setActive"))["ok"]

    served = (await caller.bot())["served"]
    found = {(each["kind"], each["name"]): (each["reason"], each["count"]) for each in served["unmapped"]}
    assert found == {
        ("event", "app_home_opened"): ("only_events_api", 2),
        ("event", "no_such_event"): ("not_known", 1),
        ("call", "apps.no_such_method"): ("unknown_method", 1),
        ("call", "users.setActive"): ("without_effect", 1),
    }
    assert served["unmapped_count"] == 5


async def test_a_missing_scope_is_named_with_the_change_until_the_app_has_it(caller: Caller) -> None:
    stage = caller.stage

    async def refuse(method: str, _: dict[str, str]) -> Any:
        return refused("missing_scope", needed="pins:read") if method == "pins.list" else None

    stage.line.before, stage.line.scopes = refuse, "chat:write"
    await stage.ok("conversations.info", channel=stage.general)  # its answer names the scopes
    await stage.request("pins.list", channel=stage.general)
    (scope,) = (await caller.bot())["served"]["scopes"]
    assert (scope["scope"], scope["what"]) == ("pins:read", "pins.list")
    assert "add pins:read to oauth_config.scopes.bot" in scope["change"]

    stage.line.before, stage.line.scopes = None, "chat:write,pins:read"
    await stage.ok("conversations.info", channel=stage.ops)
    assert (await caller.bot())["served"]["scopes"] == []


async def test_the_doctor_says_what_to_change_and_opens_no_connection_beside_the_link(caller: Caller) -> None:
    stage = caller.stage
    stage.line.scopes = "chat:write"
    opened = stage.line.opened
    findings = {each["check"]: each for each in await caller.examined()}
    assert findings["scopes"]["outcome"] == "failed"
    assert "channels:history" in findings["scopes"]["text"]
    assert findings["link"] == {"check": "link", "outcome": "ok", "text": "events come"}
    assert stage.line.opened == opened
    assert (await caller.status())["doctor"]["ended"] is not None


async def test_the_doctor_opens_no_connection_beside_a_link_that_came_up_meanwhile(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, is_up = caller.stage, [False]
    monkeypatch.setattr(Link, "is_up", property(lambda _: is_up[0]))

    async def come_up(method: str, _: dict[str, str]) -> Any:
        is_up[0] = is_up[0] or method == "auth.test"

    stage.line.before = come_up
    opened = stage.line.opened
    findings = {each["check"]: each for each in await caller.examined()}
    assert findings["link"] == {"check": "link", "outcome": "ok", "text": "events come"}
    assert stage.line.opened == opened


async def test_one_run_of_the_doctor_is_made_at_a_time_and_ends(caller: Caller) -> None:
    stage = caller.stage
    reached = asyncio.Event()

    async def never(method: str, _: dict[str, str]) -> Any:
        reached.set()
        await asyncio.Event().wait()

    stage.line.before = never
    checkup = Checkup(stage.gateway.bots, Clock(), time_limit=1.0)
    assert checkup.begin()
    await reached.wait()
    assert not checkup.begin()
    assert checkup.found.is_running
    await eventually(lambda: not checkup.found.is_running)
    (finding,) = checkup.found.findings["bot"]
    assert (finding.check, finding.outcome) == ("checks", "failed")
    assert "ended after 1 s" in finding.text
    stage.line.before = None
    assert checkup.begin()
    await checkup.stop()


async def test_the_doctor_examines_the_tokens_that_were_changed(caller: Caller) -> None:
    stage = caller.stage
    settings = stage.gateway.settings
    assert isinstance(settings, GatewaySettings)
    old, writer = token_id(hash_token(settings.bot_token or "")), stage.upstream.server.workspace.writer
    issued = await writer.write(lambda tx: rotate(tx, old, grace=600))
    await stage.gateway.renew(replace(settings, bot_token=issued.text))
    await writer.write(lambda tx: revoke(tx, old))

    findings = {each["check"]: each for each in await caller.examined()}

    assert findings["bot token"]["outcome"] == "ok", findings


async def test_no_secret_is_in_the_status(caller: Caller) -> None:
    stage = caller.stage
    url = f"{stage.gateway.api_url}xoxb-in-a-method"
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
        async with http.post(url, headers=headers) as response:
            await response.read()
        grant = await stage.ok("rtm.connect")
        async with http.ws_connect(grant["url"], headers={"User-Agent": "bot xoxb-in-an-agent"}, compress=0) as socket:
            await socket.receive()
            await stage.line.die()
            await eventually(lambda: stage.gateway.relay.link.condition.trouble is not None)
            await caller.examined()
            text = json.dumps(await caller.status(), ensure_ascii=False)
    await stage.line.live()
    secrets = stage.upstream.directory.apps["desk"]
    known = [str(secrets[name]) for name in ("bot_token", "app_token", "signing_secret")]
    known += [token.reveal() for token in stage.gateway.relay.local_tokens.values()]
    known += ["in-a-method", "in-an-agent", caller.cookie.partition("=")[2], str(stage.gateway.page).partition("=")[2]]
    for secret in known:
        assert secret not in text
    assert "bot xoxb-…" in text, "the agent is there, without the token"


async def test_the_status_is_bounded(caller: Caller) -> None:
    stage = caller.stage
    stage.gateway.relay.api.scopes.read({"X-OAuth-Scopes": "chat:write"})
    for number in range(MAX_SHOWN + 30):
        stage.gateway.relay.unmapped.note("event", f"{number}" + "x" * 10_000 * (number % 2), "not_known")
        stage.gateway.relay.api.scopes.missing("m" * 1_000, f"scope{number}:" + "s" * 1_000)
    served = (await caller.bot())["served"]
    assert len(served["unmapped"]) == MAX_SHOWN
    assert served["unmapped_count"] == MAX_SHOWN + 30
    assert len(json.dumps(served)) < 60_000
    assert max(len(each["what"]) for each in served["scopes"]) == MAX_TEXT
