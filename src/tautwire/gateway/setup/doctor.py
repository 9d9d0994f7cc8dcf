"""Checks of the upstream's app: tokens, scopes, Socket Mode, reachability, clock. Each says what to change.

What no token of the app can read, its subscriptions and the Messages tab, is said as advice and not as a result.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from email.utils import parsedate_to_datetime
from typing import Final, Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec

from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.setup.manifest import scopes_of
from tautwire.gateway.upstream.api import Answer, Api, RefusedError, UpstreamError
from tautwire.gateway.upstream.hosts import is_of_host
from tautwire.gateway.upstream.network import Network, explain, shown
from tautwire.gateway.upstream.receiver import events_path
from tautwire.protocol.errors import ConfigError
from tautwire.server.services.access.identity import UMBRELLA, split_scopes

Outcome = Literal["ok", "warning", "failed"]

MAX_SKEW: Final = 60.0
"""Seconds that the clocks may differ."""
HELLO_TIMEOUT: Final = 10.0


class Finding(msgspec.Struct, frozen=True):
    """The outcome of one check."""

    check: str
    outcome: Outcome
    text: str
    """What was found and, unless it is ok, what to do."""


async def examine(
    settings: GatewaySettings, features: Collection[str], *, is_linked: Callable[[], bool] = lambda: False
) -> AsyncIterator[Finding]:
    """Check what a gateway with these settings needs for these features.

    Args:
        is_linked: says whether this process has a connection to the upstream. No other is then opened to try the way:
            the upstream would send some events on it.
    """
    try:
        bot_token = settings.read_bot_token()
    except ConfigError as error:
        yield Finding("bot token", "failed", str(error))
        return
    try:
        network = Network(settings.upstream_proxy, settings.upstream_ca)
    except ConfigError as error:
        yield Finding("reachability", "failed", str(error))
        return
    api = Api(settings.base_url, bot_token, network)
    try:
        try:
            answer = await api.read("auth.test")
        except RefusedError as error:
            yield Finding("bot token", "failed", f"{api.host} refuses it: {error}; install the app, copy its bot token")
            return
        except UpstreamError as error:
            yield Finding("reachability", "failed", f"{error}; {_where(api)}")
            return
        proxy = network.proxy_for(api.base_url)
        way = f" through the proxy {shown(proxy)}" if proxy else ""
        yield Finding("reachability", "ok", f"{api.host} answers{way}")
        yield _check_bot(answer)
        yield _check_clock(answer)
        yield _check_scopes(answer, features)
        if settings.events == "http":
            yield _check_signing_secret(settings)
        else:
            async for finding in _check_link(api, settings, is_linked=is_linked):
                yield finding
        yield await _check_channels(api)
        yield Finding(
            "subscriptions",
            "warning",
            "they cannot be read with the tokens of an app: compare its page Event Subscriptions with tautwire gateway "
            "manifest, and see that App Home has the Messages tab, or direct messages never arrive",
        )
    finally:
        await api.close()


def _where(api: Api) -> str:
    """Say what to look at when the upstream gives no answer that can be read."""
    parts = urlsplit(api.base_url)
    url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    ends = "" if api.base_url.endswith("/api/") else "; that of Slack and of tautwire serve ends in /api/"
    return (
        f"the address of the upstream (SLACK_API_URL, upstream_url) is {url}{ends}; check it, the network and the proxy"
    )


def _check_bot(answer: Answer) -> Finding:
    if not answer.text("bot_id"):
        return Finding(
            "bot token", "failed", "it is the token of a person: copy the bot token, which begins with xoxb-"
        )
    return Finding("bot token", "ok", f"{answer.text('user')} ({answer.text('user_id')}) in {answer.text('team')}")


def _check_clock(answer: Answer) -> Finding:
    try:
        there = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        return Finding("clock", "warning", "the upstream does not say its time")
    skew = time.time() - there
    if abs(skew) > MAX_SKEW:
        way = "ahead of" if skew > 0 else "behind"
        return Finding("clock", "failed", f"it is {abs(skew):.0f} s {way} the upstream: synchronize it (NTP)")
    return Finding("clock", "ok", "it agrees with the upstream's")


def _check_scopes(answer: Answer, features: Collection[str]) -> Finding:
    listed = answer.headers.get("X-OAuth-Scopes")
    if listed is None:
        return Finding("scopes", "warning", "the upstream does not list them")
    found = split_scopes(listed.replace(" ", ""))
    missing = [scope for scope in scopes_of(features) if scope not in found and UMBRELLA not in found]
    if missing:
        return Finding(
            "scopes",
            "failed",
            f"{', '.join(missing)} missing: add them on the page OAuth & Permissions, then install the app again; or "
            "leave out what needs them with --without",
        )
    return Finding("scopes", "ok", "all are there")


def _check_signing_secret(settings: GatewaySettings) -> Finding:
    try:
        settings.read_signing_secret()
    except ConfigError as error:
        return Finding("signing secret", "failed", str(error))
    return Finding(
        "signing secret",
        "ok",
        f"it is there; switch Socket Mode off, and have the request URLs of events, interactivity and commands lead to "
        f"https://<the public name of the gateway>{events_path()}, which passes requests on to the port of "
        "tautwire gateway run; of several bots, each has its own path, with the name of its table behind it",
    )


async def _check_link(api: Api, settings: GatewaySettings, *, is_linked: Callable[[], bool]) -> AsyncIterator[Finding]:
    try:
        app_token = settings.read_app_token()
        answer = await api.read("apps.connections.open", app_token)
    except ConfigError as error:
        yield Finding("app-level token", "failed", str(error))
        return
    except RefusedError as error:
        yield Finding(
            "app-level token",
            "failed",
            f"{error}; create an app-level token with connections:write, and switch Socket Mode on",
        )
        return
    except UpstreamError as error:
        yield Finding("app-level token", "failed", str(error))
        return
    yield Finding("app-level token", "ok", "Socket Mode is on")
    url = answer.text("url")
    if not is_of_host(url, api.host):
        yield Finding("link", "failed", f"it leads to another host than {api.host}: check upstream_url")
        return
    if is_linked():
        yield Finding("link", "ok", "events come")
        return
    try:
        async with asyncio.timeout(HELLO_TIMEOUT), await api.dial(url) as ws:
            first = await ws.receive_json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TypeError) as error:
        yield Finding(
            "link",
            "failed",
            explain(error, url, api.network)
            or f"no WebSocket ({type(error).__name__}): the network or a proxy may not let wss through",
        )
        return
    greets = isinstance(first, dict) and first.get("type") == "hello"
    yield Finding("link", "ok" if greets else "failed", "events can come" if greets else "no hello came")


async def _check_channels(api: Api) -> Finding:
    count = 0
    try:
        async for page in api.pages("conversations.list", "channels", types="public_channel,private_channel"):
            count += sum(bool(each.get("is_member")) for each in page if isinstance(each, dict))
    except (RefusedError, UpstreamError) as error:
        return Finding("channels", "failed", str(error))
    if not count:
        return Finding("channels", "warning", "the bot is in none: /invite it, or events of channels never come")
    return Finding("channels", "ok", f"the bot is in {count}")
