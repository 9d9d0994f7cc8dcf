"""A program with slack_sdk's RTM client: it prints the text of each message that it gets.

Its own process, because threads of that client go on after its close. Run with the token and the URL of the Web API.
"""

import os
import sys
import threading
from typing import Any

from slack_sdk.rtm_v2 import RTMClient


def main(token: str, base_url: str) -> None:
    client = RTMClient(token=token, base_url=base_url, auto_reconnect_enabled=True, ping_interval=1)

    @client.on("message")
    def take(_: RTMClient, event: dict[str, Any]) -> None:
        os.write(1, f"{event.get('text', '')}\n".encode())  # in one piece: the client calls this in many threads

    client.connect()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
