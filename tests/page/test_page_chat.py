"""What a person does in the chat of the web page, by clicking and typing, and what others then see."""

import asyncio
import re
import time

import pytest
from playwright.async_api import Page, Route, expect

from looking import PATIENCE, Place, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


SENT = 'article:not([data-ts^="9999999999"])'
"""Messages that the server has: until then they have the last place of all, and cannot be edited."""


async def write(page: Page, text: str) -> None:
    field = page.get_by_role("textbox", name="Message")
    await field.fill(text)
    await field.press("Enter")


async def test_a_message_is_posted_and_the_answer_comes_live(place: Place) -> None:
    page = await place.look()

    await write(page, "is anyone there? @bob")
    await expect(page.get_by_role("article", name="alice")).to_contain_text("is anyone there?")
    found = await place.operate("wait", kind="message", channel="general", contains="anyone", after=None, timeout=1)
    await place.operate(
        "say", user="bob", channel="general", text="*yes* <@" + place.directory.users["alice"]["id"] + ">"
    )

    answer = page.get_by_role("article", name="bob")
    await expect(answer).to_contain_text("yes @alice")
    await expect(answer.locator("strong", has_text="yes")).to_be_visible()
    assert found is not None


async def test_a_thread_is_opened_and_answered(place: Place) -> None:
    said = await place.operate("say", user="bob", channel="general", text="what broke?")
    await place.operate("reply", user="bob", channel="general", ts=said["ts"], text="the build")
    page = await place.look()

    await page.get_by_role("button", name="1 reply").click()
    await expect(page.get_by_role("region", name="Thread")).to_contain_text("the build")
    reply = page.get_by_role("textbox", name="Reply as alice")
    await reply.fill("I look")
    await reply.press("Enter")

    await expect(page.get_by_role("region", name="Thread")).to_contain_text("I look")
    await expect(page.get_by_role("button", name="Close thread")).to_be_visible()
    history = await place.desk("conversations.replies", channel=said["channel"], ts=said["ts"])
    assert [each["text"] for each in history["messages"]] == ["what broke?", "the build", "I look"]


async def test_a_reaction_is_added_and_taken_back(place: Place) -> None:
    said = await place.operate("say", user="bob", channel="general", text="done")
    await place.operate("react", user="bob", channel="general", ts=said["ts"], name="tada")
    page = await place.look()

    mine = page.get_by_role("button", name="tada, 2, you reacted")
    await page.get_by_role("button", name="tada, 1").click()
    await expect(mine).to_be_visible()
    await mine.click()
    await expect(page.get_by_role("button", name="tada, 1")).to_be_visible()

    await page.get_by_role("article", name="bob").hover()
    await page.get_by_role("button", name="Add a reaction").click()
    await page.get_by_role("textbox", name="Find an emoji").fill("rocket")
    await page.get_by_role("button", name="rocket", exact=True).click()
    await expect(page.get_by_role("button", name="rocket, 1, you reacted")).to_be_visible()


async def test_what_happens_while_messages_are_read_again_is_not_lost(place: Place) -> None:
    said = await place.operate("say", user="bob", channel="general", text="done")
    page = await (await place.window()).new_page()
    reads = 0

    async def hold(route: Route) -> None:
        nonlocal reads
        posted = route.request.post_data or ""
        reads += "oldest" not in posted and "latest" not in posted
        answer = await route.fetch()
        if reads == 2:  # the one behind hello: an answer from before the reaction
            reads += 1
            await place.operate("react", user="bob", channel="general", ts=said["ts"], name="tada")
            await expect(page.get_by_role("button", name="tada, 1")).to_be_visible()
            await route.fulfill(response=answer)
            await place.operate("say", user="bob", channel="general", text="later")
        else:
            await route.fulfill(response=answer)

    await page.route("**/api/conversations.history", hold)
    await page.goto(await place.link())
    await expect(page.get_by_role("article").filter(has_text="later")).to_be_visible()
    await expect(page.get_by_role("button", name="tada, 1")).to_be_visible()


async def test_a_message_is_edited_and_deleted_and_its_earlier_text_can_be_seen(place: Place) -> None:
    page = await place.look()
    await write(page, "at 14:00")
    mine = page.get_by_role("article", name="alice")
    await expect(mine.and_(page.locator(SENT))).to_contain_text("at 14:00")

    await page.get_by_role("textbox", name="Message").press("ArrowUp")
    field = page.get_by_role("textbox", name="New text")
    await field.fill("at 15:00")
    await field.press("Enter")
    await expect(mine).to_contain_text("at 15:00")
    await mine.get_by_role("button", name="edited").click()
    await expect(mine.locator("s")).to_have_text("at 14:00")

    await mine.hover()
    await mine.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete message").click()
    await expect(page.get_by_role("article")).to_have_count(0)
    await expect(page.get_by_text("No messages in")).to_be_visible()


async def test_a_bot_is_invited_by_a_command(place: Place) -> None:
    page = await place.look()
    await page.get_by_role("link", name="lounge").click()
    field = page.get_by_role("textbox", name="Message #lounge")

    await field.fill("/invite desk")
    await field.press("Enter")
    await expect(page.get_by_text("write @ and the name of a person or a bot")).to_be_visible()

    await field.fill("/invite @desk")
    await field.press("Enter")
    await expect(page.get_by_role("feed", name="Messages in #lounge")).to_contain_text("desk")
    channels = (await place.desk("users.conversations"))["channels"]
    assert "lounge" in {channel["name"] for channel in channels}


async def test_a_new_text_stays_in_its_field_when_the_message_changes_meanwhile(place: Place) -> None:
    page = await place.look()
    message = await place.operate("say", user="alice", channel="general", text="at 14:00")
    mine = page.get_by_role("article", name="alice")
    await expect(mine).to_contain_text("at 14:00")

    await page.get_by_role("textbox", name="Message").press("ArrowUp")
    field = page.get_by_role("textbox", name="New text")
    await field.fill("at 15:00")
    await place.operate("react", user="bob", channel="general", ts=message["ts"], name="wave")
    await place.operate("say", user="bob", channel="general", text="after the reaction")
    await expect(page.get_by_role("article", name="bob")).to_contain_text("after the reaction")

    await expect(field).to_have_value("at 15:00")
    await field.press("Enter")
    await expect(mine).to_contain_text("at 15:00")


async def test_unread_messages_are_counted_until_the_conversation_is_opened(place: Place) -> None:
    page = await place.look()

    await place.operate("say", user="bob", channel="lounge", text="one")
    await place.operate("say", user="bob", channel="lounge", text="two")
    entry = page.get_by_role("link", name=re.compile(r"lounge\W+2 unread"))
    await expect(entry).to_be_visible()
    await entry.click()

    await expect(page.get_by_role("feed", name="Messages in #lounge")).to_contain_text("two")
    await expect(page.get_by_role("link", name=re.compile(r"^lounge$"))).to_be_visible()


async def test_what_comes_fast_is_said_to_be_read_once_a_second_and_in_the_end(place: Place) -> None:
    """Else a busy channel has the page make a call for each message, and freeze."""
    page = await place.look()
    marks: list[str] = []
    page.on("request", lambda each: marks.append(each.post_data or "") if "conversations.mark" in each.url else None)
    began = time.monotonic()

    said = [await place.operate("say", user="bob", channel="general", text=f"message {each}") for each in range(100)]
    await expect(page.get_by_role("article").last).to_contain_text("message 99")

    while not marks or said[-1]["ts"] not in marks[-1]:
        await page.wait_for_event("request")
    assert len(marks) <= time.monotonic() - began + 2


async def test_a_direct_message_is_begun_and_typing_and_presence_are_shown(place: Place) -> None:
    page = await place.look()

    await page.get_by_role("button", name="Start a conversation").click()
    await page.get_by_role("combobox", name="Write to").fill("bo")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Messages in bob")).to_be_visible()
    await write(page, "psst")
    await expect(page.get_by_role("link", name=re.compile(r"bob\W+away"))).to_be_visible()

    other = await place.look(at="")
    await other.get_by_role("button", name="Acting as").click()
    await other.get_by_role("option", name="bob").click()
    await expect(page.get_by_role("link", name=re.compile(r"bob\W+active"))).to_be_visible()
    await other.get_by_role("link", name="alice").click()
    await expect(other.get_by_role("region", name="Conversation", exact=True)).to_contain_text("psst")
    await other.get_by_role("textbox", name="Message").press_sequentially("hi")
    await expect(page.get_by_text("bob is typing")).to_be_visible()


async def test_two_people_stand_side_by_side(place: Place) -> None:
    page = await place.look()

    await page.get_by_role("button", name="Put a second person beside").click()
    await page.get_by_role("option", name="bob").click()
    second = page.get_by_role("region", name="Conversation, second person")
    await expect(second.get_by_role("textbox", name="as bob")).to_be_visible()
    await second.get_by_role("textbox", name="as bob").fill("from the right")
    await second.get_by_role("button", name="Send").click()

    await expect(page.get_by_role("region", name="Conversation", exact=True)).to_contain_text("from the right")
    await page.get_by_role("button", name="Close the second person").click()
    await expect(second).to_be_hidden()


async def test_a_file_is_sent_and_saved(place: Place) -> None:
    page = await place.look()

    await page.locator("input[type=file]").first.set_input_files(
        {"name": "note.txt", "mimeType": "text/plain", "buffer": b"forty-two"}
    )
    await page.get_by_role("textbox", name="Message").fill("see this")
    await page.get_by_role("button", name="Send").click()
    card = page.get_by_role("button", name="Save note.txt")
    await expect(card).to_be_visible()
    async with page.expect_download() as download:
        await card.click()

    assert (await (await download.value).path()).read_bytes() == b"forty-two"
    assert (await download.value).suggested_filename == "note.txt"


async def test_a_message_is_found_and_shown_in_its_place(place: Place) -> None:
    await place.operate("say", user="bob", channel="lounge", text="the needle is here")
    for number in range(130):
        await place.operate("say", user="bob", channel="lounge", text=f"hay {number}")
    page = await place.look()

    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox", name="Search").fill("needle")
    await page.get_by_role("option", name="the needle is here").click()

    await expect(page.get_by_role("article").filter(has_text="needle")).to_be_in_viewport()


async def say_much(place: Place, channel: str = "lounge") -> str:
    """Say more than a screen shows, and less than is read at once; return the address of the first."""
    said = await place.operate("say", user="bob", channel=channel, text="the needle is here")
    for number in range(40):
        await place.operate("say", user="bob", channel=channel, text=f"hay {number}")
    return f"chat/{said['channel']}/{said['ts']}"


async def test_a_message_is_shown_in_its_place_in_a_channel_not_opened_before(place: Place) -> None:
    page = await place.look(at=await say_much(place))

    await expect(page.get_by_role("article").filter(has_text="needle")).to_be_in_viewport()


async def test_a_message_is_shown_in_its_place_in_a_channel_opened_before(place: Place) -> None:
    address = await say_much(place)
    page = await place.look()
    await page.get_by_role("link", name="lounge").click()
    await expect(page.get_by_text("hay 39")).to_be_in_viewport()
    await page.get_by_role("link", name="general").click()
    await expect(page.get_by_role("heading", name="general", exact=True)).to_be_visible()

    await page.goto(f"{place.origin}/_page/#/{address}")

    await expect(page.get_by_role("article").filter(has_text="needle")).to_be_in_viewport()


async def hold(page: Page, method: str, with_argument: str = "") -> tuple[asyncio.Event, asyncio.Event]:
    """Hold back the answers of a method; return what is set when it was called, and what lets the answers come."""
    asked, may_come = asyncio.Event(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        if with_argument in (route.request.post_data or ""):
            asked.set()
            await may_come.wait()
        await route.fulfill(response=answer)

    await page.route(f"**/api/{method}", answer_late)
    return asked, may_come


async def test_a_message_is_shown_in_its_place_in_a_channel_that_is_being_opened(place: Place) -> None:
    """What the channel is comes late: the page does not know it, since alice is not in it."""
    address = await say_much(place, "quiet")
    page = await place.look()
    asked, may_come = await hold(page, "conversations.info")
    await page.goto(f"{place.origin}/_page/#/{address.rpartition('/')[0]}")
    await asyncio.wait_for(asked.wait(), PATIENCE)
    await page.goto(f"{place.origin}/_page/#/{address}")
    for _ in range(5):  # long enough for the messages, if the page asks for them too early
        await page.evaluate("fetch('/healthz').then(() => true)")
    may_come.set()
    await expect(page.get_by_role("heading", name="quiet", exact=True)).to_be_visible()

    await expect(page.get_by_role("article").filter(has_text="needle")).to_be_in_viewport()


async def test_a_message_that_is_looked_for_is_not_missed_in_the_channel_opened_meanwhile(place: Place) -> None:
    """The older messages of the first channel come late."""
    for number in range(130):
        said = await place.operate("say", user="bob", channel="lounge", text=f"hay {number}")
    page = await place.look()
    asked, may_come = await hold(page, "conversations.history", with_argument="latest")
    await page.goto(f"{place.origin}/_page/#/chat/{said['channel']}/1700000000.000001")
    await asyncio.wait_for(asked.wait(), PATIENCE)
    await page.get_by_role("link", name="general").click()
    await expect(page.get_by_role("heading", name="general", exact=True)).to_be_visible()
    async with page.expect_event("requestfinished", lambda request: "latest" in (request.post_data or "")):
        may_come.set()
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    await expect(page.get_by_text("This message is not there any more")).to_have_count(0)


async def test_a_channel_is_joined(place: Place) -> None:
    page = await place.look()

    await page.get_by_role("button", name="Make or join a channel").click()
    await page.get_by_role("button", name="Join quiet").click()
    await expect(page.get_by_role("feed", name="Messages in #quiet")).to_be_visible()
    await write(page, "here I am")

    await expect(page.get_by_role("feed", name="Messages in #quiet")).to_contain_text("here I am")


async def test_what_one_reads_stays_in_its_place_while_messages_come(place: Place) -> None:
    for number in range(60):
        await place.operate("say", user="bob", channel="general", text=f"line {number}")
    page = await place.look()
    feed = page.get_by_role("feed")
    await expect(feed.get_by_text("line 59")).to_be_visible()

    await feed.hover()
    await page.mouse.wheel(0, -1500)
    await until(page, "document.querySelector('.feed').scrollTop < document.querySelector('.feed').scrollHeight - 1500")
    seen = await page.evaluate(TOP)
    for number in range(5):
        await place.operate("say", user="bob", channel="general", text=f"new {number}")

    pill = page.get_by_role("button", name="5 new")
    await expect(pill).to_be_visible()
    assert await page.evaluate(TOP) == seen
    await pill.click()
    await expect(feed.get_by_text("new 4")).to_be_in_viewport()


TOP = """() => {
  const top = document.querySelector('.feed').getBoundingClientRect().top;
  const row = [...document.querySelectorAll('.feed article')].find((each) => each.getBoundingClientRect().top >= top);
  return [row.dataset.ts, Math.round(row.getBoundingClientRect().top - top)];
}"""
