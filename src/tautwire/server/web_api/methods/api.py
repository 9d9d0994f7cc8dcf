"""The ``api`` family."""

from typing import Any

from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.access import PUBLIC
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class ApiTest(Arguments, frozen=True, kw_only=True):
    """Arguments of api.test."""

    error: str = ""


@method("api.test", ApiTest, Tier.FOUR, PUBLIC)
async def test(call: Call, args: ApiTest) -> Answer:
    """Return the arguments, or the error that the caller asks for."""
    given: dict[str, Any] = dict(call.given)
    if args.error:
        raise MethodError(args.error, args=given)
    return {"args": given} if given else {}
