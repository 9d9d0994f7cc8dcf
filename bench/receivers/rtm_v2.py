"""Counts events with slack_sdk's rtm_v2, used the way its guide shows."""

import os
import threading
from typing import Any

from slack_sdk.rtm_v2 import RTMClient
from slack_sdk.version import __version__

EVENTS = int(os.environ["EVENTS"])

rtm = RTMClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
count = characters = 0
lock = threading.Lock()  # handlers run in ten threads


@rtm.on("message")
def message(client: RTMClient, event: dict[str, Any]) -> None:
    global count, characters  # noqa: PLW0603
    with lock:
        count += 1
        characters += len(event["text"])
        if count == EVENTS:
            print(count, characters, flush=True)
            count = characters = 0


print(__version__, flush=True)
rtm.start()
