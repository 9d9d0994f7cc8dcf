"""The ``apps`` family: what an app calls with its own token."""

from functools import partial

from tautwire.server.services.access.subscriptions import read_subscription
from tautwire.server.services.access.tickets import LINK_PATH
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.access import access
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


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
    scheme, _, authority = call.base_url.partition("://")
    # A query, since clients append "&debug_reconnects=true".
    return {"url": f"{'wss' if scheme == 'https' else 'ws'}://{authority}{LINK_PATH}{ticket}?app_id={app}"}
