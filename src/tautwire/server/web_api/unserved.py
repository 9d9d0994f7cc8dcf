"""Errors for methods that are not served: retired ones, others of Slack's families, and unknown names.

SDKs treat a 404 as fatal, so an unknown method gets an ordinary error answer.
Source: wire/web-api.md#answers (read in SDKs).
"""

from typing import Final

from tautwire.server.services.errors import MethodError

RETIRED: Final = {
    "channels": "conversations",
    "groups": "conversations",
    "im": "conversations",
    "mpim": "conversations",
    "presence": "users",
}
"""Families that Slack retired in 2021 or before, and their successors."""

FAMILIES: Final = frozenset(
    {"admin", "api", "apps", "assistant", "auth", "bookmarks", "bots", "calls", "canvases", "chat", "conversations"}
    | {"dialog", "dnd", "emoji", "entity", "files", "functions", "migration", "oauth", "openid", "pins", "reactions"}
    | {"reminders", "rtm", "search", "slackLists", "stars", "team", "tooling", "usergroups", "users", "views"}
    | {"workflows"}
)
"""The first part of the name of every documented method."""


def fault_of_unserved(name: str) -> MethodError:
    """Return the error for a method that is not in the registry."""
    family = name.partition(".")[0]
    if family in RETIRED:
        return MethodError("method_deprecated", detail=f"use the {RETIRED[family]}.* methods", req_method=name[:100])
    if family in FAMILIES and "." in name:
        return MethodError("unknown_method", detail="this server does not serve the method", req_method=name[:100])
    return MethodError("unknown_method", req_method=name[:100])
