"""Operations on incoming webhooks, and on what people can ask an app for."""

from functools import partial

import msgspec

from tautwire.server.control.operation import Result, operation
from tautwire.server.control.operations.apps import OneApp
from tautwire.server.services.access import features
from tautwire.server.services.access.features import Features
from tautwire.server.services.administration import apps
from tautwire.server.services.administration.lookup import find_app, find_channel
from tautwire.server.services.interactivity import webhooks
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.webhooks import WebhookRecord, find_webhooks


class Hooking(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An app and the channel into which its webhook posts; both by id or name."""

    app: str
    channel: str


class OneWebhook(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A webhook, by its id."""

    webhook: str


class Featuring(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An app, and what people can ask it for; without ``features`` that is only read."""

    app: str
    features: Features | None = None


@operation("webhooks.create", Hooking)
async def create(workspace: Workspace, args: Hooking) -> Result:
    """Make an incoming webhook; its URL is in this answer only."""
    app, channel = await workspace.reader.read(
        lambda query: (find_app(query, args.app), find_channel(query, args.channel))
    )
    workspace.require_scope(app.id, webhooks.SCOPE, "an incoming webhook")
    unit = partial(webhooks.create, team=workspace.team.id, app=app.id, channel=channel.id)
    made = await workspace.writer.write(unit)
    return {"webhook": _shown(made.record), "url": workspace.base_url + made.path}


@operation("webhooks.list", OneApp, reads=True)
async def list_all(workspace: Workspace, args: OneApp) -> Result:
    """Return the webhooks of an app, without their URLs."""

    def read(query: Query) -> list[WebhookRecord]:
        return find_webhooks(query, find_app(query, args.app).id)

    return {"webhooks": [_shown(each) for each in await workspace.reader.read(read)]}


@operation("webhooks.revoke", OneWebhook)
async def revoke(workspace: Workspace, args: OneWebhook) -> Result:
    """End a webhook: its URL posts no more."""
    await workspace.writer.write(partial(webhooks.revoke, webhook=args.webhook))
    return {"webhook": args.webhook}


@operation("app.features", Featuring)
async def set_features(workspace: Workspace, args: Featuring) -> Result:
    """Replace the slash commands, shortcuts and interactivity of an app, or return what they are."""
    record = await workspace.reader.read(partial(find_app, text=args.app))
    if args.features is not None:
        wanted = args.features
        await workspace.writer.write(lambda tx: features.configure(tx, record.id, wanted))
    found = await workspace.reader.read(partial(features.read_features, app=record.id))
    return {"app": apps.app(record), "features": found}


def _shown(record: WebhookRecord) -> dict[str, object]:
    return {"id": record.id, "app": record.app_id, "channel": record.channel, "created": record.created}
