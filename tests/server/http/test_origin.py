"""Where a call comes from, which URL it is given, and what wrong tokens lead to."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from scene import OpenScene, Scene, TurnedClock
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.http.forwarded import Forwarded
from tautwire.server.services.access import logins
from tautwire.server.services.access.logins import FailedLogins

# --- proxies ---


def origin(trusted: str | None, peer: str, proto: str | None = None, *hosts: str) -> tuple[str, str]:
    headers = [(b"x-forwarded-proto", proto.encode())] if proto is not None else []
    headers += [(b"x-forwarded-for", host.encode()) for host in hosts]
    return Forwarded(trusted).origin(peer, headers)


def test_a_trusted_proxy_names_scheme_and_address() -> None:
    assert origin("10.0.0.0/8", "10.1.2.3", "https", "203.0.113.9") == ("https", "203.0.113.9")
    assert origin("10.0.0.0/8", "10.1.2.3", "wss", "198.51.100.1, 203.0.113.9, 10.0.0.1") == ("https", "203.0.113.9")
    assert origin("10.0.0.0/8", "10.1.2.3", "ftp") == ("http", "10.1.2.3")
    assert origin("::1", "::1", "https", "2001:db8::1") == ("https", "2001:db8::1")
    assert origin("*", "192.0.2.1", "https", "203.0.113.9, 198.51.100.1") == ("https", "203.0.113.9")


def test_what_is_no_address_is_not_believed() -> None:
    assert origin("*", "192.0.2.1", None, "x" * 10_000) == ("http", "192.0.2.1")
    assert origin("*", "192.0.2.1", None, "one\r\ntwo") == ("http", "192.0.2.1")


def test_nobody_else_is_believed() -> None:
    assert origin("10.0.0.0/8", "192.0.2.1", "https", "203.0.113.9") == ("http", "192.0.2.1")
    assert origin("", "127.0.0.1", "https", "203.0.113.9") == ("http", "127.0.0.1")


def test_the_environment_counts_if_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    assert origin(None, "127.0.0.1", "https")[0] == "https"
    assert origin(None, "::1", "https")[0] == "https"
    assert origin(None, "10.0.0.1", "https")[0] == "http"
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.1")
    assert origin(None, "10.0.0.1", "https")[0] == "https"
    assert origin(None, "127.0.0.1", "https")[0] == "http"
    assert origin("127.0.0.1", "10.0.0.1", "https")[0] == "http"


@pytest.mark.parametrize("wrong", ["10.0.0.300", "10.0.0.1/8", "proxy.example", "127.0.0.1, *"])
def test_a_proxy_that_can_never_be_recognised_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="forwarded_allow_ips must be"):
        Forwarded(wrong)


def test_an_error_names_the_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "proxy")
    with pytest.raises(ConfigError, match=r"^FORWARDED_ALLOW_IPS must be .*, got 'proxy'"):
        Forwarded(None)


# --- the URL of rtm.connect ---


async def url_of(scene: Scene, **headers: str) -> str:
    url, everything = scene.server.api_url + "rtm.connect", scene.bearer("alice") | headers
    async with aiohttp.ClientSession() as http, http.post(url, headers=everything) as answer:
        return str((await answer.json())["url"]).rpartition("/rtm/")[0]


async def test_the_url_leads_back_the_way_the_caller_came(open_scene: OpenScene) -> None:
    scene = await open_scene(forwarded_allow_ips="127.0.0.1")
    assert await url_of(scene) == f"ws://127.0.0.1:{scene.server.port}"
    assert await url_of(scene, Host="chat.example") == "ws://chat.example"
    assert await url_of(scene, **{"X-Forwarded-Proto": "https", "Host": "chat.example"}) == "wss://chat.example"


async def test_a_proxy_on_another_host_can_be_trusted(open_scene: OpenScene) -> None:
    strict = await open_scene(forwarded_allow_ips="192.0.2.1")
    assert (await url_of(strict, **{"X-Forwarded-Proto": "https"})).startswith("ws://")


@pytest.mark.parametrize(
    ("public", "url"),
    [
        ("https://chat.example", "wss://chat.example"),
        ("https://chat.example/", "wss://chat.example"),
        ("http://chat.example:8080", "ws://chat.example:8080"),
        ("https://example.test/chat/", "wss://example.test/chat"),
    ],
)
async def test_a_public_url_wins_over_what_the_caller_says(open_scene: OpenScene, public: str, url: str) -> None:
    scene = await open_scene(public_url=public)
    assert await url_of(scene, **{"X-Forwarded-Proto": "http", "Host": "evil.example"}) == url
    assert (await scene.ok("alice", "auth.test"))["url"] == public.rstrip("/") + "/"


@pytest.mark.parametrize(
    "wrong",
    [
        "chat.example",
        "ftp://x",
        "https://",
        "https://x/?a=1",
        "https://u:p@x",
        "",
        "https://[::1",
        "https://x:99999",
        "https://x:y",
        "https://x y/",
        "https://x/\n",
        "https://x/\x00",
        "https://\u00e4.x",
    ],
)
def test_a_public_url_that_is_none_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match="public_url must be"):
        Settings(data=tmp_path, public_url=wrong)


# --- tokens ---


async def call(
    scene: Scene, token: str, *, split: bool = False, local: str = "127.0.0.1"
) -> tuple[int, dict[str, Any]]:
    """Call rtm.connect; return status and body. ``split`` keeps the front out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port, local_addr=(local, 0))
    writer.write(
        b"\r\n" * split + b"POST /api/rtm.connect HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n"
        b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
    )
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize("split", [False, True])
async def test_an_address_with_many_wrong_tokens_is_slowed_down(open_scene: OpenScene, split: bool) -> None:
    scene = await open_scene(rate_limits=True)
    answers = [await call(scene, f"xoxb-{n}", split=split, local="127.0.0.2") for n in range(logins.RATE.burst)]
    assert set(map(str, answers)) == {str((200, {"ok": False, "error": "invalid_auth"}))}, "a generous number"
    ratelimited = (429, {"ok": False, "error": "ratelimited"})
    assert await call(scene, "xoxb-more", split=split, local="127.0.0.2") == ratelimited
    assert (await call(scene, "xoxb-other", split=split))[0] == 200, "another address"
    good = await call(scene, scene.tokens["alice"], split=split, local="127.0.0.2")
    assert good[1]["ok"], "a good token from there"
    scene.clock.offset += 1.1
    assert (await call(scene, "xoxb-later", split=split, local="127.0.0.2"))[0] == 200


async def test_a_failed_login_is_logged_with_its_address_and_without_its_token(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tautwire")
    for n in range(5):
        await call(scene, f"xoxb-secret-{n}", local="127.0.0.3")
    lines = [record.getMessage() for record in caplog.records if "failed login" in record.getMessage()]
    assert lines == ["1 failed logins from 127.0.0.3, the last for rtm.connect: invalid_auth"]
    scene.clock.offset += 61
    await call(scene, "xoxb-secret", local="127.0.0.3")
    assert "5 failed logins from 127.0.0.3" in caplog.text
    assert "secret" not in caplog.text


def test_the_table_of_addresses_is_bounded(clock: TurnedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "MAX_ADDRESSES", 100)
    failed = FailedLogins(clock)
    for n in range(1_000):
        failed.count(f"10.0.{n // 256}.{n % 256}", "auth.test", "invalid_auth")
        assert len(failed._records) <= 100
    for _ in range(logins.RATE.burst):
        failed.count("10.9.9.9", "auth.test", "invalid_auth")
    for n in range(40):
        failed.count(f"10.1.0.{n}", "auth.test", "invalid_auth")
    assert failed.count("10.9.9.9", "auth.test", "invalid_auth") > 0, "the younger half is kept"
    clock.offset += 3_600
    for n in range(101):
        failed.count(f"10.2.0.{n}", "auth.test", "invalid_auth")
    assert "10.9.9.9" not in failed._records
