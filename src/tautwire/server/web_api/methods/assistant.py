"""The ``assistant`` family. Source: wire/assistants.md#assistant-threads."""

from functools import partial
from typing import Any, Final

from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import assistants
from tautwire.server.web_api.access import access
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method

MAX_STATUS: Final = 200
MAX_TITLE: Final = 255
MAX_PROMPT: Final = 2_000
"""Characters of a status, of titles, and of the message of a prompt (ours)."""
MAX_PROMPTS: Final = 4
MAX_LOADING: Final = 10
MAX_LOADING_TEXT: Final = 50
"""Loading messages, and the characters of one. Source: wire/assistants.md#assistant-threads (documented)."""
DEFAULT_TITLE: Final = "Try these prompts:"


class AssistantThreadsSetStatus(Arguments, frozen=True, kw_only=True):
    """Arguments of assistant.threads.setStatus."""

    REQUIRED = ("channel_id", "thread_ts", "status")

    channel_id: Place = ""
    thread_ts: str = ""
    status: str | None = None
    loading_messages: Json = None


class AssistantThreadsSetTitle(Arguments, frozen=True, kw_only=True):
    """Arguments of assistant.threads.setTitle."""

    REQUIRED = ("channel_id", "thread_ts", "title")

    channel_id: Place = ""
    thread_ts: str = ""
    title: str = ""


class AssistantThreadsSetSuggestedPrompts(Arguments, frozen=True, kw_only=True):
    """Arguments of assistant.threads.setSuggestedPrompts."""

    REQUIRED = ("channel_id", "thread_ts", "prompts")

    channel_id: Place = ""
    thread_ts: str = ""
    prompts: Json = None
    title: str = DEFAULT_TITLE


@method(
    "assistant.threads.setStatus", AssistantThreadsSetStatus, Tier.AUTH, access(bot=["chat:write"]),
    errors=["channel_not_found", "invalid_thread_ts"],
)  # fmt: skip
async def set_status(call: Call, args: AssistantThreadsSetStatus) -> Answer:
    """Show what the bot is doing in a thread, for two minutes or until it posts there; an empty status ends it."""
    if args.status is None:
        raise _invalid("missing required field: status", "/status")
    _check_length(args.status, MAX_STATUS, "/status")
    loading = args.loading_messages
    if loading is not None:
        if not isinstance(loading, list) or not 1 <= len(loading) <= MAX_LOADING:
            raise _invalid(f"must be a list of 1 to {MAX_LOADING} texts", "/loading_messages")
        for number, text in enumerate(loading):
            _check_length(text, MAX_LOADING_TEXT, f"/loading_messages/{number}")
    await call.read(partial(assistants.check_thread, who=call.who, channel=args.channel_id, thread_ts=args.thread_ts))
    call.workspace.statuses.set(args.channel_id, args.thread_ts, call.who.user, args.status)
    return {}


@method(
    "assistant.threads.setTitle", AssistantThreadsSetTitle, Tier.FOUR, access(bot=["assistant:write"]),
    errors=["channel_not_found", "invalid_thread_ts"],
)  # fmt: skip
async def set_title(call: Call, args: AssistantThreadsSetTitle) -> Answer:
    """Set the title of a thread in a direct message of the bot."""
    if args.channel_id and args.thread_ts and not args.title:
        raise _invalid("missing required field: title", "/title")
    _check_length(args.title, MAX_TITLE, "/title")
    await call.write(
        partial(assistants.set_title, who=call.who, channel=args.channel_id, thread_ts=args.thread_ts, title=args.title)
    )
    return {}


@method(
    "assistant.threads.setSuggestedPrompts", AssistantThreadsSetSuggestedPrompts, Tier.FOUR,
    access(bot=["assistant:write"]),
    errors=["channel_not_found", "invalid_thread_ts", "not_agent_app"],
)  # fmt: skip
async def set_suggested_prompts(call: Call, args: AssistantThreadsSetSuggestedPrompts) -> Answer:
    """Set the prompts that a thread in a direct message of the bot offers, at most four."""
    if args.channel_id and not args.thread_ts:
        raise MethodError("not_agent_app")  # only the messages tab of an agent has prompts outside threads
    if not isinstance(args.prompts, list) or not 1 <= len(args.prompts) <= MAX_PROMPTS:
        raise _invalid(f"must be a list of 1 to {MAX_PROMPTS} prompts", "/prompts")
    prompts = [_prompt(prompt, number) for number, prompt in enumerate(args.prompts)]
    _check_length(args.title, MAX_TITLE, "/title")
    await call.write(
        partial(
            assistants.set_prompts, who=call.who, channel=args.channel_id, thread_ts=args.thread_ts, prompts=prompts,
            title=args.title,
        )
    )  # fmt: skip
    return {}


def _prompt(prompt: Any, number: int) -> dict[str, str]:
    place = f"/prompts/{number}"
    if not isinstance(prompt, dict):
        raise _invalid("must be an object with title and message", place)
    for name, limit in (("title", MAX_TITLE), ("message", MAX_PROMPT)):
        if not prompt.get(name):
            raise _invalid(f"missing required field: {name}", f"{place}/{name}")
        _check_length(prompt[name], limit, f"{place}/{name}")
    return {"title": prompt["title"], "message": prompt["message"]}


def _check_length(text: Any, limit: int, place: str) -> None:
    if not isinstance(text, str):
        raise _invalid("must be a text", place)
    if len(text) > limit:
        raise _invalid(f"must be at most {limit} characters, got {len(text)}", place)


def _invalid(text: str, place: str) -> MethodError:
    return MethodError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {text} [json-pointer:{place}]"]})
