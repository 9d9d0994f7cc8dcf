"""Through a real proxy that wants credentials, to a server with real TLS from a private CA."""

import asyncio
import logging
import os
import ssl
import subprocess
import sys
import traceback
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates import Certificates, TlsFront
from proxies import ENCODED, PASSWORD, Tinyproxy
from subject import PATIENCE, MakeSubject, Subject, Talk, aside, eventually
from tautwire import ConnectError, RTMClient
from tautwire.testing import BlockingWorkspace, Faults

SERVERS = ("plain", "tls")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def front(certificates: Certificates, blocking_workspace: BlockingWorkspace) -> Iterator[TlsFront]:
    with TlsFront(blocking_workspace.faults.port, certificates) as front:
        yield front


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tinyproxy]:
    """A proxy, and an environment that knows of none."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies of the day it was first used
    with Tinyproxy(tmp_path) as proxy:
        yield proxy


@pytest.fixture(params=SERVERS)
def options(
    request: pytest.FixtureRequest, front: TlsFront, certificates: Certificates, blocking_workspace: BlockingWorkspace
) -> dict[str, Any]:
    """How a client reaches the server, but for the proxy: https and wss, or http and ws."""
    if request.param == "tls":
        return {"base_url": front.api_url, "ssl": certificates.client_context()}
    return {"base_url": blocking_workspace.api_url}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Everything that anybody logs, down to the lowest level."""
    lines: list[str] = []

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Everything(1)
    loggers = [logging.getLogger(name) for name in (None, "tautwire", "slack_sdk", "picows", "aiohttp", "asyncio")]
    levels = [each.level for each in loggers]
    loggers[0].addHandler(handler)
    for each in loggers:
        each.setLevel(1)
    yield lines
    loggers[0].removeHandler(handler)
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def authority(subject: Subject) -> str:
    """Return host and port of the server, as the client was told."""
    return str(subject.settings.base_url).split("/")[2]


def call_web(subject: Subject) -> str:
    """Call a method through ``client.web``; return who it says we are."""
    answer = subject.web.auth_test()
    if asyncio.iscoroutine(answer):
        answer = subject._wait(answer)
    return str(answer["user"])


def went_through(proxy: Tinyproxy, subject: Subject) -> tuple[int, int]:
    """Return how many tunnels to the server were asked for, and how many plain HTTP calls."""
    place = authority(subject)
    calls = [each for each in proxy.requests("POST") if each.startswith(f"http://{place}/")]
    return proxy.requests("CONNECT").count(place), len(calls)


def texts_of(error: BaseException) -> str:
    """Return all that can be printed of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def no_password_in(*texts: str) -> None:
    for text in texts:
        assert PASSWORD not in text
        assert ENCODED not in text
        assert "wrong-" not in text


def test_everything_goes_through_the_proxy(
    make_subject: MakeSubject, options: dict[str, Any], proxy: Tinyproxy, talk: Talk
) -> None:
    """rtm.connect, the WebSocket and the Web API client; plain HTTP needs a tunnel for the WebSocket only."""
    subject = make_subject(proxy=proxy.url, **options).connect()
    with talk:
        talk.go_on()
        assert call_web(subject) == "bot"
    talk.was_heard_by(subject)
    is_tls = options["base_url"].startswith("https:")
    assert went_through(proxy, subject) == ((3, 0) if is_tls else (1, 2))


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_environment_names_the_proxy(
    make_subject: MakeSubject,
    options: dict[str, Any],
    proxy: Tinyproxy,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    logged: list[str],
) -> None:
    """Also without a scheme, as many tools take it."""
    is_tls = options["base_url"].startswith("https:")
    monkeypatch.setenv("HTTPS_PROXY" if is_tls else "HTTP_PROXY", proxy.url.replace("http://", scheme))
    subject = make_subject(**options).connect()
    assert call_web(subject) == "bot"
    assert went_through(proxy, subject) == ((3, 0) if is_tls else (1, 2))
    no_password_in(*logged)


def test_no_proxy_is_heeded(
    make_subject: MakeSubject,
    options: dict[str, Any],
    proxy: Tinyproxy,
    monkeypatch: pytest.MonkeyPatch,
    logged: list[str],
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    subject = make_subject(**options).connect()
    assert call_web(subject) == "bot"
    assert went_through(proxy, subject) == (0, 0)
    no_password_in(*logged)


@pytest.mark.parametrize("credentials", ["relay:wrong-password@", "wrong-user:x@", ""])
def test_wrong_credentials_are_told_and_kept(
    make_subject: MakeSubject, options: dict[str, Any], proxy: Tinyproxy, credentials: str, logged: list[str]
) -> None:
    subject = make_subject(proxy=proxy.url_with(credentials), **options)
    with pytest.raises(ConnectError, match=r"proxy wants other credentials \(HTTP 40[17]\): give proxy=") as caught:
        subject.connect()
    assert subject.connects == 0
    no_password_in(texts_of(caught.value), repr(subject.client), repr(subject.settings), *logged)


def test_credentials_that_become_wrong_are_tried_again(
    make_subject: MakeSubject, options: dict[str, Any], proxy: Tinyproxy, logged: list[str]
) -> None:
    """Somebody may put the password right: the client goes on at its governor's pace, and says why it has to."""
    subject = make_subject(proxy=proxy.url, **options).connect()
    proxy.kill()
    proxy.start(user="somebody-else")
    eventually(lambda: any("wants other credentials" in str(each) for each in subject.errors))
    proxy.kill()
    proxy.start()
    subject.wait_opened(2)
    no_password_in(*logged, *(texts_of(each) for each in subject.errors))


def test_a_proxy_that_refuses_is_told(
    make_subject: MakeSubject, front: TlsFront, certificates: Certificates, proxy: Tinyproxy, logged: list[str]
) -> None:
    """For instance because the port is not among those it lets through."""
    proxy.kill()
    proxy.start("ConnectPort 1")
    subject = make_subject(proxy=proxy.url, base_url=front.api_url, ssl=certificates.client_context())
    with pytest.raises(ConnectError, match=r"rtm\.connect failed: the proxy refuses .* \(HTTP 403\)") as caught:
        subject.connect()
    no_password_in(texts_of(caught.value), *logged)


def test_a_proxy_that_refuses_the_websocket_only_is_told(
    make_subject: MakeSubject, blocking_workspace: BlockingWorkspace, proxy: Tinyproxy, logged: list[str]
) -> None:
    """A plain HTTP call needs no tunnel, the WebSocket does."""
    proxy.kill()
    proxy.start("ConnectPort 1")
    subject = make_subject(proxy=proxy.url, base_url=blocking_workspace.api_url)
    with pytest.raises(ConnectError, match=r"the WebSocket did not open: the proxy refuses .* \(HTTP 403\)") as caught:
        subject.connect()
    assert subject.connects == 1
    no_password_in(texts_of(caught.value), *logged)


def test_a_proxy_that_is_away_is_told(
    make_subject: MakeSubject, options: dict[str, Any], proxy: Tinyproxy, logged: list[str]
) -> None:
    proxy.kill()
    subject = make_subject(proxy=proxy.url, **options)
    with pytest.raises(ConnectError, match="the proxy cannot be reached") as caught:
        subject.connect()
    no_password_in(texts_of(caught.value), *logged)


def test_a_proxy_that_dies_costs_nothing_but_time(
    make_subject: MakeSubject, options: dict[str, Any], proxy: Tinyproxy, talk: Talk, logged: list[str]
) -> None:
    """Its tunnels end with it; the client comes back through the next one and has missed nothing."""
    subject = make_subject(proxy=proxy.url, **options).connect()
    with talk:
        for opened in (2, 3):
            talk.go_on()
            proxy.kill()
            eventually(lambda: not subject.is_ready(), "it did not notice")
            talk.go_on()
            subject.errors.clear()
            eventually(lambda: any("proxy cannot be reached" in str(each) for each in subject.errors))
            no_password_in(*(texts_of(each) for each in subject.errors))
            proxy.start()
            subject.wait_opened(opened)
    talk.was_heard_by(subject)
    eventually(lambda: len(subject.gaps) == 2, f"gaps {subject.gaps}")
    assert all(each.is_filled for each in subject.gaps)
    no_password_in(*logged)


# -- certificates -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["direct", "through a proxy"])
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """With and without a proxy on the way."""
    if request.param == "direct":
        return {"proxy": ""}
    return {"proxy": request.getfixturevalue("proxy").url}


def test_a_ca_file_is_enough(
    make_subject: MakeSubject, front: TlsFront, certificates: Certificates, way: dict[str, Any], talk: Talk
) -> None:
    subject = make_subject(base_url=front.api_url, ca_file=certificates.ca_file, **way).connect()
    assert call_web(subject) == "bot"
    with talk:
        talk.go_on()
    talk.was_heard_by(subject)


def test_a_ca_the_environment_names_is_enough(
    front: TlsFront, certificates: Certificates, blocking_workspace: BlockingWorkspace
) -> None:
    """OpenSSL's own variable, in a process of its own since it is read at the start."""
    program = "from tautwire import BlockingRTMClient as C\nwith C() as c: print(c.web.auth_test()['user'])"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "SLACK_API_URL": front.api_url,
        "SLACK_BOT_TOKEN": blocking_workspace.person("bot").token,
        "SSL_CERT_FILE": str(certificates.ca_file),
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "bot\n", done.stderr


def test_an_unknown_ca_is_told_with_what_to_do(make_subject: MakeSubject, front: TlsFront, way: dict[str, Any]) -> None:
    subject = make_subject(base_url=front.api_url, **way)
    with pytest.raises(ConnectError, match=r"certificate is not accepted: .* goes into ca_file="):
        subject.connect()
    assert subject.connects == 0


def test_a_certificate_of_another_host_is_told(
    make_subject: MakeSubject, front: TlsFront, certificates: Certificates, way: dict[str, Any]
) -> None:
    front.present("elsewhere")
    subject = make_subject(base_url=front.api_url, ca_file=certificates.ca_file, **way)
    with pytest.raises(ConnectError, match="certificate is not accepted: IP address mismatch") as caught:
        subject.connect()
    assert "ca_file" not in str(caught.value)


def test_a_certificate_that_is_put_right_is_taken(
    make_subject: MakeSubject, front: TlsFront, certificates: Certificates, way: dict[str, Any]
) -> None:
    """It may be renewed while the client runs, so that is no reason to give up."""
    subject = make_subject(base_url=front.api_url, ca_file=certificates.ca_file, **way).connect()
    front.present("elsewhere")
    subject.link.rst()
    eventually(lambda: any("certificate" in str(each) for each in subject.errors))
    front.present("good")
    subject.wait_opened(2)


def test_a_wrong_certificate_of_the_websocket_alone_is_told(
    make_subject: MakeSubject, front: TlsFront, certificates: Certificates, way: dict[str, Any], faults: Faults
) -> None:
    subject = make_subject(base_url=front.api_url, ca_file=certificates.ca_file, **way)
    faults.delay(0.3, "rtm.connect")
    attempt = aside(subject.connect)
    eventually(lambda: subject.connects == 1)
    front.present("elsewhere")
    with pytest.raises(ConnectError, match="the WebSocket did not open: the certificate is not accepted"):
        attempt.result(PATIENCE)


# -- from https to plain ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["a redirect", "the ticket"])
def test_nothing_that_came_by_https_goes_on_in_plain(certificates: Certificates, where: str) -> None:
    """A server that is set up wrong, such as one whose proxy does not say that it takes TLS off."""
    paths: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        paths.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        port = writer.get_extra_info("sockname")[1]
        body = GRANT % port if where == "the ticket" or len(paths) > 1 else b""
        location = b"" if body else b"Location: http://127.0.0.1:%d/plain\r\n" % plain_port
        status = b"200 OK" if body else b"307 Elsewhere"
        length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n" + location + length + body)
        await writer.drain()
        writer.close()

    async def attempt() -> None:
        nonlocal plain_port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificates.load(context, "good")
        plain = await asyncio.start_server(answer, "127.0.0.1", 0)
        secure = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        plain_port = plain.sockets[0].getsockname()[1]
        base_url = f"https://127.0.0.1:{secure.sockets[0].getsockname()[1]}/api/"
        async with plain, secure:
            client = RTMClient("xoxb-1", base_url, ssl=certificates.client_context(), proxy="")
            try:
                await client.connect()
            finally:
                await client.close()

    plain_port = 0
    with pytest.raises(ConnectError, match="https to http" if where == "a redirect" else "ws://"):
        asyncio.run(attempt())
    assert [each.partition("?")[0] for each in paths] == (
        ["/api/rtm.connect", "/plain"] if where == "a redirect" else ["/api/rtm.connect"]
    )


GRANT = b'{"ok":true,"url":"ws://127.0.0.1:%d/rtm/t","self":{"id":"U1"},"team":{"id":"T1"}}'
