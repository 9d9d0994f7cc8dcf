"""The ``bots`` family."""

from tautwire.server.services.errors import MethodError
from tautwire.server.services.wire_objects import bot_object
from tautwire.server.store.queries.users import find_bot
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class BotsInfo(Arguments, frozen=True, kw_only=True):
    """Arguments of bots.info."""

    REQUIRED = ("bot",)

    bot: str = ""
    team_id: str = ""


@method("bots.info", BotsInfo, Tier.THREE, users_and_bots("users:read"), errors=["bot_not_found", "team_not_found"])
async def info(call: Call, args: BotsInfo) -> Answer:
    """Return a bot by its id, ``B…``."""
    if args.team_id and args.team_id != call.team.id:
        raise MethodError("team_not_found")
    bot = await call.read(lambda query: find_bot(query, args.bot))
    if bot is None:
        raise MethodError("bot_not_found")
    return {"bot": bot_object(bot)}
