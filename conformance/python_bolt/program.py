"""A bot on Bolt for Python in Socket Mode, written the way its guide shows; what it is asked to do: ../README.md.

``SOCKET_MODE_CLIENT`` names the client of slack_sdk on which Bolt runs: builtin, aiohttp, websocket_client, websockets.
"""

import asyncio
import importlib
import json
import logging
import os
import threading
from typing import Any

from slack_bolt import App
from slack_bolt.async_app import AsyncApp
from slack_bolt.version import __version__
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

logging.basicConfig(level=logging.INFO)

CLIENT = os.environ["SOCKET_MODE_CLIENT"]
TOKEN, URL, APP_TOKEN = (os.environ[name] for name in ("SLACK_BOT_TOKEN", "SLACK_API_URL", "SLACK_APP_TOKEN"))


def report(step: str, **facts: Any) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def plain() -> None:
    app = App(token=TOKEN, client=WebClient(token=TOKEN, base_url=URL))

    @app.event("app_mention")
    def mentioned(event: dict[str, Any], say: Any) -> None:
        say(f"you called: {event['text'].partition('> ')[2]}")

    @app.message("ask ")
    def asked(message: dict[str, Any], say: Any) -> None:
        report("message", text=message["text"], channel_type=message["channel_type"])
        say(f"answer to {message['text'].removeprefix('ask ')}")

    module = "slack_bolt.adapter.socket_mode" + (".websocket_client" if CLIENT == "websocket_client" else "")
    handler = importlib.import_module(module).SocketModeHandler(app, APP_TOKEN)
    handler.connect()
    report("connect", ok=True)
    threading.Event().wait()


async def with_asyncio() -> None:
    app = AsyncApp(token=TOKEN, client=AsyncWebClient(token=TOKEN, base_url=URL))

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], say: Any) -> None:
        await say(f"you called: {event['text'].partition('> ')[2]}")

    @app.message("ask ")
    async def asked(message: dict[str, Any], say: Any) -> None:
        report("message", text=message["text"], channel_type=message["channel_type"])
        await say(f"answer to {message['text'].removeprefix('ask ')}")

    module = importlib.import_module(f"slack_bolt.adapter.socket_mode.{CLIENT}")
    handler = module.AsyncSocketModeHandler(app, APP_TOKEN)
    await handler.connect_async()
    report("connect", ok=True)
    await asyncio.Event().wait()


report("start", version=__version__)
if CLIENT in ("aiohttp", "websockets"):
    asyncio.run(with_asyncio())
else:
    plain()
