"""The ``usergroups`` family. There are no user groups here; clients ask for them at their start."""

from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class UsergroupsList(Arguments, frozen=True, kw_only=True):
    """Arguments of usergroups.list."""

    include_count: bool = False
    include_disabled: bool = False
    include_users: bool = False


class UsergroupsUsersList(Arguments, frozen=True, kw_only=True):
    """Arguments of usergroups.users.list."""

    REQUIRED = ("usergroup",)

    usergroup: str = ""
    include_disabled: bool = False


@method("usergroups.list", UsergroupsList, Tier.TWO, users_and_bots("usergroups:read"))
async def list_(call: Call, args: UsergroupsList) -> Answer:
    """List the user groups: there are none."""
    return {"usergroups": []}


@method(
    "usergroups.users.list", UsergroupsUsersList, Tier.TWO, users_and_bots("usergroups:read"),
    errors=["no_such_subteam"],
)  # fmt: skip
async def users_list(call: Call, args: UsergroupsUsersList) -> Answer:
    """List the members of a user group: there is none, so it is not found."""
    raise MethodError("no_such_subteam")
