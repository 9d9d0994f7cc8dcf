"""What the errors of libraries and proxies are called in the client's own words."""

import asyncio
import errno
import os
import socket
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from tautwire.client.net.network_errors import away_proxy, explain, is_unreachable, refused_by_proxy

KEY = ConnectionKey("slack.test", 443, True, True, None, None, None)
REQUEST: Any = SimpleNamespace(real_url=URL("https://slack.test/api/rtm.connect?token=secret"))
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 443)")
SEVERAL = OSError(
    "Multiple exceptions: [Errno 101] Connect call failed ('2001:db8::1', 443, 0, 0), "
    "[Errno 111] Connect call failed ('192.0.2.1', 443), [Errno 111] Connect call failed ('192.0.2.2', 443)"
)


def certificate(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def tls(reason: str | None, *words: object) -> ssl.SSLError:
    error = ssl.SSLError(*words)
    if reason is not None:
        error.reason = reason
    return error


PLAIN_PORT = tls("WRONG_VERSION_NUMBER", 1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")


def response(status: int, message: str) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(REQUEST, (), status=status, message=message)


def proxy_said(status: int) -> aiohttp.ClientHttpProxyError:
    return aiohttp.ClientHttpProxyError(REQUEST, (), status=status, message="no")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (REFUSED, os.strerror(errno.ECONNREFUSED).lower()),
        (aiohttp.ClientConnectorError(KEY, REFUSED), os.strerror(errno.ECONNREFUSED).lower()),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_AGAIN, "Try again later")),
            "Try again later",
        ),
        (
            certificate(19, "self-signed certificate in chain"),
            "the certificate is not accepted: self-signed certificate in chain; a CA of your own goes into ca_file=",
        ),
        (certificate(10, "certificate has expired"), "the certificate is not accepted: certificate has expired"),
        (
            aiohttp.ClientConnectorCertificateError(KEY, certificate(62, "Hostname mismatch")),
            "the certificate is not accepted: Hostname mismatch",
        ),
        (PLAIN_PORT, "TLS failed: wrong version number; the port may be one without TLS"),
        (
            aiohttp.ClientConnectorSSLError(KEY, PLAIN_PORT),
            "TLS failed: wrong version number; the port may be one without TLS",
        ),
        (tls("TLSV1_ALERT_PROTOCOL_VERSION", 1, "x"), "TLS failed: tlsv1 alert protocol version"),
        (tls(None, 1, "unknown error (_ssl.c:1006)"), "TLS failed: unknown error (_ssl.c:1006)"),
        (proxy_said(503), "the proxy refuses to connect to the server (HTTP 503)"),
        (
            aiohttp.ClientProxyConnectionError(KEY, OSError(errno.EHOSTUNREACH, "No route to host")),
            f"the proxy cannot be reached: [Errno {errno.EHOSTUNREACH}] No route to host",
        ),
        (
            aiohttp.NonHttpUrlRedirectClientError("ftp://elsewhere.test/"),
            "a redirect to something that is no http or https address: ftp://elsewhere.test/",
        ),
        (response(400, "Bad status line\n  SSH-2.0\n  ^"), "the answer is no HTTP: Bad status line"),
        (
            OSError("HTTP proxy rejected connection with status 407"),
            "the proxy wants other credentials (HTTP 407): give proxy=http://user:password@host:port",
        ),
        (ValueError("something else"), "something else"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_explained_without_the_address_it_met(error: Exception, text: str) -> None:
    assert explain(error) == text


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionRefusedError(), socket.gaierror(), OSError()])
def test_an_error_without_a_text_is_called_by_its_name(error: Exception) -> None:
    assert explain(error) == type(error).__name__
    assert away_proxy(OSError()) == "the proxy cannot be reached: OSError"


def test_addresses_that_failed_in_different_ways_are_left_out_and_each_way_is_said_once() -> None:
    """A host with IPv6 and IPv4 where this machine has no IPv6: asyncio lists both, and gives no errno."""
    text = explain(aiohttp.ClientConnectorError(KEY, SEVERAL))
    assert text == f"{os.strerror(101)} and {os.strerror(111)}".lower()


def test_what_an_error_came_from_explains_it() -> None:
    outer, middle = RuntimeError("it did not open"), OSError("wrapped")
    outer.__cause__, middle.__context__ = middle, REFUSED
    assert explain(outer) == os.strerror(errno.ECONNREFUSED).lower()
    assert explain(middle) == explain(outer)


def test_the_cause_is_looked_at_before_the_context() -> None:
    outer = RuntimeError("outer")
    outer.__context__ = REFUSED
    outer.__cause__ = proxy_said(407)
    assert "HTTP 407" in explain(outer)


def test_errors_that_came_from_each_other_end() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__context__, second.__context__ = second, first
    assert explain(first) == "first"
    assert not is_unreachable(second)


def test_an_answer_of_another_status_keeps_its_own_text() -> None:
    assert explain(response(502, "Bad Gateway")).startswith("502, message='Bad Gateway'")


@pytest.mark.parametrize(("status", "wants"), [(401, True), (407, True), (403, False), (502, False)])
def test_a_proxy_that_wants_credentials_is_told_from_one_that_refuses(status: int, wants: bool) -> None:
    text = refused_by_proxy(status)
    assert f"(HTTP {status})" in text
    assert ("wants other credentials" in text) is wants
    assert explain(proxy_said(status)) == text


async def test_https_on_a_port_for_http_is_told_as_that() -> None:
    """With the error that aiohttp makes today, not one that was made here."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorSSLError) as caught:
            await session.get(f"https://{host}:{port}/")
    text = explain(caught.value)
    assert text.startswith("TLS failed: ")
    assert text.endswith("the port may be one without TLS")


@pytest.mark.parametrize(
    ("error", "unreachable"),
    [
        (aiohttp.ClientConnectorError(KEY, REFUSED), True),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_NONAME, "unknown")), True),
        (aiohttp.ClientConnectorSSLError(KEY, OSError("bad record")), False),
        (aiohttp.ClientConnectorCertificateError(KEY, certificate(19, "x")), False),
        (aiohttp.ClientProxyConnectionError(KEY, REFUSED), False),
        (proxy_said(403), False),
        (REFUSED, False),
        (TimeoutError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_a_server_that_could_not_be_dialled_is_unreachable(error: Exception, unreachable: bool) -> None:
    assert is_unreachable(error) is unreachable
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = error
    assert is_unreachable(wrapped) is unreachable
