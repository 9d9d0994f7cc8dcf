"""The ``auth`` family."""

from tautwire.server.services.identity import TokenKind
from tautwire.server.web_api.access import access
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class AuthTest(Arguments, frozen=True, kw_only=True):
    """auth.test takes no arguments."""


@method("auth.test", AuthTest, Tier.AUTH, access(user=[], bot=[], app=[]))
async def test(call: Call, args: AuthTest) -> Answer:
    """Return the user of the token, or the app of an app-level one.

    Without ``bot_id`` for a bot, slack_sdk's rtm_v2 calls no handler.
    """
    answer: dict[str, object] = {
        "url": f"{call.base_url}/",
        "team": call.team.name,
        "team_id": call.team.id,
        "is_enterprise_install": False,
    }
    if call.who.kind is TokenKind.APP:
        return answer | {"app_id": call.who.app_id, "app_name": call.who.name}
    answer |= {"user": call.who.name, "user_id": call.who.user}
    if call.who.is_bot:
        answer["bot_id"] = call.who.bot_id
    return answer
