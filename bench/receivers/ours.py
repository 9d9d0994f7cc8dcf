"""Counts events with our client; the first argument says how its handler runs."""

import asyncio
import os
import sys
import threading

from tautwire import MessageEvent, RTMClient, __version__
from tautwire.protocol.opendata import to_python

EVENTS = int(os.environ["EVENTS"])

client = RTMClient()
count = characters = 0
lock = threading.Lock()


def done() -> None:
    global count, characters  # noqa: PLW0603
    print(count, characters, flush=True)
    count = characters = 0


def plain(event: MessageEvent) -> None:
    global count, characters  # noqa: PLW0603
    count += 1
    characters += len(event.text)
    if count == EVENTS:
        done()


def plain_reading_blocks(event: MessageEvent) -> None:
    global count, characters  # noqa: PLW0603
    count += 1
    characters += len(event.text) if to_python(event.blocks) else 0
    if count == EVENTS:
        done()


async def coroutine(event: MessageEvent) -> None:
    global count, characters  # noqa: PLW0603
    count += 1
    characters += len(event.text)
    if count == EVENTS:
        done()


def threaded(event: MessageEvent) -> None:
    global count, characters  # noqa: PLW0603
    with lock:
        count += 1
        characters += len(event.text)
        if count == EVENTS:
            done()


match sys.argv[1]:
    case "inline":
        client.on(MessageEvent, inline=True)(plain)
    case "blocks":
        client.on(MessageEvent, inline=True)(plain_reading_blocks)
    case "async":
        client.on(MessageEvent)(coroutine)
    case "threads":
        client.on(MessageEvent)(threaded)

print(__version__, flush=True)
asyncio.run(client.run())
