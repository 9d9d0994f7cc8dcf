"""The ``oauth`` family: an app exchanges the code of a consent for its tokens."""

from functools import partial

from tautwire.server.services.access.consents import authenticate_client, exchange
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.access import PUBLIC
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class OauthV2Access(Arguments, frozen=True, kw_only=True):
    """Arguments of oauth.v2.access; the client may come in the header instead."""

    REQUIRED = ("client_id", "client_secret", "code")

    client_id: str = ""
    client_secret: str = ""
    code: str = ""
    redirect_uri: str = ""
    grant_type: str = ""


@method(
    "oauth.v2.access", OauthV2Access, Tier.AUTH, PUBLIC,
    errors=["bad_client_secret", "bad_redirect_uri", "invalid_client_id", "invalid_code", "invalid_grant_type"],
)  # fmt: skip
async def access(call: Call, args: OauthV2Access) -> Answer:
    """Exchange the code of a consent for the tokens of the app; it works once, for ten minutes."""
    # The client first: the answers to a stranger say nothing about codes.
    app = await call.read(
        partial(authenticate_client, client_id=args.client_id, client_secret=args.client_secret)
    )  # fmt: skip
    if args.grant_type not in ("", "authorization_code"):
        raise MethodError("invalid_grant_type")
    return await call.write(
        partial(exchange, team=call.team, app=app, code=args.code, redirect_uri=args.redirect_uri)
    )  # fmt: skip
