"""The ``auth`` family."""

from functools import partial

from tautwire.server.services.access import tokens
from tautwire.server.services.access.identity import TokenKind
from tautwire.server.services.access.tokens import token_id
from tautwire.server.services.wire_objects import team_object
from tautwire.server.web_api.access import access
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method
from tautwire.server.web_api.pages import PAGE_ERRORS, check_limit, decode_cursor


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


class AuthRevoke(Arguments, frozen=True, kw_only=True):
    """Arguments of auth.revoke."""

    test: bool = False


@method("auth.revoke", AuthRevoke, Tier.THREE, access(user=[], bot=[]))
async def revoke(call: Call, args: AuthRevoke) -> Answer:
    """Revoke the token of the call; with ``test`` nothing happens."""
    if not args.test:
        await call.write(partial(tokens.revoke, token=token_id(call.who.token)))
    return {"revoked": not args.test}


class AuthTeamsList(Arguments, frozen=True, kw_only=True):
    """Arguments of auth.teams.list."""

    limit: int = 100
    cursor: str = ""
    include_icon: bool = False


@method("auth.teams.list", AuthTeamsList, Tier.TWO, access(user=[], bot=[]), errors=[*PAGE_ERRORS])
async def list_teams(call: Call, args: AuthTeamsList) -> Answer:
    """Return the workspace of the token: there is no other one that the token reaches."""
    check_limit(args.limit)
    decode_cursor(args.cursor, lambda _: False)
    team: dict[str, object] = {"id": call.team.id, "name": call.team.name}
    if args.include_icon:
        team["icon"] = team_object(call.team, call.base_url)["icon"]
    return {"teams": [team], "response_metadata": {"next_cursor": ""}}
