"""The way to hosts that are not intercepted: straight, or through the proxy that the operator's environment names.

A program gets our proxy in its variables, in the place of the operator's: so ours uses that one.
"""

import asyncio
import logging
import socket
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from tautwire.attach.heads import BadHeadError, Head, read_head
from tautwire.attach.relay import Side

log = logging.getLogger("tautwire.attach")

DIAL_PATIENCE: Final = 30.0
"""Seconds for a connection to another host, with what a proxy before it needs."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy of the operator."""

    host: str
    port: int
    credentials: bytes
    """The value of Proxy-Authorization; empty if it wants none."""

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


class Outside:
    """Opens connections to other hosts.

    Args:
        environment: that of the operator.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._proxies = {scheme: _read(scheme, environment) for scheme in ("http", "https")}
        self._without = environment.get("no_proxy") or environment.get("NO_PROXY") or ""

    async def tunnel(self, host: str, port: int) -> Side:
        """Return a connection whose bytes are those of the host.

        Raises:
            BadHeadError: there is none.
        """
        proxy = self._proxy("https", host, port)
        if proxy is None:
            return await dial(host, port)
        try:
            async with asyncio.timeout(DIAL_PATIENCE):
                return await _ask(proxy, host, port)
        except TimeoutError:
            raise BadHeadError(504, f"the proxy {proxy.host} does not answer") from None
        except (OSError, EOFError, UnicodeError) as error:
            raise BadHeadError(502, f"the proxy {proxy.host} cannot be used: {error}") from None

    async def request(self, head: Head) -> Side:
        """Return a connection to the host of an absolute URL, to which the head has been sent.

        Raises:
            BadHeadError: there is none.
        """
        host, port = head.authority
        proxy = self._proxy("http", host, port)
        side = await dial(host, port) if proxy is None else await dial(proxy.host, proxy.port)
        side.transport.write(head.forwarded(None if proxy is None else proxy.credentials))
        return side

    def _proxy(self, scheme: str, host: str, port: int) -> Proxy | None:
        proxy = self._proxies[scheme]
        if proxy is None or proxy_bypass_environment(f"{host}:{port}", {"no": self._without}):
            return None
        return proxy


async def dial(host: str, port: int) -> Side:
    """Return a connection to a host.

    Raises:
        BadHeadError: there is none.
    """
    try:
        async with asyncio.timeout(DIAL_PATIENCE):
            _, side = await asyncio.get_running_loop().create_connection(Side, host, port)
    except TimeoutError:
        raise BadHeadError(504, f"{host} port {port} does not answer") from None
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise BadHeadError(502, f"{host} port {port} cannot be reached: {reason or error}") from None
    return side


async def _ask(proxy: Proxy, host: str, port: int) -> Side:
    """Have a proxy open a tunnel."""
    loop = asyncio.get_running_loop()
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {name} HTTP/1.1".encode(), f"Host: {name}".encode()]
    lines += [b"Proxy-Authorization: " + proxy.credentials] if proxy.credentials else []
    family, kind, protocol, _, address = (
        await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    )[0]  # fmt: skip
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
        await loop.sock_sendall(sock, b"\r\n".join(lines) + b"\r\n\r\n")
        _check_status(proxy, await read_head(sock))
        _, side = await loop.create_connection(Side, sock=sock)
    except BaseException:
        sock.close()
        raise
    return side


def _check_status(proxy: Proxy, head: bytes) -> None:
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        shown = status[0][:3].decode("latin-1") if status else "none"
        raise BadHeadError(502, f"the proxy {proxy.host} refuses to open a tunnel, with status {shown}")


def _read(scheme: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a scheme; None if there is none, or one of a kind that is not supported."""
    name = f"{scheme}_proxy"
    text = environment.get(name) or environment.get(name.upper()) or ""
    if not text:
        return None
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme != "http":
        log.warning("%s is not used for attached programs: it must be http://HOST:PORT", name.upper())
        return None
    credentials = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = b"Basic " + b64encode(pair.encode())
    return Proxy(host, port or 80, credentials)
