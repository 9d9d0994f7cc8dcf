"""Through a real proxy that wants credentials, to an upstream with TLS of a private CA: calls and the WebSocket."""

import logging
import os
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scenarios"))  # for the proxy and the certificates of its tests

from certificates import Certificates, TlsFront
from proxies import ENCODED, PASSWORD, USER, Tinyproxy
from scene import Scene, eventually, is_plain
from stage import OpenStage, Stage
from tautwire.gateway.config import GatewaySettings, gateway_rows
from tautwire.gateway.setup.doctor import Finding, examine
from tautwire.gateway.upstream.network import Network
from tautwire.protocol.errors import ConfigError


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tinyproxy]:
    """A proxy, and an environment that knows of none."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(urllib.request, "_opener", None)
    with Tinyproxy(tmp_path) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def a_connection_for_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The front says in the first request of a connection alone that it was TLS."""
    monkeypatch.setattr("tautwire.gateway.upstream.api.KEEP_ALIVE", 0.0)


def front_of(upstream: Scene, certificates: Certificates) -> TlsFront:
    return TlsFront(upstream.server.port, certificates)


async def reach(stage: Stage, front: TlsFront, certificates: Certificates, proxy: str | None) -> None:
    """Start the gateway again, on the way through front and proxy."""
    await stage.gateway.stop()
    stage._settings |= {"upstream_url": front.api_url, "upstream_ca": certificates.ca_file}
    if proxy is not None:
        stage._settings["upstream_proxy"] = proxy
    await stage.start()


async def test_calls_and_the_websocket_go_through_the_proxy_and_its_password_is_nowhere(
    stage: Stage, proxy: Tinyproxy, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with front_of(stage.upstream, certificates) as front:
        await reach(stage, front, certificates, proxy.url)
        socket = await stage.connect()
        await stage.post("alice", stage.general, "in")
        assert [each["text"] for each in await stage.received(socket, "in") if is_plain(each)] == ["in"]
        assert (await socket.say(stage.general, "out"))["ok"]
        assert set(proxy.requests("CONNECT")) == {f"127.0.0.1:{front.port}"}
        assert len(proxy.requests("CONNECT")) >= 2
        await stage.gateway.stop()
    for secret in (PASSWORD, ENCODED):
        assert secret not in caplog.text
        assert secret not in repr(stage.gateway.settings)


async def test_a_proxy_of_the_environment_carries_both_as_well(
    stage: Stage, proxy: Tinyproxy, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with front_of(stage.upstream, certificates) as front:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        await reach(stage, front, certificates, None)
        assert len(proxy.requests("CONNECT")) >= 2
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        before = len(proxy.requests("CONNECT"))
        await stage.restart()
        assert len(proxy.requests("CONNECT")) == before
        await stage.gateway.stop()


async def test_a_proxy_that_dies_and_comes_back_loses_nothing(
    stage: Stage, proxy: Tinyproxy, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with front_of(stage.upstream, certificates) as front:
        await reach(stage, front, certificates, proxy.url)
        socket = await stage.connect()
        await stage.post("alice", stage.general, "before")
        proxy.kill()
        await stage.post("alice", stage.general, "meanwhile")
        await eventually(lambda: "proxy" in stage.gateway.health.faults.get("upstream", ""))
        await socket.send(type="message", id=7, channel=stage.general, text="not now")
        proxy.start()
        await eventually(lambda: stage.gateway.relay.link.is_up)
        await stage.post("alice", stage.general, "after")
        frames = await stage.received(socket, "after")
        while not any(frame.get("reply_to") == 7 for frame in frames):
            frames.append(await socket.frame())
        assert [each["text"] for each in frames if is_plain(each)] == ["before", "meanwhile", "after"]
        (reply,) = (frame for frame in frames if frame.get("reply_to") == 7)
        stored = [each["text"] for each in await stage.upstream.history("alice", stage.general)]
        assert reply["ok"] is ("not now" in stored)
        await stage.gateway.stop()
    assert PASSWORD not in caplog.text
    caplog.clear()


async def found(settings: GatewaySettings) -> dict[str, Finding]:
    return {finding.check: finding async for finding in examine(settings, [])}


async def test_the_doctor_says_what_is_wrong_with_the_way(
    stage: Stage, proxy: Tinyproxy, certificates: Certificates
) -> None:
    secrets = stage.upstream.directory.apps["desk"]
    with front_of(stage.upstream, certificates) as front:
        given = {
            "upstream_url": front.api_url, "upstream_ca": certificates.ca_file, "bot_token": secrets["bot_token"],
            "app_token": secrets["app_token"],
        }  # fmt: skip
        good = await found(GatewaySettings(**given, upstream_proxy=proxy.url))
        assert good["link"].outcome == "ok", good
        assert f"through the proxy 127.0.0.1:{proxy.port}" in good["reachability"].text
        wrong = await found(GatewaySettings(**given, upstream_proxy=proxy.url_with(f"{USER}:wrong@")))
        assert "check its user and password" in wrong["reachability"].text
        proxy.kill()
        gone = await found(GatewaySettings(**given, upstream_proxy=proxy.url))
        assert f"the proxy 127.0.0.1:{proxy.port} cannot be reached" in gone["reachability"].text
        given.pop("upstream_ca")
        assert (await found(GatewaySettings(**given)))["reachability"].outcome == "failed"
        for findings in (good, wrong, gone):
            assert PASSWORD not in repr(findings)


async def test_the_doctor_asks_for_what_events_over_http_need(open_stage: OpenStage) -> None:
    stage = await open_stage(events="http")
    settings = stage.gateway.settings
    findings = await found(settings)
    assert findings["signing secret"].outcome == "ok"
    assert "/slack/events" in findings["signing secret"].text
    assert "link" not in findings
    without = GatewaySettings(upstream_url=settings.upstream_url, bot_token=settings.bot_token, events="http")
    assert "SLACK_SIGNING_SECRET" in (await found(without))["signing secret"].text


@pytest.mark.parametrize("url", ["ftp://user:secret-word@proxy:1", "http://", "http://user:secret-word@proxy:x"])
def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="upstream_proxy must be http://host:port") as error:
        GatewaySettings(upstream_proxy=url)
    assert "secret-word" not in str(error.value)
    (row,) = [each for each in gateway_rows() if each.name == "upstream_proxy"]
    assert row.show("http://user:secret-word@proxy:3128") == "http://…@proxy:3128"


def test_a_file_of_certificates_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="upstream_ca must be a file"):
        Network(ca=tmp_path / "missing.pem")
    (tmp_path / "odd.pem").write_text("odd")
    with pytest.raises(ConfigError, match="upstream_ca must be a file"):
        Network(ca=tmp_path / "odd.pem")
