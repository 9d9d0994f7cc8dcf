"""What apps show on the web page, and what reaches them when a person acts: buttons, menus, commands, modals, Home."""

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import expect

from looking import PATIENCE, Answer, Place

pytestmark = pytest.mark.asyncio(loop_scope="module")


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


CARD = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Deploy* `api`?"}},
    {
        "type": "actions",
        "block_id": "ask",
        "elements": [
            {"type": "button", "action_id": "approve", "style": "primary", "text": plain("Approve"), "value": "yes"},
            {
                "type": "static_select",
                "action_id": "how",
                "placeholder": plain("How"),
                "options": [{"text": plain("One at a time"), "value": "one"}, {"text": plain("All"), "value": "all"}],
            },
            {"type": "datepicker", "action_id": "day"},
            {"type": "users_select", "action_id": "who", "placeholder": plain("Who")},
        ],
    },
]

MODAL = {
    "type": "modal",
    "callback_id": "report",
    "title": plain("Report a problem"),
    "submit": plain("Send report"),
    "blocks": [
        {
            "type": "input",
            "block_id": "what",
            "label": plain("What happened"),
            "element": {"type": "plain_text_input", "action_id": "text", "multiline": True},
        },
        {
            "type": "input",
            "block_id": "bad",
            "label": plain("How bad"),
            "element": {
                "type": "radio_buttons",
                "action_id": "level",
                "options": [{"text": plain("Some notice"), "value": "some"}, {"text": plain("All do"), "value": "all"}],
            },
        },
    ],
}


class Desk:
    """The app: it keeps what it gets, and answers as the test says."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[str, Answer]] = asyncio.Queue()
        self.answers: dict[str, Answer] = {}

    async def react(self, kind: str, payload: Answer) -> Answer | None:
        name = str(payload.get("type") or kind)
        await self.got.put((name, payload))
        return self.answers.get(name)

    async def next(self, wanted: str) -> Answer:
        """Return the next request of a kind."""
        while True:
            name, payload = await asyncio.wait_for(self.got.get(), PATIENCE)
            if name == wanted:
                return payload


async def test_a_button_reaches_the_app_and_its_answer_is_seen(place: Place) -> None:
    desk, channel = Desk(), place.directory.channels["general"]
    page = await place.look()
    async with place.app(desk.react):
        posted = await place.desk("chat.postMessage", channel=channel, text="Deploy?", blocks=CARD)
        card = page.get_by_role("article", name="desk")
        await card.get_by_role("button", name="Approve").click()

        pressed = await desk.next("block_actions")
        assert pressed["user"]["name"] == "alice"
        assert [(each["action_id"], each["value"]) for each in pressed["actions"]] == [("approve", "yes")]
        await place.desk("chat.update", channel=channel, ts=posted["ts"], text="approved", blocks=[])
        await expect(card).to_contain_text("approved")


async def test_menus_dates_and_people_reach_the_app(place: Place) -> None:
    desk, channel = Desk(), place.directory.channels["general"]
    page = await place.look()
    async with place.app(desk.react):
        await place.desk("chat.postMessage", channel=channel, text="Deploy?", blocks=CARD)
        card = page.get_by_role("article", name="desk")

        await card.get_by_role("combobox", name="How").select_option("all")
        (chosen,) = (await desk.next("block_actions"))["actions"]
        assert chosen["selected_option"]["value"] == "all"

        await card.get_by_label("Choose").fill("2026-03-10")
        (chosen,) = (await desk.next("block_actions"))["actions"]
        assert chosen["selected_date"] == "2026-03-10"

        await card.get_by_role("button", name="Who").click()
        await page.get_by_role("option", name="bob").click()
        (chosen,) = (await desk.next("block_actions"))["actions"]
        assert chosen["selected_user"] == place.directory.users["bob"]["id"]


async def test_an_app_that_is_not_connected_is_told_at_the_button(place: Place) -> None:
    await place.desk("chat.postMessage", channel=place.directory.channels["general"], text="Deploy?", blocks=CARD)
    page = await place.look()

    await page.get_by_role("button", name="Approve").click()

    await expect(page.get_by_role("article", name="desk").get_by_role("alert")).to_contain_text("The app")


async def test_a_command_opens_a_modal_that_is_filled_in_and_sent(place: Place) -> None:
    desk = Desk()
    page = await place.look()
    async with place.app(desk.react):
        field = page.get_by_role("textbox", name="Message")
        await field.fill("/ticket the build")
        await field.press("Enter")
        command = await desk.next("slash_commands")
        assert (command["command"], command["text"], command["user_name"]) == ("/ticket", "the build", "alice")
        await place.desk("views.open", trigger_id=command["trigger_id"], view=MODAL)

        modal = page.get_by_role("dialog", name="Report a problem")
        await modal.get_by_role("textbox", name="What happened").fill("slow")
        await modal.get_by_label("Some notice").check()
        refused = {"response_action": "errors", "errors": {"what": "Please write at least 10 characters."}}
        desk.answers["view_submission"] = refused
        await modal.get_by_role("button", name="Send report").click()
        await expect(modal.get_by_role("textbox", name="What happened")).to_have_accessible_description(
            "Please write at least 10 characters."
        )
        await expect(modal.get_by_role("textbox", name="What happened")).to_be_focused()
        await desk.next("view_submission")

        desk.answers.clear()
        await modal.get_by_role("textbox", name="What happened").fill("slow since noon")
        await modal.get_by_role("button", name="Send report").click()
        sent = (await desk.next("view_submission"))["view"]["state"]["values"]
        assert sent["what"]["text"]["value"] == "slow since noon"
        assert sent["bad"]["level"]["selected_option"]["value"] == "some"
        await expect(modal).to_be_hidden()


async def test_a_modal_that_the_app_changes_is_shown_anew_and_escape_closes_it(place: Place) -> None:
    desk = Desk()
    page = await place.look()
    async with place.app(desk.react):
        field = page.get_by_role("textbox", name="Message")
        await field.fill("/ticket")
        await field.press("Enter")
        command = await desk.next("slash_commands")
        opened = await place.desk(
            "views.open", trigger_id=command["trigger_id"], view=MODAL | {"notify_on_close": True}
        )
        await expect(page.get_by_role("dialog", name="Report a problem")).to_be_visible()

        changed = MODAL | {"title": plain("Loaded"), "notify_on_close": True}
        await place.desk("views.update", view_id=opened["view"]["id"], view=changed)
        await expect(page.get_by_role("dialog", name="Loaded")).to_be_visible()
        await page.keyboard.press("Escape")

        await desk.next("view_closed")
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_the_home_of_an_app_is_opened_and_its_button_pressed(place: Place) -> None:
    desk = Desk()
    page = await place.look()
    async with place.app(desk.react):
        await page.get_by_role("link", name="desk").click()
        await expect(page.get_by_text("has published no Home")).to_be_visible()
        view = {"type": "home", "blocks": [{"type": "header", "text": plain("Your deploys")}, CARD[1]]}
        await place.desk("views.publish", user_id=place.directory.users["alice"]["id"], view=view)

        await expect(page.get_by_role("heading", name="Your deploys")).to_be_visible()
        await page.get_by_role("button", name="Approve").click()
        assert (await desk.next("block_actions"))["view"]["type"] == "home"


async def test_a_message_shortcut_reaches_the_app(place: Place) -> None:
    desk = Desk()
    said = await place.operate("say", user="bob", channel="general", text="file this")
    page = await place.look()
    async with place.app(desk.react):
        await page.get_by_role("article", name="bob").hover()
        await page.get_by_role("button", name="More actions").click()
        await page.get_by_role("option", name="File it").click()

        used = await desk.next("message_action")
        assert (used["callback_id"], used["message"]["ts"]) == ("file_it", said["ts"])


async def test_a_message_for_one_person_is_marked_and_an_answer_grows(place: Place) -> None:
    page = await place.look()
    channel, alice = place.directory.channels["general"], place.directory.users["alice"]["id"]
    said = await place.operate("say", user="alice", channel="general", text="what happened?")

    await place.desk("chat.postEphemeral", channel=channel, user=alice, text="a secret")
    await expect(page.get_by_role("article", name="desk")).to_contain_text("Only alice sees this")

    args = {"channel": channel, "thread_ts": said["ts"]}
    recipient = {"recipient_user_id": alice, "recipient_team_id": place.directory.team["id"]}
    begun = await place.desk("chat.startStream", **args, **recipient, markdown_text="Three ")
    await page.get_by_role("button", name="1 reply").click()
    thread = page.get_by_role("region", name="Thread")
    await expect(thread).to_contain_text("answering")
    await place.desk("chat.appendStream", channel=channel, ts=begun["ts"], markdown_text="**alerts**")
    await expect(thread.locator("strong", has_text="alerts")).to_be_visible()
    await place.desk("chat.stopStream", channel=channel, ts=begun["ts"])
    await expect(thread.get_by_text("answering")).to_have_count(0)


async def test_blocks_that_are_not_known_are_shown_as_json(place: Place) -> None:
    page = await place.look()
    blocks = [{"type": "video", "title": plain("T"), "video_url": "https://example.test/v", "alt_text": "How to",
               "thumbnail_url": "https://example.test/t.png"}]  # fmt: skip

    channel = place.directory.channels["general"]
    posted = await place.desk("chat.postMessage", channel=channel, text="x", blocks=blocks)
    await page.get_by_text("is not drawn here. Show its JSON").click()
    await expect(page.locator("details.raw pre")).to_be_visible()
    await place.operate("react", user="bob", channel="general", ts=posted["ts"], name="tada")
    await expect(page.get_by_role("button", name="tada, 1")).to_be_visible()  # it is drawn anew

    shown = await page.locator("details.raw pre").inner_text()
    assert json.loads(shown)["alt_text"] == "How to"
