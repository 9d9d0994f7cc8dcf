"""Makes Web API clients from the settings of a client. They are slack_sdk's own, or bounded ones for our own calls."""

import math
from logging import Logger
from typing import TypeVar

from slack_sdk.web import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.log import CONNECT_LOG, WEB_LOG
from tautwire.client.net.bounded import MAX_CONNECT_ANSWER, BoundedClient
from tautwire.client.settings import Settings

W = TypeVar("W", bound=WebClient | AsyncWebClient)


def web_client(settings: Settings) -> AsyncWebClient:
    """Return slack_sdk's asyncio client."""
    return _make(settings, AsyncWebClient, WEB_LOG)


def blocking_web_client(settings: Settings) -> WebClient:
    """Return slack_sdk's blocking client."""
    return _make(settings, WebClient, WEB_LOG)


def connect_client(settings: Settings) -> AsyncWebClient:
    """Return the client for ``rtm.connect``: it repeats no call by itself, logs less, and reads short answers only."""
    client = _make(settings, BoundedClient, CONNECT_LOG)
    client.limit = MAX_CONNECT_ANSWER
    return client


def reading_client(settings: Settings) -> AsyncWebClient:
    """Return the client for lists and histories: as the one for ``rtm.connect``, for longer answers."""
    return _make(settings, BoundedClient, CONNECT_LOG)


def _make(settings: Settings, kind: type[W], logger: Logger) -> W:
    client = kind(
        token=settings.token.reveal(),
        base_url=settings.base_url,
        timeout=math.ceil(settings.connect_timeout),  # slack_sdk takes whole seconds, and 0 for no time at all
        ssl=settings.ssl,
        proxy="http://ours",  # without any, slack_sdk takes and logs whatever proxy variable there is, no NO_PROXY
        logger=logger,
    )
    client.proxy = settings.proxy_for(settings.base_url)
    return client
