"""Who the bot is at the upstream, and the local tokens by which its programs are known here.

The upstream says who the bot is. The database keeps it, so a gateway starts although the upstream cannot be reached,
and a data directory is never used for another bot: positions and tokens of the two would be mixed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tautwire.gateway.upstream.api import Api, RefusedError
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.ids import UserId
from tautwire.protocol.tokens import Token
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import (
    CLASSIC,
    Holder,
    TokenKind,
    hash_token,
    join_scopes,
    note_token,
)
from tautwire.server.services.access.tokens import ISSUED, end, holder_of, token_id
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import AppRecord, add_app, find_app
from tautwire.server.store.queries.tokens import TokenRecord, add_token, change_token, list_tokens
from tautwire.server.store.queries.users import add_user, find_bot_users, find_user
from tautwire.server.store.queries.workspace import add_workspace, find_workspace, set_workspace
from tautwire.server.store.records import UserRecord

_MOST: Final = 1_000
"""Local tokens that are read at a time."""


@dataclass(frozen=True, slots=True)
class Bot:
    """The bot and its workspace."""

    user: str
    name: str
    bot_id: str
    team: Team

    def __str__(self) -> str:
        return f"{self.name} ({self.user}) in {self.team.name} ({self.team.id})"

    def is_same(self, other: "Bot") -> bool:
        """Whether the other is the same user of the same workspace."""
        return (self.team.id, self.user) == (other.team.id, other.user)


async def ask(api: Api, token: Token | None = None) -> Bot:
    """Return who a bot token stands for, by default the one in use.

    Raises:
        RefusedError, UpstreamError: the upstream does not say it.
        ConfigError: the token is not that of a bot.
    """
    answer = await api.read("auth.test", token)
    bot_id = answer.text("bot_id")
    if not bot_id:
        raise ConfigError("the bot token is that of a person: take the bot token of the app, which begins with xoxb-")
    domain = await _domain(api, answer.text("url"), token)
    team = Team(answer.text("team_id"), answer.text("team"), domain)
    return Bot(answer.text("user_id"), answer.text("user"), bot_id, team)


async def _domain(api: Api, url: str, token: Token | None) -> str:
    """Return the domain of the workspace; without the scope for it, what the address of the workspace begins with."""
    try:
        team = (await api.read("team.info", token)).get("team")
    except RefusedError:
        team = None
    known = team.get("domain") if isinstance(team, dict) else None
    return known if isinstance(known, str) and known else (urlsplit(url).hostname or "").partition(".")[0]


def find_stored(query: Query) -> Bot | None:
    """Return the bot of the last start, None at the first."""
    workspace, users = find_workspace(query), find_bot_users(query)
    user = find_user(query, users.pop()) if users else None
    if workspace is None or user is None:
        return None
    team = Team(workspace["id"], workspace["name"], workspace["domain"])
    return Bot(user.id, user.name, user.bot_id or "", team)


def keep(tx: Transaction, bot: Bot, tokens: Collection[str], app_token: str | None) -> None:
    """Store the bot and the tokens that are accepted of its programs; all others are revoked (a unit).

    Args:
        tokens: those of the bot.
        app_token: the one for Socket Mode.

    Raises:
        ConfigError: the database is that of another bot.
    """
    now = tx.now // 1_000_000
    stored = find_stored(tx)
    if stored is None:
        add_workspace(tx, bot.team.id, bot.team.name, bot.team.domain, now)
        add_user(tx, UserRecord(UserId(bot.user), bot.name, "", None, False, False, now, now, bot.bot_id, None))
    elif not stored.is_same(bot):
        raise ConfigError(
            f"the data directory is that of {stored}, and the bot token that of {bot}: use a directory of its own with "
            "--data"
        )
    else:
        set_workspace(tx, name=bot.team.name, domain=bot.team.domain, icon="")
    user = find_user(tx, bot.user)
    if user is None:
        raise ConfigError("the database of the gateway has no bot: use a new directory")
    # Programs never see the id of the app, but tokens of Socket Mode belong to one.
    app = AppRecord("A" + bot.bot_id[1:], bot.name, bot.user, None, now)
    if find_app(tx, app.id) is None:
        add_app(tx, app)
    wanted = {hash_token(token): _record(token, TokenKind.BOT, bot.user, None, CLASSIC, now) for token in tokens}
    if app_token is not None:
        record = _record(app_token, TokenKind.APP, None, app.id, frozenset({"connections:write"}), now)
        wanted[record.hash] = record
    holders = {TokenKind.BOT: holder_of(user), TokenKind.APP: Holder(app.id, app.name)}
    for rows in (
        list_tokens(tx, user=bot.user, revoked=False, count=_MOST),
        list_tokens(tx, app=app.id, revoked=False, count=_MOST),
    ):
        for row in rows:
            if row.token.hash not in wanted:
                end(tx, holders[TokenKind(row.token.kind)], row.token)
    for record in wanted.values():
        holder = holders[TokenKind(record.kind)]
        known = list_tokens(tx, digest=record.hash, revoked=True, count=1)
        if not known:
            add_token(tx, record)
            note_token(tx, holder, record)
        elif known[0].token.revoked is not None:  # the operator has gone back to an earlier token
            restored = msgspec.structs.replace(known[0].token, revoked=None)
            change_token(tx, restored)
            note_token(tx, holder, restored)


def _record(
    token: str, kind: TokenKind, user: str | None, app: str | None, scopes: frozenset[str], now: int
) -> TokenRecord:
    digest = hash_token(token)
    return TokenRecord(digest, token_id(digest), kind, user, app, join_scopes(scopes), ISSUED, now)
