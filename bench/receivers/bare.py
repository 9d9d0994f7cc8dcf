"""Counts events with the libraries below our client and nothing else: the limit of what a client on them can do.

A WebSocket frame becomes a ``MessageEvent`` and goes to a function. No session, no liveness, no order, no reconnect.
"""

import asyncio
import os

import msgspec
from picows import WSFrame, WSListener, WSTransport, __version__, ws_connect
from slack_sdk.web.async_client import AsyncWebClient

from tautwire import MessageEvent

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


async def main() -> None:
    web = AsyncWebClient(os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
    transport, _ = await ws_connect(Listener, (await web.api_call("rtm.connect"))["url"])
    await transport.wait_disconnected()


print(__version__, flush=True)
asyncio.run(main())
