"""An app with views on Bolt for Python in Socket Mode: modals, their submissions and closings, options, and a Home."""

import json
import logging
import os
import threading
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

logging.basicConfig(level=logging.INFO)

TOKEN, URL, APP_TOKEN = (os.environ[name] for name in ("SLACK_BOT_TOKEN", "SLACK_API_URL", "SLACK_APP_TOKEN"))

app = App(token=TOKEN, client=WebClient(token=TOKEN, base_url=URL))


def report(step: str, **facts: Any) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def ticket(title: str = "New ticket") -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": "ticket_new",
        "title": plain(title),
        "submit": plain("File"),
        "private_metadata": "draft-7",
        "notify_on_close": True,
        "blocks": [
            {
                "type": "input",
                "block_id": "b_title",
                "label": plain("Title"),
                "element": {"type": "plain_text_input", "action_id": "a_title"},
            },
            {
                "type": "input",
                "block_id": "b_room",
                "label": plain("Room"),
                "optional": True,
                "element": {"type": "conversations_select", "action_id": "a_room", "response_url_enabled": True},
            },
            {
                "type": "input",
                "block_id": "b_owner",
                "label": plain("Owner"),
                "optional": True,
                "element": {"type": "external_select", "action_id": "owner", "min_query_length": 2},
            },
            {
                "type": "actions",
                "block_id": "b_btn",
                "elements": [{"type": "button", "action_id": "add_row", "text": plain("Add"), "value": "1"}],
            },
        ],
    }


@app.shortcut("ticket_from_anywhere")
def open_modal(ack: Any, body: dict[str, Any], client: WebClient) -> None:
    ack()
    view = client.views_open(trigger_id=body["trigger_id"], view=ticket())["view"]
    report("opened", id=view["id"])
    try:
        client.views_open(trigger_id=body["trigger_id"], view=ticket())
    except SlackApiError as error:
        report("refused", error=error.response["error"])


@app.action("add_row")
def add_row(ack: Any, body: dict[str, Any], client: WebClient) -> None:
    ack()
    report("action", body=body)
    try:
        pushed = client.views_push(trigger_id=body["trigger_id"], view=ticket("One more"))["view"]
        report("pushed", id=pushed["id"])
    except SlackApiError as error:
        report("refused", error=error.response["error"])


@app.options("owner")
def owners(ack: Any, body: dict[str, Any], payload: dict[str, Any]) -> None:
    report("options", body=body)
    ack(options=[{"text": plain("Boris"), "value": "U0BORIS01"}] if payload["value"] == "bo" else [])


@app.view("ticket_new")
def submitted(ack: Any, body: dict[str, Any], view: dict[str, Any], respond: Any) -> None:
    title = view["state"]["values"]["b_title"]["a_title"]["value"]
    report("submitted", body=body)
    if title == "no":
        ack(response_action="errors", errors={"b_title": "Too short"})
    elif title == "again":
        ack(response_action="update", view=ticket("Once more"))
    elif title == "more":
        ack(response_action="push", view=ticket("On top"))
    elif title == "enough":
        ack(response_action="clear")
    else:
        ack()
        if body["response_urls"]:
            respond(text=f"filed: {title}", response_type="in_channel")


@app.view_closed("ticket_new")
def closed(ack: Any, body: dict[str, Any]) -> None:
    ack()
    report("closed", body=body)


@app.event("app_home_opened")
def at_home(event: dict[str, Any], client: WebClient) -> None:
    report("home", event=event)
    if event["tab"] == "home" and "view" not in event:
        blocks = [{"type": "section", "text": plain("Welcome")}, *ticket()["blocks"][3:]]
        client.views_publish(user_id=event["user"], view={"type": "home", "callback_id": "front", "blocks": blocks})
        report("published")


SocketModeHandler(app, APP_TOKEN).connect()
report("connect", ok=True)
threading.Event().wait()
