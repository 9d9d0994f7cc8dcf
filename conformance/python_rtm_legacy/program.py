"""A bot on slack_sdk's first RTM client (aiohttp), written the way its guide shows; its orders: ../README.md."""

import asyncio
import json
import os
import threading
from typing import Any

import aiohttp
from slack_sdk.rtm import RTMClient
from slack_sdk.version import __version__

asked_to_leave = asyncio.Event()
one_line = threading.Lock()


def report(step: str, **facts: Any) -> None:
    # print() writes the line and its end in two pieces, between which a listener's thread may write its own line.
    with one_line:
        print(json.dumps({"step": step, **facts}), flush=True)


@RTMClient.run_on(event="open")
async def opened(data: dict[str, Any], **payload: Any) -> None:
    report("connect", ok=bool(data["self"]["id"] and data["team"]["id"]))


@RTMClient.run_on(event="hello")
async def hello(**payload: Any) -> None:
    report("hello")


@RTMClient.run_on(event="message")
async def message(rtm_client: RTMClient, data: dict[str, Any], **payload: Any) -> None:
    report("message", user=data["user"], channel=data["channel"], text=data["text"], ts=data["ts"])
    word, _, rest = data["text"].partition(" ")
    if word == "say":
        await rtm_client.send_over_websocket(
            payload={"id": 700, "type": "message", "channel": data["channel"], "text": rest}
        )
    elif word == "type":
        await rtm_client.typing(channel=data["channel"])
    elif word == "watch":
        await rtm_client.send_over_websocket(payload={"type": "presence_sub", "ids": [data["user"]]})
        await rtm_client.send_over_websocket(payload={"type": "presence_query", "ids": [data["user"]]})
    elif word == "leave":
        asked_to_leave.set()
        await rtm_client.async_stop()


@RTMClient.run_on(event="Unknown")  # this client's name for a frame without a type, which an acknowledgement is
async def reply(data: dict[str, Any], **payload: Any) -> None:
    report("ack", ok=data["ok"] and data["reply_to"] == 700, ts=data.get("ts"), text=data.get("text"))


@RTMClient.run_on(event="user_typing")
async def user_typing(data: dict[str, Any], **payload: Any) -> None:
    report("user_typing", user=data["user"], channel=data["channel"])


@RTMClient.run_on(event="presence_change")
async def presence_change(data: dict[str, Any], **payload: Any) -> None:
    report("presence_change", users=data.get("users") or [data["user"]], presence=data["presence"])


async def main() -> None:
    report("start", version=__version__)
    while not asked_to_leave.is_set():
        rtm = RTMClient(
            token=os.environ["SLACK_BOT_TOKEN"],
            base_url=os.environ["SLACK_API_URL"],
            run_async=True,
            loop=asyncio.get_running_loop(),
        )
        try:
            await rtm.start()
        except aiohttp.ClientError:
            report("note", text="its `start()` ends when it finds the server away; the program calls it again")
            await asyncio.sleep(0.5)
    report("disconnect")


asyncio.run(main())
