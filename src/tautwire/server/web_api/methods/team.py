"""The ``team`` family."""

from tautwire.server.services.errors import MethodError
from tautwire.server.services.wire_objects import team_object
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class TeamInfo(Arguments, frozen=True, kw_only=True):
    """Arguments of team.info."""

    team: str = ""
    domain: str = ""


@method("team.info", TeamInfo, Tier.THREE, users_and_bots("team:read"), errors=["team_not_found"])
async def info(call: Call, args: TeamInfo) -> Answer:
    """Return the workspace. Another one, named by id or domain, is not found."""
    if args.team not in ("", call.team.id) or args.domain not in ("", call.team.domain):
        raise MethodError("team_not_found")
    return {"team": team_object(call.team, f"{call.base_url}/")}
