"""Why an attempt failed, in words that say what to do: for what goes wrong between us and the server.

The layers below tell of a proxy's refusal or a wrong certificate each in its own way, and some put addresses, hence
secrets, into their texts. The errors that are made of the words here mask them, as all of ours do.
"""

import os
import re
import socket
import ssl as ssl_module
from collections.abc import Iterator
from typing import Final

import aiohttp

WANTS_CREDENTIALS: Final = frozenset({401, 407})
"""What proxies answer to wrong credentials: 407 is meant for it, but tinyproxy keeps that for none at all."""

_UNKNOWN_ISSUER: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a chain that ends in no CA we know."""

_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})
"""OpenSSL's reasons, before and since its version 3.4, where a server answers in plain text."""

_REFUSED_TUNNEL: Final = re.compile(r"HTTP proxy rejected connection with status (\d+)")
"""What picows says; it keeps the status nowhere else."""

_ERRNO: Final = re.compile(r"\[Errno (\d{1,4})\]")
"""One of several errors in the text of an OSError without errno: so asyncio and aiohttp tell of a host whose addresses
failed in different ways, as where this machine has no IPv6."""


def explain(error: BaseException) -> str:
    """Return what happened, and what to do about it where that is known."""
    for each in _chain(error):
        if isinstance(each, aiohttp.ClientConnectorCertificateError):  # looks like ssl's error without its fields
            each = each.certificate_error  # noqa: PLW2901
        if isinstance(each, ssl_module.SSLCertVerificationError):
            return _bad_certificate(each)
        if isinstance(each, aiohttp.ClientConnectorSSLError):
            each = each.os_error  # noqa: PLW2901
        if isinstance(each, ssl_module.SSLError):  # before what has an errno: its own are OpenSSL's, 1 for any failure
            return _failed_tls(each)
        if isinstance(each, aiohttp.ClientHttpProxyError):
            return refused_by_proxy(each.status)
        if isinstance(each, aiohttp.ClientProxyConnectionError):
            return away_proxy(each.os_error)
        if isinstance(each, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
            return f"a redirect to something that is no http or https address: {each.args[0]}"
        if isinstance(each, aiohttp.ClientResponseError) and each.status == 400:  # what aiohttp calls broken HTTP
            return f"the answer is no HTTP: {each.message.partition(chr(10))[0]}"
        if isinstance(each, aiohttp.ClientConnectorError):  # its own text has ssl:default in it, whatever the scheme
            return _unreached(each.os_error)
        if isinstance(each, socket.gaierror | ConnectionRefusedError):
            return _unreached(each)
        if found := _REFUSED_TUNNEL.search(str(each)):
            return refused_by_proxy(int(found[1]))
    return _text_of(error)


def is_unreachable(error: BaseException) -> bool:
    """Return whether no connection to the server came about, TLS and proxies left aside."""
    return any(
        isinstance(each, aiohttp.ClientConnectorError)
        and not isinstance(each, aiohttp.ClientSSLError | aiohttp.ClientProxyConnectionError)
        for each in _chain(error)
    )


def _unreached(error: OSError) -> str:
    """Return what the system says, without the address; each thing once if the host has several."""
    if isinstance(error, socket.gaierror):  # its errno is the resolver's, not the system's
        return error.strerror or _text_of(error)
    codes = [error.errno] if error.errno and error.errno > 0 else [int(each) for each in _ERRNO.findall(str(error))]
    reasons = dict.fromkeys(os.strerror(each).lower() for each in codes)
    return " and ".join(reasons) or _text_of(error)


def refused_by_proxy(status: int) -> str:
    """Say that a proxy answered with something else than a way through."""
    if status in WANTS_CREDENTIALS:
        return f"the proxy wants other credentials (HTTP {status}): give proxy=http://user:password@host:port"
    return f"the proxy refuses to connect to the server (HTTP {status})"


def away_proxy(error: OSError) -> str:
    """Say that the proxy cannot be reached."""
    return f"the proxy cannot be reached: {_text_of(error)}"


def _bad_certificate(error: ssl_module.SSLCertVerificationError) -> str:
    reason = error.verify_message or str(error)
    advice = "; a CA of your own goes into ca_file=" if error.verify_code in _UNKNOWN_ISSUER else ""
    return f"the certificate is not accepted: {reason}{advice}"


def _failed_tls(error: ssl_module.SSLError) -> str:
    reason: str | None = getattr(error, "reason", None)  # set by OpenSSL's errors, not by those Python makes itself
    if not reason:
        return f"TLS failed: {_text_of(error)}"
    advice = "; the port may be one without TLS" if reason in _NO_TLS else ""
    return f"TLS failed: {reason.replace('_', ' ').lower()}{advice}"


def _text_of(error: BaseException) -> str:
    """Return the error's own text, or its name: TimeoutError, for one, has no text."""
    return str(error) or type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came from."""
    seen: list[BaseException] = []  # a library that raises a kept error again may close a circle
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__
