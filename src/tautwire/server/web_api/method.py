"""The definition of a Web API method: a name, typed arguments, a rate tier, who may call it, its errors, a function.

A method is one small definition in its family's module::

    class ConversationsJoin(Arguments, frozen=True, kw_only=True):
        REQUIRED = ("channel",)

        channel: Place = ""

    @method(
        "conversations.join", ConversationsJoin, Tier.THREE, access(bot=["channels:join"], user=["channels:write"]),
        errors=["channel_not_found", "is_archived", "method_not_supported_for_channel_type"],
    )
    async def join(call: Call, args: ConversationsJoin) -> Answer:
        ...
        return {"channel": ...}

``app`` adds ``ok``, and turns a ``MethodError`` into an error answer. How to add one: CONTRIBUTING.md.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, Final, NamedTuple, TypeVar, cast

import msgspec

from tautwire.server.log.transaction import Unit
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.errors import MethodError
from tautwire.server.services.workspace import Team, Workspace
from tautwire.server.store.engine import Query
from tautwire.server.web_api.access import Access
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
    MALFORMED: ClassVar[Mapping[str, str]] = {
        "attachments": "invalid_attachments",
        "blocks": "invalid_blocks_format",
        "metadata": "invalid_metadata_format",
    }
    """The errors of arguments that are not valid JSON; for others it is invalid_arguments."""


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


COMMON_ERRORS: Final = frozenset(
    {"account_inactive", "internal_error", "invalid_arg_name", "invalid_arguments", "invalid_array_arg", "invalid_auth"}
    | {"invalid_charset", "invalid_form_data", "invalid_json", "invalid_post_type", "json_not_object"}
    | {"method_deprecated", "missing_post_type", "missing_scope", "not_allowed_token_type", "not_authed"}
    | {"ratelimited", "request_timeout", "request_too_large", "service_unavailable", "token_expired"}
    | {"token_revoked", "unknown_method"}
)
"""The errors with which the door answers for any method. Source: wire/web-api.md#common-errors (documented); that of a
body over the limit is ours."""


class Caller(NamedTuple):
    """The caller of a method, and the workspace of the caller's token."""

    workspace: Workspace
    who: Identity


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its workspace, its caller and its arguments."""

    workspace: Workspace
    who: Identity
    base_url: str
    """Scheme and authority by which the caller reached the server, without a slash at the end."""
    given: Mapping[str, Any]
    """The arguments before conversion, for api.test."""
    file: str | None = None
    """The id of the stored file that came in the body, if the method takes one."""
    socket_origin: str | None = None
    """Scheme and authority of the WebSockets for the caller; None if they are those of ``base_url``."""

    def socket_url(self, path: str) -> str:
        """Return the URL by which the caller opens a WebSocket."""
        if self.socket_origin is not None:
            return self.socket_origin + path
        scheme, _, authority = self.base_url.partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{authority}{path}"

    @property
    def team(self) -> Team:
        """The workspace's team."""
        return self.workspace.team

    @property
    def may_read_email(self) -> bool:
        """Whether the caller sees e-mail addresses: people do, bots with the scope for it do."""
        return not self.who.is_bot or "users:read.email" in self.who.scopes

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit; return its result when it is durable."""
        return await self.workspace.writer.write(unit)

    async def read(self, function: Callable[[Query], T]) -> T:
        """Run a read."""
        return await self.workspace.reader.read(function)

    async def read_long(self, function: Callable[[Query], T]) -> T:
        """Run a long read, after the earlier ones."""
        async with self.workspace.long_reads:
            return await self.read(function)

    def count_post(self, channel: str) -> None:
        """Count a post in a unit; raise ``RateLimited`` if it comes too early."""
        posts = self.workspace.posts
        if posts is not None:
            posts.take(Tier.POST.value, self.who.user, channel)


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
    access: Access
    function: Function
    errors: tuple[str, ...] = ()
    """The errors that it answers beside the common ones."""
    successor: str = ""
    """The method to call instead, if this one is deprecated."""
    is_post_only: bool = False
    """Whether a GET is answered ``insecure_request``."""
    takes_file: bool = False
    """Whether a file in a multipart body is stored as it comes, and given to the function."""

    @property
    def needs_token(self) -> bool:
        """Whether a call without a token is refused."""
        return bool(self.access)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring: the effect of the method."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


METHODS: Final[dict[str, Method]] = {}
"""All served methods by name; filled when the family modules are imported."""


def method(
    name: str,
    arguments: type[A],
    tier: Tier,
    access: Access,
    *,
    errors: Sequence[str] = (),
    successor: str = "",
    is_post_only: bool = False,
    takes_file: bool = False,
) -> Callable[[Callable[[Call, A], Awaitable[Answer]]], Callable[[Call, A], Awaitable[Answer]]]:
    """Register the decorated function as the method ``name``.

    Args:
        access: the kinds of tokens it serves, with their scopes; see ``access``.
        errors: what it answers beside the common errors, as its documentation names them.
        successor: the method to call instead, if this one is deprecated.
        is_post_only: whether a GET is answered ``insecure_request``, which ``errors`` has to name.
        takes_file: whether a file in a multipart body is stored as it comes; see ``Call.file``.

    Raises:
        ValueError: the definition is not valid, or the name is taken.
    """

    def register(function: Callable[[Call, A], Awaitable[Answer]]) -> Callable[[Call, A], Awaitable[Answer]]:
        made = Method(
            name,
            arguments,
            tier,
            access,
            cast("Function", function),
            tuple(errors),
            successor,
            is_post_only,
            takes_file,
        )
        _check(made)
        METHODS[name] = made
        return function

    return register


def missing_scope(method: Method, who: Identity) -> MethodError | None:
    """Return the error for a caller whose token lacks every scope of the method; None if it has a scope.

    Source: wire/web-api.md#answers (documented: ``needed`` and ``provided``).
    """
    scopes = method.access[who.kind]
    if not scopes or who.has_one_of(scopes):
        return None
    return MethodError("missing_scope", needed=",".join(scopes), provided=who.scope_list)


_NAME: Final = re.compile(r"[a-zA-Z]+(\.[a-zA-Z0-9]+)+")
_ERROR: Final = re.compile(r"[a-z][a-z0-9_]*")


def _check(method: Method) -> None:
    """Raise ``ValueError`` if a definition is not valid: a defect found here costs no caller an answer."""
    name = method.name
    if not _NAME.fullmatch(name):
        raise ValueError(f"the name of a method must be a family and a verb such as 'chat.delete', got {name!r}")
    if name in METHODS:
        raise ValueError(f"names of methods must differ, got {name!r} twice")
    if not inspect.iscoroutinefunction(method.function):
        raise ValueError(f"{name}: the function must be async def, got {method.function!r}")
    if not method.summary:
        raise ValueError(f"{name}: the function must have a docstring: its first line goes into the page of methods")
    _check_arguments(name, method.arguments)
    for code in method.errors:
        if not _ERROR.fullmatch(code):
            raise ValueError(f"{name}: an error must look like 'channel_not_found', got {code!r}")
        if code in COMMON_ERRORS:
            raise ValueError(f"{name}: errors must not name those of all methods, got {code!r}")
    if len(set(method.errors)) < len(method.errors):
        raise ValueError(f"{name}: errors must differ, got {', '.join(method.errors)}")
    if method.successor and (not _NAME.fullmatch(method.successor) or method.successor == name):
        raise ValueError(f"{name}: the successor must be the name of another method, got {method.successor!r}")


def _check_arguments(name: str, arguments: type[Arguments]) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(arguments)}
    for argument in (*arguments.REQUIRED, *arguments.ONE_OF):
        if argument not in fields:
            raise ValueError(f"{name}: REQUIRED and ONE_OF must name arguments, got {argument!r}")
    for argument in set(arguments.REQUIRED).intersection(arguments.ONE_OF):
        raise ValueError(f"{name}: an argument must be in REQUIRED or in ONE_OF, got {argument!r} in both")
    for field in fields.values():
        if field.required:
            raise ValueError(f"{name}: every argument must have a default, got {field.name!r} without one")
