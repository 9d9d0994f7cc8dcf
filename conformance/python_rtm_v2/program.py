"""A bot on slack_sdk's rtm_v2 client, written the way its guide shows; what it is asked to do: ../README.md."""

import json
import os
import threading
from typing import Any

from slack_sdk.rtm_v2 import RTMClient
from slack_sdk.version import __version__

rtm = RTMClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
asked_to_leave = threading.Event()
one_line = threading.Lock()


def report(step: str, **facts: Any) -> None:
    # print() writes the line and its end in two pieces, between which a listener's thread may write its own line.
    with one_line:
        print(json.dumps({"step": step, **facts}), flush=True)


@rtm.on("hello")
def hello(client: RTMClient, event: dict[str, Any]) -> None:
    report("hello")


@rtm.on("message")
def message(client: RTMClient, event: dict[str, Any]) -> None:
    report("message", user=event["user"], channel=event["channel"], text=event["text"], ts=event["ts"])
    word, _, rest = event["text"].partition(" ")
    if word == "say":
        client.send({"id": 7, "type": "message", "channel": event["channel"], "text": rest})
    elif word == "type":
        client.send({"id": 8, "type": "typing", "channel": event["channel"]})
    elif word == "watch":
        client.send({"id": 9, "type": "presence_sub", "ids": [event["user"]]})
        client.send({"id": 10, "type": "presence_query", "ids": [event["user"]]})
    elif word == "leave":
        asked_to_leave.set()


@rtm.on("*")
def reply(client: RTMClient, event: dict[str, Any]) -> None:
    if "type" not in event and "reply_to" in event:
        report("ack", ok=event["ok"] and event["reply_to"] == 7, ts=event.get("ts"), text=event.get("text"))


@rtm.on("user_typing")
def user_typing(client: RTMClient, event: dict[str, Any]) -> None:
    report("user_typing", user=event["user"], channel=event["channel"])


@rtm.on("presence_change")
def presence_change(client: RTMClient, event: dict[str, Any]) -> None:
    report("presence_change", users=event.get("users") or [event["user"]], presence=event["presence"])


report("start", version=__version__)
rtm.connect()
report("connect", ok=rtm.is_connected())
asked_to_leave.wait()
report("note", text="its `close()` does not last by itself: the program sets `auto_reconnect_enabled = False` first")
rtm.auto_reconnect_enabled = False
rtm.close()
report("disconnect")
