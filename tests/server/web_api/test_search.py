"""search.messages and search.all: who finds what, and in which shape."""

import asyncio
import itertools
import random
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from scene import Scene


async def found(scene: Scene, who: str, query: str, **arguments: Any) -> list[str]:
    """Return the texts of the matches."""
    answer = await scene.ok(who, "search.messages", query=query, **arguments)
    return [match["text"] for match in answer["messages"]["matches"]]


async def test_a_message_is_found_by_its_words_as_soon_as_it_is_posted(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "The printer is on fire")

    answer = await scene.ok("bob", "search.messages", query="PRINTER fire")

    (match,) = answer["messages"]["matches"]
    assert match.pop("iid")
    assert match.pop("permalink").endswith(f"/archives/{scene.general}/p{ts.replace('.', '')}")
    channel = match.pop("channel")
    assert match == {
        "team": scene.server.workspace.team.id, "type": "message", "user": scene.users["alice"], "username": "alice",
        "ts": ts, "text": "The printer is on fire", "no_reactions": True,
    }  # fmt: skip
    assert channel == {
        "id": scene.general, "name": "general", "name_normalized": "general", "is_channel": True, "is_group": False,
        "is_im": False, "is_mpim": False, "is_shared": False, "is_org_shared": False, "is_ext_shared": False,
        "is_pending_ext_shared": False, "is_private": False, "pending_shared": [],
    }  # fmt: skip
    assert {name: value for name, value in answer["messages"].items() if name != "matches"} == {
        "total": 1,
        "pagination": {"total_count": 1, "page": 1, "per_page": 20, "page_count": 1, "first": 1, "last": 1},
        "paging": {"count": 20, "total": 1, "page": 1, "pages": 1},
    }
    assert answer["query"] == "PRINTER fire"


async def test_everyone_reads_public_channels_and_only_members_the_others(scene: Scene) -> None:
    await scene.post("alice", scene.general, "needle in public")
    await scene.post("alice", scene.ops, "needle in private")
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    await scene.post("alice", direct, "needle in direct")
    group = await scene.ok("alice", "conversations.open", users=f"{scene.users['bob']},{scene.users['relaybot']}")
    await scene.post("alice", group["channel"]["id"], "needle in group")

    assert await found(scene, "alice", "needle") == [
        "needle in group", "needle in direct", "needle in private", "needle in public",
    ]  # fmt: skip
    assert await found(scene, "bob", "needle") == ["needle in group", "needle in direct", "needle in public"]
    assert await found(scene, "carol", "needle") == ["needle in public"]
    for query in (
        f"in:{scene.ops}", "in:ops", "in:#ops needle", f"in:<#{scene.ops}>", f"in:{direct}", "is:dm",
        "from:alice is:dm", "-in:general", "to:bob", "with:bob", "-zzz -in:general",
    ):  # fmt: skip
        assert await found(scene, "carol", query) == [], query


async def test_who_leaves_a_channel_finds_nothing_in_it_any_more(scene: Scene) -> None:
    await scene.post("alice", scene.ops, "needle")
    await scene.ok("alice", "conversations.invite", channel=scene.ops, users=scene.users["bob"])
    assert await found(scene, "bob", "needle") == ["needle"]

    await scene.ok("bob", "conversations.leave", channel=scene.ops)

    assert await found(scene, "bob", "needle") == []


async def test_bots_may_not_search(scene: Scene) -> None:
    for name in ("search.messages", "search.all"):
        assert await scene.error("relaybot", name, query="needle") == "not_allowed_token_type"


@pytest.mark.parametrize("query", ["", "   ", None])
async def test_a_query_is_needed(scene: Scene, query: str | None) -> None:
    for name in ("search.messages", "search.all"):
        assert await scene.error("alice", name, query=query) == "no_query"


async def test_a_query_is_no_longer_than_a_thousand_characters(scene: Scene) -> None:
    assert await found(scene, "alice", "a " * 500) == []
    assert await found(scene, "alice", "-a " * 333) == []
    assert await found(scene, "alice", "from:alice " * 90) == []
    assert await found(scene, "alice", "is:thread " * 100) == []
    assert await scene.error("alice", "search.messages", query="a" * 1_001) == "invalid_arguments"


async def test_an_edit_changes_what_is_found(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "before")
    await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="afterwards")

    assert await found(scene, "bob", "before") == []
    assert await found(scene, "bob", "afterwards") == ["afterwards"]


async def test_a_deleted_message_leaves_the_index(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "secret parent")
    reply = await scene.post("bob", scene.general, "secret reply", thread_ts=ts)

    await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)  # a tombstone stays
    assert await found(scene, "bob", "secret") == ["secret reply"]
    assert await found(scene, "bob", "deleted") == []
    await scene.ok("bob", "chat.delete", channel=scene.general, ts=reply)
    assert await found(scene, "bob", "secret") == []
    entries = await scene.server.workspace.reader.read(lambda query: query.all("SELECT words FROM search_entry"))
    assert not [row for row in entries if "secret" in row["words"]]


async def test_an_ephemeral_message_is_not_found(scene: Scene) -> None:
    await scene.ok("alice", "chat.postEphemeral", channel=scene.general, user=scene.users["bob"], text="needle")

    assert await found(scene, "bob", "needle") == []


async def test_an_rtm_message_is_found(scene: Scene) -> None:
    socket = await scene.connect("alice")
    await socket.say(scene.general, "needle over the socket")

    assert await found(scene, "bob", "needle") == ["needle over the socket"]


WORDS = [
    ("Crème brûlée", "creme BRULEE", True),
    ("naïve café", "cafe", True),
    ("STRASSE", "straße", True),
    ("ﬁne print", "fine", True),
    ("one-two_three", "two", True),
    ("one-two three", '"two three"', True),
    ("one two three", '"one three"', False),
    ("one two three", '"three two"', False),
    ("report", "rep*", True),
    ("report", "re*", False),
    ("report", "rep", False),
    ("a report", '"rep*"', False),
    ("東京都に行く", "東京", True),
    ("東京都に行く", "京都", True),
    ("東京都に行く", "京都に", True),
    ("東京都に行く", "都", True),
    ("東京都に行く", "京東", False),
    ("안녕하세요 여러분", "하세요", True),
    ("see <https://example.test/some/path|the page>", "example.test/some", True),
    ("see <https://example.test/some/path|the page>", "page", True),
    ("a &amp; b &lt;tag&gt;", "tag", True),
    ("one two", "one -two", False),
    ("one two", "one -three", True),
    ("one two", 'one -"one two"', False),
    ("one two", 'one -"two one"', True),
    ("one two", "-thr*", True),
    ("three", "-thr*", False),
    ("one", "-one", False),
    ("what:ever it is", "what:ever", True),
    ("it is on:holiday", "on:holiday", True),
    ("one", "-", False),
    ("one", "!!! ???", False),
    ("one", '"', False),
    ("one two", '"one two', True),
    ("percent a%b_c", "a%b_c", True),
    ("percent axbxc", "a%b_c", False),
]


@pytest.mark.parametrize(("text", "query", "is_found"), WORDS)
async def test_words(scene: Scene, text: str, query: str, is_found: bool) -> None:
    await scene.post("alice", scene.general, text, parse="none")

    assert (await found(scene, "bob", query) != []) == is_found


DAY = 86_400


@pytest.fixture
async def desk(scene: Scene) -> dict[str, str]:
    """Some messages: what is replaced in the queries below."""
    clock = scene.clock
    clock.offset += 1_800_000_000 - clock.seconds()  # 2027-01-15 08:00 UTC, a Friday
    await scene.post("alice", scene.general, "x old")
    clock.offset += DAY
    parent = await scene.post("alice", scene.general, "x parent")
    await scene.post("bob", scene.general, f"x reply to <@{scene.users['alice']}>", thread_ts=parent)
    await scene.post("relaybot", scene.general, "x by a bot")
    clock.offset += DAY
    linked = await scene.post("alice", scene.ops, "x https://example.test/")
    await scene.ok("alice", "reactions.add", channel=scene.ops, timestamp=linked, name="eyes")
    await scene.ok("relaybot", "pins.add", channel=scene.general, timestamp=parent)
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    await scene.post("alice", direct, "x to bob")
    await scene.post("bob", direct, "x to alice")
    return {"alice": scene.users["alice"], "bob": scene.users["bob"], "general": scene.general, "direct": direct}


OLD, PARENT, REPLY, BOT, LINKED, TO_BOB, TO_ALICE = "old", "parent", "reply", "bot", "linked", "to bob", "to alice"
ALL = {OLD, PARENT, REPLY, BOT, LINKED, TO_BOB, TO_ALICE}
OF_ALICE = {OLD, PARENT, LINKED, TO_BOB}
MODIFIERS = [
    ("x", ALL),
    ("from:alice", OF_ALICE),
    ("from:@alice", OF_ALICE),
    ("FROM:@Alice", OF_ALICE),
    ("from:me", OF_ALICE),
    ("from:@me", OF_ALICE),
    ("from:<@{alice}>", OF_ALICE),
    ("from:{alice}", OF_ALICE),
    ('from:"Alice Example"', OF_ALICE),
    ("from:relaybot", {BOT}),
    ("from:bob from:relaybot", {REPLY, BOT, TO_ALICE}),
    ("from:bob from:stranger", {REPLY, TO_ALICE}),
    ("from:stranger", set()),
    ("-from:alice", ALL - OF_ALICE),
    ("-from:stranger", ALL),
    ("x -from:me -from:bob", {BOT}),
    ("in:general", {OLD, PARENT, REPLY, BOT}),
    ("in:#general", {OLD, PARENT, REPLY, BOT}),
    ("in:{general}", {OLD, PARENT, REPLY, BOT}),
    ("in:<#{general}|general>", {OLD, PARENT, REPLY, BOT}),
    ("in:general in:ops", {OLD, PARENT, REPLY, BOT, LINKED}),
    ("in:nowhere", set()),
    ("-in:general", {LINKED, TO_BOB, TO_ALICE}),
    ("in:@bob", {TO_BOB, TO_ALICE}),
    ("in:<@{bob}> from:me", {TO_BOB}),
    ("in:@stranger", set()),
    ("to:me", {TO_ALICE}),
    ("to:@bob", {TO_BOB}),
    ("-to:me -to:bob", ALL - {TO_BOB, TO_ALICE}),
    ("to:stranger", set()),
    ("with:bob", {PARENT, REPLY, TO_BOB, TO_ALICE}),
    ("with:bob with:relaybot", set()),
    ("has:link", {LINKED}),
    ("-has:link", ALL - {LINKED}),
    ("has:file", set()),
    ("has:pin", {PARENT}),
    ("-has:pin in:general", {OLD, REPLY, BOT}),
    ("has:reaction", {LINKED}),
    ("has::eyes:", {LINKED}),
    ("has::wave:", set()),
    ("hasmy::eyes:", {LINKED}),
    ("-hasmy::eyes:", ALL - {LINKED}),
    ("has:star", set()),
    ("is:saved", set()),
    ("is:thread", {PARENT, REPLY}),
    ("-is:thread in:general", {OLD, BOT}),
    ("is:dm", {TO_BOB, TO_ALICE}),
    ("on:2027-01-15", {OLD}),
    ("on:01/16/2027", {PARENT, REPLY, BOT}),
    ("on:today", {LINKED, TO_BOB, TO_ALICE}),
    ("on:yesterday x", {PARENT, REPLY, BOT}),
    ("after:2027-01-15", ALL - {OLD}),
    ("before:2027-01-16", {OLD}),
    ("after:2027-01-15 before:2027-01-17", {PARENT, REPLY, BOT}),
    ("after:2027-01-17", set()),
    ("-on:today", {OLD, PARENT, REPLY, BOT}),
    ("-before:2027-01-16", ALL - {OLD}),
    ("-after:2027-01-15", {OLD}),
    ("during:2027-01", ALL),
    ("during:2027", ALL),
    ("during:2026", set()),
    ("during:january", ALL),
    ("during:dec", set()),
    ("during:week", ALL),
    ("during:month", ALL),
    ("during:year", ALL),
    ("before:2027", set()),
    ("on:2027-13-45", set()),
    ("before:9998 after:0001", ALL),
    ("@alice", {REPLY, TO_ALICE}),
    ("<@{alice}>", {REPLY}),
    ("x from:alice in:general -is:thread before:today", {OLD}),
]


@pytest.mark.only_on("sqlite", "postgres")
async def test_modifiers(scene: Scene, desk: dict[str, str]) -> None:
    names = {
        "x old": OLD, "x parent": PARENT, "x by a bot": BOT, "x <https://example.test/>": LINKED, "x to bob": TO_BOB,
        "x to alice": TO_ALICE,
    }  # fmt: skip
    failures = []
    for query, wanted in MODIFIERS:
        texts = await found(scene, "alice", query.format(**desk))
        got = {names.get(text, REPLY) for text in texts}
        if got != wanted or len(texts) != len(got):
            failures.append((query, got, wanted))
    assert failures == []


async def test_pages(scene: Scene) -> None:
    for number in range(7):
        await scene.post("alice", scene.general, f"needle {number}")
    await scene.post("alice", scene.general, "straw")

    first = (await scene.ok("bob", "search.messages", query="needle", count=3))["messages"]
    assert [match["text"] for match in first["matches"]] == ["needle 6", "needle 5", "needle 4"]
    assert first["pagination"] == {
        "total_count": 7, "page": 1, "per_page": 3, "page_count": 3, "first": 1, "last": 3,
    }  # fmt: skip
    last = (await scene.ok("bob", "search.messages", query="needle", count=3, page=3))["messages"]
    assert [match["text"] for match in last["matches"]] == ["needle 0"]
    assert (last["pagination"]["first"], last["pagination"]["last"]) == (7, 7)
    for page in (4, 101, 10**9):
        behind = (await scene.ok("bob", "search.messages", query="needle", count=3, page=page))["messages"]
        assert (behind["matches"], behind["total"]) == ([], 7)
        assert (behind["pagination"]["first"], behind["pagination"]["last"]) == (1, 0)
    everything = (await scene.ok("bob", "search.messages", query="needle", count=10**9))["messages"]
    assert everything["paging"] == {"count": 100, "total": 7, "page": 1, "pages": 1}
    assert await found(scene, "bob", "needle", sort="timestamp", sort_dir="asc", count=2) == ["needle 0", "needle 1"]
    assert await found(scene, "bob", "needle", count=0, page=-1) == ["needle 6"]


@pytest.mark.parametrize("sort_dir", ["asc", "desc"])
async def test_pages_by_cursor_skip_and_repeat_nothing_while_messages_come(scene: Scene, sort_dir: str) -> None:
    for number in range(5):
        await scene.post("alice", scene.general, f"needle {number}")
    cursor, texts = "*", []
    for number in itertools.count(5):
        answer = await scene.ok("bob", "search.messages", query="needle", count=2, cursor=cursor, sort_dir=sort_dir)
        texts += [match["text"] for match in answer["messages"]["matches"]]
        cursor = answer["response_metadata"]["next_cursor"]
        if not cursor:
            break
        if number < 7:
            await scene.post("alice", scene.general, f"needle {number}")
    numbers = [int(text.split()[1]) for text in texts]
    assert numbers == ([4, 3, 2, 1, 0] if sort_dir == "desc" else [0, 1, 2, 3, 4, 5, 6])
    for wrong in ("x", "bmV4dDo=", "bmV4dDoqIEM="):
        assert await scene.error("bob", "search.messages", query="needle", cursor=wrong) == "invalid_cursor"


async def test_highlights_are_around_the_words_and_cannot_be_forged(scene: Scene) -> None:
    await scene.post("alice", scene.general, "Needle \ue000forged\ue001 needles a\u0301 need needle &amp; 針の山")

    (plain,) = await found(scene, "bob", "needle")
    assert plain == "Needle forged needles a\u0301 need needle &amp; 針の山"
    (marked,) = await found(scene, "bob", "needle", highlight=1)
    assert marked == "\ue000Needle\ue001 forged needles a\u0301 need \ue000needle\ue001 &amp; 針の山"
    (marked,) = await found(scene, "bob", "needl* 針の", highlight="true")
    assert (
        marked
        == "\ue000Needle\ue001 forged \ue000needles\ue001 a\u0301 need \ue000needle\ue001 &amp; \ue000針の\ue001山"
    )


async def test_a_reply_is_linked_with_its_thread_and_a_direct_message_named_by_the_other_user(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "parent")
    await scene.post("bob", scene.general, "needle", thread_ts=parent)
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    await scene.post("bob", direct, "needle")

    answer = await scene.ok("alice", "search.messages", query="needle")

    in_direct, reply = answer["messages"]["matches"]
    assert reply["permalink"].endswith(f"?thread_ts={parent}&cid={scene.general}")
    assert (in_direct["channel"]["is_im"], in_direct["channel"]["name"]) == (True, scene.users["bob"])
    assert in_direct["channel"]["user"] == scene.users["bob"]


async def test_system_messages_are_not_found(scene: Scene) -> None:
    await scene.ok("carol", "conversations.join", channel=scene.general)

    assert await found(scene, "alice", "in:general") == []
    assert await found(scene, "alice", "joined") == []


async def test_what_a_bot_attaches_is_found(scene: Scene) -> None:
    await scene.post("relaybot", scene.general, "build", attachments=[{"text": "needle", "fallback": "straw"}])

    assert await found(scene, "bob", "needle straw build") == ["build"]


async def test_search_all_has_messages_and_the_other_kinds(scene: Scene) -> None:
    await scene.post("alice", scene.general, "needle")

    answer = await scene.ok("bob", "search.all", query="needle")

    assert [match["text"] for match in answer["messages"]["matches"]] == ["needle"]
    assert (answer["files"]["matches"], answer["posts"]["matches"]) == ([], [])


async def test_the_python_sdk_searches(scene: Scene) -> None:
    await scene.post("alice", scene.general, "needle")
    client = AsyncWebClient(scene.tokens["bob"], base_url=scene.server.api_url)

    answer = await client.search_messages(query="needle", highlight=True, sort="timestamp")
    assert answer["messages"]["matches"][0]["text"] == "\ue000needle\ue001"
    assert (await client.search_all(query="needle"))["messages"]["total"] == 1


async def test_the_python_sdk_without_asyncio_searches(scene: Scene) -> None:
    await scene.post("alice", scene.general, "needle")
    client = WebClient(scene.tokens["bob"], base_url=scene.server.api_url)

    answer = await asyncio.to_thread(client.search_messages, query="needle", count=5, page=1)
    assert answer["messages"]["matches"][0]["text"] == "needle"
    bot = WebClient(scene.tokens["relaybot"], base_url=scene.server.api_url)
    with pytest.raises(SlackApiError) as caught:
        await asyncio.to_thread(bot.search_messages, query="needle")
    assert caught.value.response["error"] == "not_allowed_token_type"


ALPHABET = [
    '"', "'", "-", "*", "(", ")", ":", "<", ">", "@", "#", "|", "%", "_", "\\", "\0", "AND", " OR ", "NOT", "NEAR(",
    "from:", "in:", "on:", "has:", "§", "§fu", "\ue000", "é", "東", "\ud7ff", "😀", "a", "b c", " ", "2027-01-01",
    "me", "{", "}", "^", "+", ";--", "&", "!", "$1", "?", "\u0301", "ⅷ", "²",
]  # fmt: skip


async def test_no_query_fails(scene: Scene) -> None:
    await scene.post("alice", scene.general, "a b c é 東")
    chance = random.Random(7)
    for _ in range(300):
        query = "".join(chance.choices(ALPHABET, k=chance.randint(1, 12)))
        answer = await scene.call("alice", "search.messages", query=query)
        assert answer["ok"] or answer["error"] == "no_query", query


async def test_a_mark_cannot_be_searched_for(scene: Scene) -> None:
    await scene.post("alice", scene.general, "needle")

    assert await found(scene, "bob", f"§f{scene.users['alice']}") == []
    assert await found(scene, "bob", f"needle§c{scene.general}") == []
