"""A bot on slack_sdk's rtm_v2, as its documentation shows it: no address is given."""

import os

from slack_sdk.rtm_v2 import RTMClient

rtm = RTMClient(token=os.environ["SLACK_BOT_TOKEN"])


@rtm.on("message")
def hello(client, event):
    if event.get("text") == "hello":
        client.web_client.chat_postMessage(channel=event["channel"], text="hello from slack_sdk")


rtm.start()
