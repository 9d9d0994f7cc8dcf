"""What a Web API method is: a name, typed arguments, a rate tier and a function.

A method is one small definition in its family's module::

    class Join(Arguments, frozen=True, kw_only=True):
        REQUIRED = ("channel",)

        channel: str = ""

    @method("conversations.join", Join, Tier.THREE)
    async def join(call: Call, args: Join) -> Answer:
        ...
        return {"channel": ...}

The door adds ``ok``; a ``MethodError`` becomes the error answer.
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
from tautwire.server.store.database import Query
from tautwire.server.web_api.limits import Limits
from tautwire.session.ratelimit import Rate

T = TypeVar("T")
A = TypeVar("A", bound="Arguments")
Answer = Mapping[str, Any]
"""Members of the answer; a value may be an ``Array``, which is encoded already."""


Place = Annotated[str, msgspec.Meta(max_length=100)]
"""The argument ``channel``: an id or a name, which have 80 characters at most; longer is invalid_arguments (ours)."""


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the arguments of a method. Unknown arguments are ignored, null stands for the default.

    What a method cannot do without is empty by default: the rule then fails with its own error (``channel_not_found``),
    which is what bots look for, rather than with ``invalid_arguments``.
    Source: wire/web-api.md#missing-arguments (documented).
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ()
    """The arguments without which a call fails; shown in docs/reference/methods.md."""
    ONE_OF: ClassVar[tuple[str, ...]] = ()
    """The arguments of which a call needs at least one."""


class Tier(Enum):
    """How often a token may call a method.

    Source: wire/web-api.md#rate-limits (the rates documented, the bursts ours).
    """

    ONE = Rate(1 / 60, 20)
    TWO = Rate(20 / 60, 40)
    THREE = Rate(50 / 60, 100)
    FOUR = Rate(100 / 60, 200)
    POST = Rate(1.0, 20)
    """One message per second and channel; counted by the method, which knows the channel."""
    AUTH = Rate(10.0, 200)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: who calls, on what, and what was sent along."""

    workspace: Workspace
    presence: Presence
    tickets: Tickets
    who: Identity
    base_url: str
    """Scheme and authority by which the caller reached us, without a slash at the end."""
    given: Mapping[str, Any]
    """The arguments as they came, for the methods that echo them."""
    long_reads: asyncio.Semaphore
    """Held by a read that goes through a long list: one at a time, so that a reader is left for the short ones."""
    posts: Limits | None
    """Counts posts by channel, in the writer's thread, where channels are known; None without rate limits."""

    @property
    def team(self) -> Team:
        """The workspace's team."""
        return self.workspace.team

    @property
    def may_read_email(self) -> bool:
        """Whether the token has the scope users:read.email: those of people have it, those of bots do not."""
        return not self.who.is_bot

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit; return its result when it is durable."""
        return await self.workspace.writer.write(unit)

    async def read(self, function: Callable[[Query], T]) -> T:
        """Run a read."""
        return await self.workspace.reader.read(function)

    async def read_long(self, function: Callable[[Query], T]) -> T:
        """Run a read that may take long, after those that came before it."""
        async with self.long_reads:
            return await self.read(function)

    def count_post(self, channel: str) -> None:
        """Count a post in a unit; raise ``RateLimited`` if it comes too early."""
        if self.posts is not None:
            self.posts.take(Tier.POST.value, self.who.user, channel)


def warning(code: str) -> dict[str, Any]:
    """Return the members by which an answer warns. Source: wire/web-api.md#warnings (documented)."""
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
            raise ValueError(f"method {name} is defined twice")
        METHODS[name] = Method(name, arguments, tier, cast("Function", function), needs_token)
        return function

    return register
