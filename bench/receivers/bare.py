"""Counts events with the libraries below our client and nothing else: the limit of what a client on them can do.

A WebSocket frame becomes a ``MessageEvent`` and goes to a function. No session, no liveness, no order, no reconnect.
With ``bounded`` as its argument the system keeps no more unread for it than for our client, so it reads as often.
"""

import asyncio
import os
import socket
import sys

import msgspec
from picows import WSFrame, WSListener, WSParsedURL, WSTransport, __version__, ws_connect
from slack_sdk.web.async_client import AsyncWebClient

from tautwire import MessageEvent
from tautwire.client.connection.transport import RECEIVE_BUFFER

EVENTS = int(os.environ["EVENTS"])

decode = msgspec.json.Decoder(MessageEvent).decode
count = characters = 0


def handle(event: MessageEvent) -> None:
    global count, characters  # noqa: PLW0603
    count += 1
    characters += len(event.text)
    if count == EVENTS:
        print(count, characters, flush=True)
        count = characters = 0


class Listener(WSListener):
    is_greeted = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.is_greeted:
            handle(decode(frame.get_payload_as_bytes()))
        self.is_greeted = True


async def open_bounded(target: WSParsedURL) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    await asyncio.get_running_loop().sock_connect(sock, (target.host, target.port))
    return sock


async def main() -> None:
    web = AsyncWebClient(os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
    url = (await web.api_call("rtm.connect"))["url"]
    transport, _ = await ws_connect(Listener, url, socket_factory=open_bounded if "bounded" in sys.argv else None)
    await transport.wait_disconnected()


print(__version__, flush=True)
asyncio.run(main())
