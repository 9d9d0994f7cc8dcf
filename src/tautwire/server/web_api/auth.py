"""The ``auth`` family."""

from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class Test(Arguments, frozen=True, kw_only=True):
    """auth.test takes no arguments."""


@method("auth.test", Test, Tier.AUTH)
async def test(call: Call, args: Test) -> Answer:
    """Return the user of the token. Without ``bot_id`` for a bot, slack_sdk's rtm_v2 calls no handler."""
    answer: dict[str, object] = {
        "url": f"{call.base_url}/",
        "team": call.team.name,
        "user": call.who.name,
        "team_id": call.team.id,
        "user_id": call.who.user,
        "is_enterprise_install": False,
    }
    if call.who.is_bot:
        answer["bot_id"] = call.who.bot_id
    return answer
