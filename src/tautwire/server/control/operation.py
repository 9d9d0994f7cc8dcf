"""The definition of an operation of the control door: a name, typed arguments and a function.

An operation reads what its arguments name, and runs a unit::

    @operation("team.change", TeamChange)
    async def change(workspace: Workspace, args: TeamChange) -> Result:
        return {"team": await workspace.writer.write(...)}
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final, NamedTuple, TypeVar, cast

import msgspec

from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.controls import Controls
from tautwire.server.services.hosting import Hosting
from tautwire.server.services.workspace import Workspace

A = TypeVar("A", bound=msgspec.Struct)
Result = Mapping[str, Any]
"""Members of the answer, to be encoded as JSON."""
Function = Callable[[Any, Any], Awaitable[Result]]

MAX_BODY: Final = 262_144
"""Bytes of a request's body: some thousand names."""

MAX_PAGE: Final = 1_000
"""Elements on a page of a list."""

MAX_TIMEOUT: Final = 60
"""Seconds of one wait: below what proxies and clients allow a request."""


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of an operation that has none."""


class Page(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list: the elements behind the name ``after``."""

    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


class Hosts(NamedTuple):
    """What an operation on whole workspaces gets in place of a workspace."""

    all: Hosting
    own: str | None
    """The team whose secret the caller has; None for the secret of the host, which opens all."""


class Operation(NamedTuple):
    """A served operation."""

    name: str
    arguments: type[msgspec.Struct]
    function: Function
    answer: type[msgspec.Struct] | None = None
    """The members of its answer; None if they are described in words only."""
    is_on_hosts: bool = False
    """Whether it is an operation on whole workspaces."""
    max_body: int = MAX_BODY
    reads: bool = False
    """Whether it only looks at something. What the web page looks at, again and again, is not in the journal."""

    @property
    def summary(self) -> str:
        """The effect, in a sentence or two."""
        function = self.function.func if isinstance(self.function, partial) else self.function
        return inspect.cleandoc(function.__doc__ or "").replace("\n", " ")


OPERATIONS: Final[dict[str, Operation]] = {}
"""All operations by name; filled when their modules are imported."""


def operation(
    name: str, arguments: type[A], answer: type[msgspec.Struct] | None = None, *, reads: bool = False
) -> Callable[[Callable[[Workspace, A], Awaitable[Result]]], Callable[[Workspace, A], Awaitable[Result]]]:
    """Register the decorated function as the operation ``name``."""

    def register(function: Callable[[Workspace, A], Awaitable[Result]]) -> Callable[[Workspace, A], Awaitable[Result]]:
        _add(Operation(name, arguments, cast("Function", function), answer, reads=reads))
        return function

    return register


def host_operation(
    name: str, arguments: type[A], answer: type[msgspec.Struct], *, max_body: int = MAX_BODY
) -> Callable[[Callable[[Hosts, A], Awaitable[Result]]], Callable[[Hosts, A], Awaitable[Result]]]:
    """Register the decorated function as an operation on whole workspaces."""

    def register(function: Callable[[Hosts, A], Awaitable[Result]]) -> Callable[[Hosts, A], Awaitable[Result]]:
        _add(Operation(name, arguments, function, answer, is_on_hosts=True, max_body=max_body))
        return function

    return register


def _add(wanted: Operation) -> None:
    if wanted.name in OPERATIONS:
        raise ValueError(f"names of operations must differ, got {wanted.name} twice")
    OPERATIONS[wanted.name] = wanted


def controls_of(workspace: Workspace) -> Controls:
    """Return journal, faults and clock of a workspace.

    Raises:
        Refused: the control API is off; the operator's socket does not have them then.
    """
    if workspace.controls is None:
        raise Refused("control_is_off", "this is there for tests only: start the server with --control on")
    return workspace.controls


def check_open(workspace: Workspace) -> None:
    """Raise ``Refused`` if the server stops: what is waited for may come after its next start."""
    if workspace.news.is_closed:
        raise Refused("server_stopping", "the server stops: wait again after its next start")


def members(answer: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a struct as members of an answer; structs inside stay as they are."""
    return {name: getattr(answer, name) for name in answer.__struct_fields__}


def page(name: str, items: list[Any], args: Page) -> Result:
    """Return a page of a list that was read with one element more than ``args.limit``; ``next`` if another follows."""
    shown = items[: args.limit]
    return {name: shown, "next": shown[-1].name if len(items) > len(shown) else None}
