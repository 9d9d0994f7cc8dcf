"""Web API calls that the client makes by itself; a call that fails in passing is repeated."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.net.api_errors import read_refusal
from tautwire.client.net.network_errors import explain

PAGE: Final = 200
"""Items asked for in one page; servers may give fewer.
Source: wire/web-api.md#pages (up to 999 allowed, 200 recommended)."""

TRIES: Final = 4
"""Times one call is made."""

_PASSING: Final = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
"""Error strings that another try may heal. Source: wire/web-api.md#common-errors (documented)."""


class CallError(Exception):
    """A call failed for good; the text says why, without secrets."""


async def call(web: AsyncWebClient, method: str, arguments: Mapping[str, Any], until: float) -> Mapping[str, Any]:
    """Return the answer of a reading method. Calls that come too soon or fail in passing are repeated.

    Args:
        web: a client that repeats no call by itself.
        method: its name.
        arguments: those that are empty strings are left out.
        until: when all has to be over, in the loop's time.

    Raises:
        CallError: the server refuses, or cannot be reached in time.
    """
    loop = asyncio.get_running_loop()
    arguments = {name: value for name, value in arguments.items() if value != ""}
    for attempt in range(1, TRIES + 1):
        pause = 0.25 * 2**attempt
        try:
            answer = (await web.api_call(method, http_verb="GET", params=arguments)).data
            if isinstance(answer, Mapping):
                return answer
            reason = "the answer is not a JSON object"
        except SlackApiError as error:
            refusal = read_refusal(error)
            reason = refusal.code or f"HTTP status {refusal.status}"
            if refusal.retry_after is not None:
                pause = refusal.retry_after
            elif refusal.code not in _PASSING and refusal.status < 500:
                raise CallError(reason) from None
        except Exception as error:  # noqa: BLE001 (whatever breaks between us and the API, the next try may work)
            reason = explain(error)
        if attempt == TRIES:
            break
        if loop.time() + pause >= until:
            raise CallError(f"{reason}; no time is left for the next try in {pause:g} s") from None
        await asyncio.sleep(pause)
    raise CallError(f"{reason}, {TRIES} times")


async def listed(
    web: AsyncWebClient, method: str, member: str, arguments: Mapping[str, Any], until: float
) -> AsyncGenerator[list[Any]]:
    """Read a whole list page by page: the arrays called ``member`` of the answers. Otherwise as ``call``."""
    cursor, seen = "", set[str]()
    while True:
        answer = await call(web, method, {**arguments, "limit": PAGE, "cursor": cursor}, until)
        found = answer.get(member)
        if not isinstance(found, list):
            raise CallError(f"the answer of {method} has no list of {member}")
        yield found
        cursor = next_cursor(answer)
        if not cursor:
            return
        if cursor in seen:
            raise CallError(f"pagination loop: {method} repeated a cursor")
        seen.add(cursor)


def next_cursor(answer: Mapping[str, Any]) -> str:
    """Return where the next page begins, "" on the last one."""
    metadata = answer.get("response_metadata")
    return str(metadata.get("next_cursor") or "") if isinstance(metadata, Mapping) else ""
