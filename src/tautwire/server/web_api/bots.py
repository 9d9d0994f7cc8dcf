"""The ``bots`` family."""

from tautwire.server.services.errors import MethodError
from tautwire.server.services.wire_objects import bot_object
from tautwire.server.store.database import Query
from tautwire.server.store.records import USERS, UserRecord, user_record
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class BotsInfo(Arguments, frozen=True, kw_only=True):
    """Arguments of bots.info."""

    REQUIRED = ("bot",)

    bot: str = ""


@method("bots.info", BotsInfo, Tier.THREE, users_and_bots("users:read"), errors=["bot_not_found"])
async def info(call: Call, args: BotsInfo) -> Answer:
    """Return a bot by its id, ``B…``."""

    def find(query: Query) -> UserRecord | None:
        row = query.one(f"{USERS} WHERE bot_id = ?", args.bot)
        return user_record(row) if row else None

    bot = await call.read(find)
    if bot is None:
        raise MethodError("bot_not_found")
    return {"bot": bot_object(bot)}
