"""The definition of a Web API method: a name, typed arguments, a rate tier and a function.

A method is one small definition in its family's module::

    class Join(Arguments, frozen=True, kw_only=True):
        REQUIRED = ("channel",)

        channel: str = ""

    @method("conversations.join", Join, Tier.THREE)
    async def join(call: Call, args: Join) -> Answer:
        ...
        return {"channel": ...}

``app`` adds ``ok``, and turns a ``MethodError`` into an error answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast

import msgspec

from tautwire.server.log.transaction import Unit
from tautwire.server.services.identity import Identity
from tautwire.server.services.presence import Presence
from tautwire.server.services.tickets import Tickets
from tautwire.server.services.workspace import Team, Workspace
from tautwire.server.store.engine import Query
from tautwire.server.web_api.limits import Limits
from tautwire.session.ratelimit import Rate

T = TypeVar("T")
A = TypeVar("A", bound="Arguments")
Answer = Mapping[str, Any]
"""Members of the answer; a value may be an ``Array``, which is already encoded."""


Place = Annotated[str, msgspec.Meta(max_length=100)]
"""The argument ``channel``: an id or a name, of at most 80 characters; a longer text is invalid_arguments (ours)."""


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the arguments of a method. Unknown arguments are ignored, null means the default.

    A required argument is empty by default. The rule then refuses it with an error of its own (``channel_not_found``),
    which bots check for, and not with ``invalid_arguments``.
    Source: wire/web-api.md#missing-arguments (documented).
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ()
    """The arguments without which a call fails; shown in docs/reference/methods.md."""
    ONE_OF: ClassVar[tuple[str, ...]] = ()
    """The arguments of which a call needs at least one."""


class Tier(Enum):
    """The rate tiers of calls by token and method.

    Source: wire/web-api.md#rate-limits (the rates documented, the bursts ours).
    """

    ONE = Rate(1 / 60, 20)
    TWO = Rate(20 / 60, 40)
    THREE = Rate(50 / 60, 100)
    FOUR = Rate(100 / 60, 200)
    POST = Rate(1.0, 20)
    """One message per second and channel; the method counts it, since it knows the channel."""
    AUTH = Rate(10.0, 200)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its caller, its arguments and the parts of the workspace."""

    workspace: Workspace
    presence: Presence
    tickets: Tickets
    who: Identity
    base_url: str
    """Scheme and authority by which the caller reached the server, without a slash at the end."""
    given: Mapping[str, Any]
    """The arguments before conversion, for api.test."""
    long_reads: asyncio.Semaphore
    """Held by a read of a long list: one at a time, so that a reader's thread is free for short reads."""
    posts: Limits | None
    """Counts posts by channel, in the writer's thread, where channels are known; None without rate limits."""

    @property
    def team(self) -> Team:
        """The workspace's team."""
        return self.workspace.team

    @property
    def may_read_email(self) -> bool:
        """Whether the token has the scope users:read.email: tokens of people have it, tokens of bots do not."""
        return not self.who.is_bot

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit; return its result when it is durable."""
        return await self.workspace.writer.write(unit)

    async def read(self, function: Callable[[Query], T]) -> T:
        """Run a read."""
        return await self.workspace.reader.read(function)

    async def read_long(self, function: Callable[[Query], T]) -> T:
        """Run a long read, after the earlier ones."""
        async with self.long_reads:
            return await self.read(function)

    def count_post(self, channel: str) -> None:
        """Count a post in a unit; raise ``RateLimited`` if it comes too early."""
        if self.posts is not None:
            self.posts.take(Tier.POST.value, self.who.user, channel)


def warning(code: str) -> dict[str, Any]:
    """Return the members of an answer that carry a warning. Source: wire/web-api.md#warnings (documented)."""
    return {"warning": code, "response_metadata": {"warnings": [code]}}


Function = Callable[[Call, Any], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Method:
    """A served method."""

    name: str
    arguments: type[Arguments]
    tier: Tier
    function: Function
    needs_token: bool = True


METHODS: Final[dict[str, Method]] = {}
"""All served methods by name; filled when the family modules are imported."""


def method(
    name: str, arguments: type[A], tier: Tier, *, needs_token: bool = True
) -> Callable[[Callable[[Call, A], Awaitable[Answer]]], Callable[[Call, A], Awaitable[Answer]]]:
    """Register the decorated function as the method ``name``."""

    def register(function: Callable[[Call, A], Awaitable[Answer]]) -> Callable[[Call, A], Awaitable[Answer]]:
        if name in METHODS:
            raise ValueError(f"names of methods must differ, got {name} twice")
        METHODS[name] = Method(name, arguments, tier, cast("Function", function), needs_token)
        return function

    return register
