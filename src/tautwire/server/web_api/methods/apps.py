"""The ``apps`` family: what an app calls with its own tokens. ``apps_manifest`` has what people call who make apps."""

from functools import partial
from itertools import islice

from tautwire.server.services.access.apps import uninstall_app
from tautwire.server.services.access.consents import authenticate_client
from tautwire.server.services.access.subscriptions import read_subscription
from tautwire.server.services.access.tickets import LINK_PATH
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import find_app
from tautwire.server.store.queries.membership import find_membership
from tautwire.server.taps.envelope import read_context
from tautwire.server.web_api.access import access
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method
from tautwire.server.web_api.pages import MAX_LIMIT, PAGE_ERRORS, check_limit, decode_cursor, encode_cursor


class AppsConnectionsOpen(Arguments, frozen=True, kw_only=True):
    """apps.connections.open takes no arguments."""


@method(
    "apps.connections.open", AppsConnectionsOpen, Tier.THREE, access(app=["connections:write"]),
    errors=["insecure_request"], is_post_only=True,
)  # fmt: skip
async def open_connection(call: Call, args: AppsConnectionsOpen) -> Answer:
    """Reserve a Socket Mode connection; its URL can be dialled once, within 30 s."""
    app = call.who.app_id or ""
    subscription = await call.read(partial(read_subscription, app=app))
    if subscription is None or not subscription.socket_mode:
        # The error that every SDK takes as final: wire/socket-mode.md#opening.
        raise MethodError("invalid_auth", detail="Socket Mode is off for this app: switch it on in its settings")
    ticket = call.workspace.link_tickets.issue(
        who=call.who, position=0, batches_presence=False, wants_positions=False
    )  # fmt: skip
    # A query, since clients append "&debug_reconnects=true".
    return {"url": call.socket_url(f"{LINK_PATH}{ticket}?app_id={app}")}


class AppsEventAuthorizationsList(Arguments, frozen=True, kw_only=True):
    """Arguments of apps.event.authorizations.list."""

    REQUIRED = ("event_context",)

    event_context: str = ""
    cursor: str = ""
    limit: int = 100


@method(
    "apps.event.authorizations.list", AppsEventAuthorizationsList, Tier.AUTH, access(app=["authorizations:read"]),
    errors=["auth_mismatch", "invalid_event_context", *PAGE_ERRORS],
)  # fmt: skip
async def list_authorizations(call: Call, args: AppsEventAuthorizationsList) -> Answer:
    """List as whom the app may see an event: its bot, and people who authorised it."""
    count = check_limit(args.limit) or MAX_LIMIT
    after = decode_cursor(args.cursor, lambda key: key.isalnum()) or ""
    context = read_context(args.event_context)
    if context is None:
        raise MethodError("invalid_event_context")
    if (context.aid, context.tid) != (call.who.app_id, call.team.id):
        raise MethodError("auth_mismatch")
    users = sorted(user for user in call.workspace.identities.installation(context.aid) if user > after)

    def read(query: Query) -> tuple[list[str], str | None]:
        seeing = (user for user in users if not context.cid or find_membership(query, context.cid, user) is not None)
        app = find_app(query, context.aid)
        return list(islice(seeing, count + 1)), app.bot_user if app is not None else None

    found, bot = await call.read(read)
    following = encode_cursor(found[count - 1]) if len(found) > count else ""
    return {
        "authorizations": [
            {
                "enterprise_id": None, "team_id": call.team.id, "user_id": user, "is_bot": user == bot,
                "is_enterprise_install": False,
            }
            for user in found[:count]
        ],
        # The page and the schema of the documentation name it differently: wire/events-api.md#authorizations.
        "cursor_next": following,
        "response_metadata": {"next_cursor": following},
    }  # fmt: skip


class AppsUninstall(Arguments, frozen=True, kw_only=True):
    """Arguments of apps.uninstall; the client may come in the header instead."""

    REQUIRED = ("client_id", "client_secret")

    client_id: str = ""
    client_secret: str = ""


@method(
    "apps.uninstall", AppsUninstall, Tier.ONE, access(user=[], bot=[]),
    errors=["bad_client_secret", "client_id_token_mismatch", "invalid_client_id"],
)  # fmt: skip
async def uninstall(call: Call, args: AppsUninstall) -> Answer:
    """Uninstall the app of the token: its tokens of the bot and of people are revoked."""
    app = await call.read(
        partial(authenticate_client, client_id=args.client_id, client_secret=args.client_secret)
    )  # fmt: skip
    if app != call.who.app_id:
        raise MethodError("client_id_token_mismatch")
    await call.write(partial(uninstall_app, app=app))
    return {"uninstalled": True}
