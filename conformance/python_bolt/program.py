"""A bot on Bolt for Python written the way its guide shows; what it is asked to do: ../README.md.

``SOCKET_MODE_CLIENT`` names the client of slack_sdk on which Bolt runs: builtin, aiohttp, websocket_client, websockets;
``http`` the server of Bolt on ``PORT``.
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
TOKEN, URL = os.environ["SLACK_BOT_TOKEN"], os.environ["SLACK_API_URL"]
APP_TOKEN = os.environ.get("SLACK_APP_TOKEN")


BUTTON = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "A ticket"}},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "take", "text": {"type": "plain_text", "text": "Take"}, "value": "7"}
        ],
    },
]


def modal(channel: str) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": "ticket",
        "private_metadata": channel,
        "title": {"type": "plain_text", "text": "Ticket"},
        "submit": {"type": "plain_text", "text": "File"},
        "blocks": [
            {
                "type": "input",
                "block_id": "title",
                "label": {"type": "plain_text", "text": "Title"},
                "element": {"type": "plain_text_input", "action_id": "text"},
            }
        ],
    }


def title_of(view: dict[str, Any]) -> str:
    return str(view["state"]["values"]["title"]["text"]["value"])


def report(step: str, **facts: Any) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def plain() -> None:
    secret = os.environ.get("SLACK_SIGNING_SECRET")
    app = App(token=TOKEN, signing_secret=secret, client=WebClient(token=TOKEN, base_url=URL))

    @app.event("app_mention")
    def mentioned(event: dict[str, Any], say: Any) -> None:
        say(f"you called: {event['text'].partition('> ')[2]}")

    @app.message("ask ")
    def asked(message: dict[str, Any], say: Any) -> None:
        report("message", text=message["text"], channel_type=message["channel_type"])
        say(f"answer to {message['text'].removeprefix('ask ')}")

    @app.command("/ticket")
    def ticket(command: dict[str, Any], ack: Any, say: Any) -> None:
        ack(f"got {command['text']}")
        if command["text"] == "button":
            say(text="A ticket", blocks=BUTTON)

    @app.action("take")
    def take(body: dict[str, Any], ack: Any, client: Any, respond: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal(body["channel"]["id"]))
        respond(text=f"taken {body['actions'][0]['value']}", replace_original=True)

    @app.view("ticket")
    def file(view: dict[str, Any], ack: Any, client: Any) -> None:
        if title_of(view) == "no":
            ack(response_action="errors", errors={"title": "too short"})
            return
        ack()
        client.chat_postMessage(channel=view["private_metadata"], text=f"filed {title_of(view)}")

    if CLIENT == "http":
        app.start(port=int(os.environ["PORT"]))
        return
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

    @app.command("/ticket")
    async def ticket(command: dict[str, Any], ack: Any, say: Any) -> None:
        await ack(f"got {command['text']}")
        if command["text"] == "button":
            await say(text="A ticket", blocks=BUTTON)

    @app.action("take")
    async def take(body: dict[str, Any], ack: Any, client: Any, respond: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=modal(body["channel"]["id"]))
        await respond(text=f"taken {body['actions'][0]['value']}", replace_original=True)

    @app.view("ticket")
    async def file(view: dict[str, Any], ack: Any, client: Any) -> None:
        if title_of(view) == "no":
            await ack(response_action="errors", errors={"title": "too short"})
            return
        await ack()
        await client.chat_postMessage(channel=view["private_metadata"], text=f"filed {title_of(view)}")

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
