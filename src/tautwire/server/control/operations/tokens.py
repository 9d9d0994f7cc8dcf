"""Operations on tokens."""

from functools import partial

import msgspec

from tautwire.server.control.operation import Page, Result, operation
from tautwire.server.services.access.tokens import APP_SCOPES, issue_for_app, revoke
from tautwire.server.services.administration import tokens
from tautwire.server.services.administration.lookup import find_app, find_user
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.administration.tokens import Grace, Lifetime
from tautwire.server.services.seed import Scope
from tautwire.server.services.workspace import Workspace


class Tokens(Page, kw_only=True, forbid_unknown_fields=True):
    """A page of the tokens behind the id ``after``: all, or those of a user or an app."""

    user: str | None = None
    app: str | None = None
    revoked: bool = False
    """Whether revoked ones are in the list."""


class NewToken(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A token to issue, of a user or bot, or of an app itself."""

    configuration: bool = False
    """Whether it is a configuration token of a person, for ``apps.manifest.*``; its scopes are given."""

    user: str | None = None
    app: str | None = None
    scopes: list[Scope] = []
    lifetime: Lifetime | None = None


class OneToken(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A token, by its id or its text."""

    token: str


class Rotation(OneToken, kw_only=True, forbid_unknown_fields=True):
    """A token to replace; the old one is accepted for ``grace`` seconds more."""

    grace: Grace = 0


@operation("token.list", Tokens, reads=True)
async def list_tokens(workspace: Workspace, args: Tokens) -> Result:
    """Return tokens without their texts, in the order of ids."""
    found = await workspace.reader.read(
        lambda query: tokens.list_all(
            query,
            user=find_user(query, args.user) if args.user is not None else None,
            app=find_app(query, args.app) if args.app is not None else None,
            revoked=args.revoked,
            after=args.after,
            count=args.limit + 1,
        )
    )
    shown = found[: args.limit]
    return {"tokens": shown, "next": shown[-1].id if len(found) > len(shown) else None}


@operation("token.issue", NewToken)
async def issue(workspace: Workspace, args: NewToken) -> Result:
    """Issue a token; its text is in this answer only."""
    if (args.user is None) == (args.app is None) or (args.app is not None and args.configuration):
        raise Refused("one_holder", "a token is of a user or bot, or of an app: name one of them")
    tokens.check_scopes(args.scopes)
    if args.app is not None:
        app = await workspace.reader.read(partial(find_app, text=args.app))
        issued = await workspace.writer.write(lambda tx: issue_for_app(tx, app, args.scopes or APP_SCOPES))
    else:
        user = await workspace.reader.read(partial(find_user, text=args.user or ""))
        if args.configuration and args.scopes:
            raise Refused("invalid_arguments", "the scopes of a configuration token are given: leave scopes out")
        make = (
            partial(tokens.issue_for_configuration, user=user, lifetime=args.lifetime)
            if args.configuration
            else partial(tokens.issue, user=user, scopes=args.scopes, lifetime=args.lifetime)
        )
        issued = await workspace.writer.write(make)
    return await _new(workspace, issued.record.id, issued.text)


@operation("token.rotate", Rotation)
async def rotate(workspace: Workspace, args: Rotation) -> Result:
    """Replace a token by a new one for the same holder; its text is in this answer only."""
    old = await workspace.reader.read(partial(tokens.find, text=args.token))
    issued = await workspace.writer.write(lambda tx: tokens.rotate(tx, old.id, args.grace))
    return await _new(workspace, issued.record.id, issued.text)


@operation("token.revoke", OneToken)
async def revoke_token(workspace: Workspace, args: OneToken) -> Result:
    """Revoke a token: calls with it fail, and its connections are closed."""
    found = await workspace.reader.read(partial(tokens.find, text=args.token))
    await workspace.writer.write(lambda tx: revoke(tx, found.id))
    return {"details": await workspace.reader.read(partial(tokens.find, text=found.id))}


async def _new(workspace: Workspace, token: str, text: str) -> Result:
    return {"details": await workspace.reader.read(partial(tokens.find, text=token)), "token": text}
