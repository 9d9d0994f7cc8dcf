"""``rtm.connect``: asking for a ticket, and telling apart what its refusals mean.

An answer is a ``ConnectAnswer``. A refusal is one of three: trying again is useless, has to wait, or may work.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.errors import ConnectError, ConnectRefused, RateLimited
from tautwire.client.net.api_errors import header, read_refusal
from tautwire.client.net.bounded import NO_OBJECT
from tautwire.client.net.network_errors import WANTS_CREDENTIALS, explain, is_unreachable, refused_by_proxy
from tautwire.client.notices import Identity, Resume, SelfTeam, SelfUser
from tautwire.session.client import MAX_POSITION

T = TypeVar("T")

FATAL: Final = frozenset(
    {
        "not_authed",
        "invalid_auth",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "user_removed_from_team",
        "team_disabled",
        "missing_scope",
        "not_allowed_token_type",
        "no_permission",
        "access_denied",
        "is_bot",
        "accesslimited",
        "enterprise_is_restricted",
        "two_factor_setup_required",
        "ekm_access_denied",
        "team_access_not_granted",
        "method_deprecated",
        "deprecated_endpoint",
        "upgrade_required",
        "unknown_method",
        "invalid_arguments",
        "invalid_arg_name",
        "invalid_array_arg",
        "invalid_charset",
        "invalid_form_data",
        "invalid_post_type",
        "missing_post_type",
    }
)
"""Errors of rtm.connect that time does not heal.
Source: wire/connecting.md#errors (documented). Any other one is tried again."""


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """A ticket's address with what came along."""

    url: str = field(repr=False)
    identity: Identity
    resume: Resume | None
    """None from a server that knows no positions."""
    position: str | None
    clock_ahead: float | None = None
    """Seconds that the server's clock is ahead of ours, up to one second too few; None if it does not say."""


async def ask(web: AsyncWebClient, position: str | None, within: float) -> ConnectAnswer:
    """Call ``rtm.connect`` once.

    Args:
        position: where in the workspace's log to go on; None for "from now". Other servers ignore it.
        within: seconds for the call.

    Raises:
        ConnectRefused: trying again is useless.
        RateLimited: trying again has to wait.
        ConnectError: anything else.
    """
    try:
        async with asyncio.timeout(within):
            # POST, since aiohttp repeats a GET that is dropped, past the budget of attempts
            response = await web.api_call("rtm.connect", http_verb="POST", params=_arguments(position))
            return _answer(response.data, _clock_ahead(response), is_secure=web.base_url.startswith("https:"))
    except SlackApiError as error:
        is_relayed = web.proxy is not None and web.base_url.startswith("http:")
        raise _refusal(error, is_relayed=is_relayed) from None  # the original's text holds the whole answer
    except TimeoutError:
        raise ConnectError(f"rtm.connect did not answer within {within:g} s") from None
    except ConnectError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever breaks between us and the API, the next try may work)
        if is_unreachable(error):
            raise ConnectError(f"cannot reach {web.base_url}: {explain(error)}") from None
        raise ConnectError(f"rtm.connect failed: {explain(error)}") from None


def _arguments(position: str | None) -> dict[str, Any]:
    return {"batch_presence_aware": True, "presence_sub": True, "resume": position or ""}


def _answer(data: object, clock_ahead: float | None, *, is_secure: bool) -> ConnectAnswer:
    if not isinstance(data, Mapping):
        raise ConnectError(NO_OBJECT)
    resume = data.get("resume")
    return ConnectAnswer(
        url=_address(_member(data, "url", str), is_secure=is_secure),
        identity=Identity(_member(data, "self", SelfUser), _member(data, "team", SelfTeam)),
        resume=Resume(resume) if isinstance(resume, str) and resume in _RESUMES else None,
        position=_position(data.get("position")),
        clock_ahead=clock_ahead,
    )


def _member(answer: Mapping[Any, Any], name: str, kind: type[T]) -> T:
    """Return what has to stand in the answer. A member of it that is null counts as absent."""
    if name not in answer:
        raise ConnectError(f"the answer of rtm.connect has no {name!r}")
    value = answer[name]
    if isinstance(value, Mapping):
        value = {each: inner for each, inner in value.items() if inner is not None}
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConnectError(f"the answer of rtm.connect has a wrong {name!r}: {error}") from None


def _position(found: object) -> str | None:
    position = str(found) if isinstance(found, str | int) else None
    return position if position is not None and len(position) <= MAX_POSITION else None


def _address(url: str, *, is_secure: bool) -> str:
    """Return the address as it is, if it can be one of a WebSocket, and does not show a ticket that came in secret."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("ws", "wss") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # its text would hold the address, hence the ticket
        is_good = False
    if not is_good or not url.isprintable() or " " in url:  # a line break would end the line of the request
        raise ConnectError("the url in the answer of rtm.connect is no WebSocket address")
    if is_secure and parts.scheme != "wss":
        raise ConnectError(
            "rtm.connect was called by https, but its address begins with ws:// instead of wss://: the ticket would go "
            "unencrypted; behind a proxy that takes TLS off, say so in the server's settings"
        )
    return url


_RESUMES: Final = {each.value for each in Resume}


def _refusal(error: SlackApiError, *, is_relayed: bool) -> ConnectError:
    """Say what a refusal means; ``is_relayed`` if the answer may be a proxy's own, since the call was plain HTTP."""
    refusal = read_refusal(error)
    if refusal.retry_after is not None:
        return RateLimited(refusal.retry_after)
    if refusal.code in FATAL:
        return ConnectRefused(refusal.code, refusal.needed)
    if refusal.code:
        return ConnectError(f"rtm.connect failed: {refusal.code}")
    if is_relayed and refusal.status in WANTS_CREDENTIALS:  # the API itself refuses with an error code
        return ConnectError(f"rtm.connect failed: {refused_by_proxy(refusal.status)}")
    advice = ": does base_url end in /api/ ?" if refusal.status == 404 else ""
    return ConnectError(f"rtm.connect failed: HTTP status {refusal.status}{advice}")


def _clock_ahead(response: object) -> float | None:
    try:
        return parsedate_to_datetime(header(response, "date") or "").timestamp() - time()
    except ValueError:
        return None
