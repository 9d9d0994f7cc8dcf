"""A sandbox for one run of an agent: create a workspace, let the agent act, see what it did, delete the workspace.

Start `tautwire serve`, then run this with HOST_URL and HOST_SECRET from host.json in the data directory.
"""

import json
import os
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient

SEED = {
    "users": [{"name": "ann"}],
    "bots": [{"name": "agent"}],
    "channels": [{"name": "general"}, {"name": "incidents"}],
}


def operate(url: str, secret: str, operation: str, **arguments: Any) -> dict[str, Any]:
    place = urlsplit(url)
    connection = HTTPConnection(place.netloc, timeout=30)
    headers = {"Authorization": f"Bearer {secret}"}
    connection.request("POST", place.path + operation, json.dumps(arguments), headers)
    response = connection.getresponse()
    answer: dict[str, Any] = json.load(response)
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{operation}: {answer['error']['message']}")
    return answer


def run_agent(api_url: str, token: str, channels: dict[str, str]) -> None:
    """Do what the agent was asked to: here, answer ann, and announce the outage. Yours calls a model."""
    slack = WebClient(token=token, base_url=api_url)
    question = slack.conversations_history(channel=channels["general"])["messages"][0]
    slack.reactions_add(channel=channels["general"], timestamp=question["ts"], name="eyes")
    slack.chat_postMessage(channel=channels["incidents"], text="The mail server is down since 9:40.")


def main() -> None:
    host, secret = os.environ["HOST_URL"], os.environ["HOST_SECRET"]
    box = operate(host, secret, "workspaces.create", seed=SEED, name="mail outage", ephemeral=True)
    own = box["control"]
    try:
        operate(own["url"], own["secret"], "say", user="ann", channel="general", text="Is mail down? Tell the others.")
        operate(own["url"], own["secret"], "workspaces.snapshot", name="asked")

        run_agent(box["api_url"], box["users"]["agent"]["token"], box["channels"])

        changes = operate(own["url"], own["secret"], "workspaces.diff", from_snapshot="asked")["changes"]
        for each in changes["messages"]["posted"]:
            print(f"#{each['channel_name']} {each['user_name']}: {each['text']}")
        for each in changes["reactions"]["added"]:
            print(f"#{each['channel_name']} {each['user_name']} reacted with :{each['name']}:")
        posted = [(each["channel_name"], each["user_name"]) for each in changes["messages"]["posted"]]
        print("passed" if posted == [("incidents", "agent")] and changes["count"] == 2 else "failed")
    finally:
        operate(host, secret, "workspaces.delete", workspace=box["workspace"]["id"])


if __name__ == "__main__":
    main()
