"""A loop on slackclient 1.x, as its README shows it."""

import os
import time

from slackclient import SlackClient

client = SlackClient(os.environ["SLACK_API_TOKEN"])
if not client.rtm_connect(with_team_state=False, auto_reconnect=True):
    raise SystemExit("connection failed")
while True:
    for event in client.rtm_read():
        if event.get("type") == "message" and event.get("text") == "hello":
            client.rtm_send_message(event["channel"], "hello from slackclient")
    time.sleep(0.1)
