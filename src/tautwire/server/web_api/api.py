"""The ``api`` family."""

from typing import Any

from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class Test(Arguments, frozen=True, kw_only=True):
    """Arguments of api.test."""

    error: str = ""


@method("api.test", Test, Tier.FOUR, needs_token=False)
async def test(call: Call, args: Test) -> Answer:
    """Return the arguments, or the error that the caller asks for."""
    given: dict[str, Any] = dict(call.given)
    if args.error:
        raise MethodError(args.error, args=given)
    return {"args": given} if given else {}
