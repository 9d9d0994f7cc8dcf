"""A loop on slackclient 1.x, as its README shows it, which connects again by itself."""

import os
import time

import requests
from slackclient import SlackClient
from slackclient.server import SlackConnectionError

client = SlackClient(os.environ["SLACK_API_TOKEN"])


def answer() -> None:
    for event in client.rtm_read():
        if event.get("type") == "message" and event.get("text") == "hello":
            client.rtm_send_message(event["channel"], "hello from slackclient")


while True:
    try:
        if client.rtm_connect(with_team_state=False):
            while client.server.connected:
                answer()
                time.sleep(0.1)
    except (OSError, SlackConnectionError, requests.RequestException) as error:
        print("again in a second:", error)
    time.sleep(1)
