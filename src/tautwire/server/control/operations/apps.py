"""Operations on apps."""

from functools import partial

import msgspec

from tautwire.server.control.operation import Page, Result, controls_of, members, operation, page
from tautwire.server.services.access.apps import delete_app, uninstall_app
from tautwire.server.services.access.subscriptions import read_subscription
from tautwire.server.services.administration import apps, people, tokens
from tautwire.server.services.administration.apps import AppChange, Consented, NewApp, Wanted
from tautwire.server.services.administration.lookup import find_app, find_user
from tautwire.server.services.manifests import installing
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import AppRecord, list_apps
from tautwire.server.store.queries.users import find_user as find_user_by_id
from tautwire.server.store.records import UserRecord

MAX_TOKENS = 100
"""Tokens that are shown with an app; ``token.list`` has all."""


class OneApp(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An app, by id or name."""

    app: str


class OneDelivery(OneApp, kw_only=True, forbid_unknown_fields=True):
    """An app, and the id of an event that waits for its next try, or was given up; without one all that wait."""

    event: str | None = None


class Retried(msgspec.Struct, kw_only=True):
    """The app, and how many events are tried now: 0 if they are on their way already."""

    app: str
    tried: int


class Direction(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where an app is to get its events over HTTP."""

    app: str
    url: str | None = None
    """None ends it."""


@operation("app.list", Page, reads=True)
async def list_all(workspace: Workspace, args: Page) -> Result:
    """Return the apps, in the order of names."""
    found = await workspace.reader.read(partial(list_apps, after=args.after, count=args.limit + 1))
    return page("apps", [apps.app(record) for record in found], args)


@operation("app.show", OneApp, reads=True)
async def show(workspace: Workspace, args: OneApp) -> Result:
    """Return an app with its bot, its events and the way to get them, and its tokens that were not revoked."""

    def read(query: Query) -> Result:
        record = find_app(query, args.app)
        bot = find_user_by_id(query, record.bot_user) if record.bot_user is not None else None
        subscription = read_subscription(query, record.id)
        directed = subscription if subscription is not None and subscription.request_url else None
        return {
            "app": apps.app(record),
            "request_url": directed.request_url if directed is not None else None,
            "request_state": directed.request_state if directed is not None else None,
            "socket_mode": record.socket_mode,
            "events": sorted(subscription.events) if subscription is not None else [],
            "user_events": sorted(subscription.user_events) if subscription is not None else [],
            "bot": people.person(bot) if bot is not None else None,
            "tokens": tokens.list_all(query, user=None, app=record, revoked=False, after="", count=MAX_TOKENS),
        }

    return await workspace.reader.read(read)


@operation("app.add", NewApp)
async def add(workspace: Workspace, args: NewApp) -> Result:
    """Add an app with its bot; its secrets are in this answer only."""
    added = await workspace.writer.write(lambda tx: apps.add(tx, workspace.team, args))
    return members(added)


@operation("app.request_url", Direction)
async def request_url(workspace: Workspace, args: Direction) -> Result:
    """Have an app get its events at a URL, which it has to verify first."""
    record = await workspace.reader.read(partial(find_app, text=args.app))
    directed = await workspace.writer.write(lambda tx: apps.direct(tx, record, args.url))
    return members(directed)


@operation("delivery.retry", OneDelivery, Retried)
async def retry(workspace: Workspace, args: OneDelivery) -> Result:
    """Try at once what waits for an app over HTTP; one that cannot be reached is asked at once, and gets it then."""
    record = await workspace.reader.read(partial(find_app, text=args.app))
    return {"app": record.id, "tried": controls_of(workspace).sender.retry(record.id, args.event)}


@operation("app.change", AppChange)
async def change(workspace: Workspace, args: AppChange) -> Result:
    """Change what an app subscribes to, its door, or its whole manifest."""
    record = await workspace.reader.read(partial(find_app, text=args.app))
    is_other = await workspace.writer.write(lambda tx: apps.change(tx, record, args))
    found = await workspace.reader.read(partial(find_app, text=record.id))
    return {"app": apps.app(found), "permissions_updated": is_other}


@operation("app.export", OneApp, reads=True)
async def export(workspace: Workspace, args: OneApp) -> Result:
    """Return the manifest of an app as the app is now."""
    return {"manifest": await workspace.reader.read(lambda query: installing.export(query, find_app(query, args.app)))}


@operation("app.consent", Wanted, Consented)
async def consent(workspace: Workspace, args: Wanted) -> Result:
    """Let a person install an app: return the code that the app exchanges for its tokens."""

    def read(query: Query) -> tuple[AppRecord, UserRecord]:
        return find_app(query, args.app), find_user(query, args.user, "person")

    record, person = await workspace.reader.read(read)
    given = await workspace.writer.write(lambda tx: apps.consent(tx, record, person, args))
    return members(given)


@operation("app.uninstall", OneApp)
async def uninstall(workspace: Workspace, args: OneApp) -> Result:
    """Uninstall an app: its tokens of its bot and of people are revoked. It can be installed again."""
    record = await workspace.reader.read(partial(find_app, text=args.app))
    await workspace.writer.write(lambda tx: uninstall_app(tx, record.id))
    return {"app": apps.app(record)}


@operation("app.delete", OneApp)
async def delete(workspace: Workspace, args: OneApp) -> Result:
    """Delete an app: its tokens are revoked, and its bot is deactivated."""
    record = await workspace.reader.read(partial(find_app, text=args.app))
    await workspace.writer.write(lambda tx: delete_app(tx, workspace.team, record.id))
    return {"app": apps.app(record)}
