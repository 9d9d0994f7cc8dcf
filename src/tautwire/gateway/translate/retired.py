"""Calls of retired methods as calls of their successors, with the old names in the answers. Pure.

The table is the one by which the server serves them (``server.web_api.methods.retired``). A few of its rows are more
than other names; ``FEW`` has what they are here. Source: wire/retired-methods.md.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from tautwire.server.store.records import ChannelKind
from tautwire.server.web_api.methods.retired import ALIASES, Alias

_TYPES: Final = {
    ChannelKind.PUBLIC: "public_channel",
    ChannelKind.PRIVATE: "private_channel",
    ChannelKind.IM: "im",
    ChannelKind.MPIM: "mpim",
}
"""``types`` of conversations.list by kind."""

Arguments = Mapping[str, Any]


class Plan(NamedTuple):
    """The call to make in place of a retired one."""

    name: str
    """The retired method."""
    method: str
    arguments: dict[str, Any]
    gives: Mapping[str, str]
    """The members of the answer that are answered, by their old names."""
    whole: str = ""
    """The member that is a list: the retired method gave all of it where today's gives a page."""
    kinds: frozenset[ChannelKind] = frozenset()
    """The kinds of conversations that the method serves, if its answer tells; another kind is not found."""

    @property
    def checks(self) -> bool:
        """Whether the kind of the conversation in the answer decides."""
        return bool(self.kinds)


class Few(NamedTuple):
    """A row that has more than other names."""

    plan: Callable[[Arguments], dict[str, Any]]
    gives: Mapping[str, str]


def _given(given: Arguments, *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


_OPENED: Final = {"no_op": "no_op", "already_open": "already_open"}
FEW: Final[Mapping[str, Few]] = {
    "groups.create": Few(lambda given: {**_given(given, "name"), "is_private": True}, {"channel": "group"}),
    "groups.invite": Few(
        lambda given: {**_given(given, "channel"), "users": given.get("user", "")}, {"channel": "group"}
    ),
    "groups.open": Few(lambda given: _given(given, "channel"), _OPENED),
    "im.open": Few(
        lambda given: {"users": given.get("user", ""), **_given(given, "return_im")}, {"channel": "channel", **_OPENED}
    ),
    "mpim.open": Few(
        lambda given: {**_given(given, "users"), "return_im": True}, {"channel": "group", **_OPENED}
    ),
    "presence.set": Few(
        lambda given: {"presence": "auto" if given.get("presence") == "active" else given.get("presence", "")}, {}
    ),
}  # fmt: skip
"""``channels.join``, which takes a name, is the only one that needs more than one call (``gateway.proxy``)."""

BY_NAME: Final = "channels.join"
JOINED: Final = Plan(BY_NAME, "conversations.join", {}, {"channel": "channel"})

PAGE: Final = 999
"""Items of a page, as many as are allowed. Source: wire/web-api.md#pages (documented)."""


class Mended(NamedTuple):
    """What a retired method answered where its successor refuses."""

    members: Mapping[str, Any]
    describes: bool = False
    """Whether the conversation belongs to the answer."""


MENDED: Final[Mapping[tuple[str, str], Mended]] = {
    ("groups.invite", "already_in_channel"): Mended({"already_in_group": True}, describes=True),
    ("groups.open", "method_not_supported_for_channel_type"): Mended({"no_op": True, "already_open": True}),
}
"""By method and error."""

_ALIASES: Final = {alias.name: alias for alias in ALIASES}


def plan(name: str, given: Arguments) -> Plan | None:
    """Return the call for a retired method, None if the name is not one."""
    alias = _ALIASES.get(name)
    if alias is None:
        return None
    few = FEW.get(name)
    if few is not None:
        return Plan(name, alias.successor, few.plan(given), few.gives)
    if isinstance(alias.function, partial):
        return _list(alias, given)
    arguments = {alias.sends.get(each, each): given[each] for each in (*alias.needs, *alias.takes) if each in given}
    if "count" in given and arguments.get("limit") is not None:
        arguments["limit"] = _limit(arguments["limit"])
    kinds = alias.kinds if alias.successor == "conversations.info" else frozenset[ChannelKind]()
    return Plan(name, alias.successor, arguments, alias.gives, kinds=kinds)


def answer(plan: Plan, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the old answer from the members of the new one."""
    return {old: members[name] for name, old in plan.gives.items() if name in members}


def is_of_family(plan: Plan, channel: Any) -> bool:
    """Whether the conversation of an answer is one that the retired method served."""
    return not plan.kinds or not isinstance(channel, dict) or _kind_of(channel) in plan.kinds


def _kind_of(channel: Mapping[str, Any]) -> ChannelKind:
    if channel.get("is_im"):
        return ChannelKind.IM
    if channel.get("is_mpim"):
        return ChannelKind.MPIM
    return ChannelKind.PRIVATE if channel.get("is_private") or channel.get("is_group") else ChannelKind.PUBLIC


def _limit(count: Any) -> Any:
    """Return a page that today's methods give, for a ``count`` of 1,000, the most that was allowed."""
    try:
        return min(int(count), PAGE)
    except (TypeError, ValueError):
        return count


def _list(alias: Alias, given: Arguments) -> Plan:
    """Return the call of a list; the table has its kinds and its key with the function that makes it."""
    options = alias.function.keywords if isinstance(alias.function, partial) else {}
    types = ",".join(sorted(_TYPES[kind] for kind in options["kinds"]))
    arguments = {**_given(given, *(each for each in alias.takes if each != "exclude_members")), "types": types}
    gives = {"channels": options["key"], "response_metadata": "response_metadata"}
    return Plan(alias.name, alias.successor, arguments, gives, whole="channels")
