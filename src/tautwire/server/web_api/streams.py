"""A reply whose body comes from elsewhere, sent as it comes."""

import asyncio
import logging
from contextlib import aclosing

from starlette.types import Receive, Send

from tautwire.server.tasks import cancel
from tautwire.server.web_api.fallback import BrokenStreamError
from tautwire.server.web_api.replies import Reply

log = logging.getLogger("tautwire.server.web_api")


async def send_stream(reply: Reply, receive: Receive, send: Send) -> None:
    """Send a reply that has a stream; stop when the caller leaves.

    A reply that breaks off has no end: uvicorn then closes the connection, so the caller sees that bytes are missing.
    """
    if reply.stream is None:
        return
    pieces, close = reply.stream
    leaving = asyncio.create_task(_left(receive))
    try:
        async with aclosing(pieces):
            await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
            async for piece in pieces:
                if leaving.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except BrokenStreamError as error:
        log.warning("an answer broke off: %s", error)
    finally:
        await close()
        await cancel(leaving)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
