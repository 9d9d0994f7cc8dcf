"""chat.unfurl: what an app shows below a message for its links."""

from typing import Any

import pytest

from scene import Scene
from tautwire.server.services.messaging import unfurls

URL = "https://tickets.test/7?a=1&amp;b=2"
PLAIN = "https://tickets.test/7?a=1&b=2"


async def test_a_link_is_shown_to_all_members_and_the_message_is_not_edited(scene: Scene) -> None:
    own = [{"text": "own", "id": 1}]
    ts = await scene.post("alice", scene.general, f"see {URL} and <https://b.test|b>", attachments=own)
    bob = await scene.connect("bob")
    unfurled = {PLAIN: {"text": "Ticket 7"}, "https://b.test": {"text": "B"}}
    await scene.ok("relaybot", "chat.unfurl", channel=scene.general, ts=ts, unfurls=unfurled)

    (changed,) = await bob.fence()
    assert (changed["subtype"], changed["message"]["ts"]) == ("message_changed", ts)
    assert "edited" not in changed["message"]
    assert changed["previous_message"]["attachments"] == own
    first, ticket, other = changed["message"]["attachments"]
    assert first["text"] == "own"
    assert (ticket["text"], ticket["from_url"], ticket["is_app_unfurl"]) == ("Ticket 7", PLAIN, True)
    assert ticket["bot_id"] == (await scene.ok("relaybot", "auth.test"))["bot_id"]
    assert [each["id"] for each in (first, ticket, other)] == [1, 2, 3]
    assert (await scene.history("bob", scene.general))[0]["attachments"] == changed["message"]["attachments"]


async def test_a_second_unfurl_replaces_the_first(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, URL)
    for text in ("open", "closed"):
        await scene.ok("relaybot", "chat.unfurl", channel=scene.general, ts=ts, unfurls={PLAIN: {"text": text}})

    (shown,) = (await scene.history("bob", scene.general))[0]["attachments"]
    assert shown["text"] == "closed"


async def test_attachments_that_are_no_objects_do_no_harm(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, URL, attachments=["x", 1])
    await scene.ok("relaybot", "chat.unfurl", channel=scene.general, ts=ts, unfurls={PLAIN: {"text": "x"}})


async def test_what_cannot_be_unfurled(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ts = await scene.post("alice", scene.general, URL)
    secret = await scene.post("alice", scene.ops, URL)
    shown = {PLAIN: {"text": "x"}}

    async def error(who: str = "bob", **arguments: Any) -> str:
        given = {"channel": scene.general, "ts": ts, "unfurls": shown} | arguments
        return await scene.error(who, "chat.unfurl", **given)

    assert await error(channel="") == "missing_channel"
    assert await error(ts="") == "missing_ts"
    assert await error(unfurls=None) == "missing_unfurls"
    assert await error(unfurls=["x"]) == "invalid_unfurls_format"
    assert await error(unfurls={PLAIN: "x"}) == "cannot_parse_attachment"
    assert await error(unfurls={"https://else.test": {"text": "x"}}) == "cannot_unfurl_url"
    assert await error(channel="C0") == "cannot_find_channel"
    assert await error(channel=scene.ops, ts=secret) == "cannot_find_channel"
    assert await error(ts="1.1") == "cannot_find_message"
    assert await error(source="composer", unfurl_id="1.2") == "invalid_unfurl_id"
    assert await error(source="elsewhere") == "invalid_source"
    monkeypatch.setattr(unfurls, "MAX_BYTES", 100)
    assert await error(unfurls={PLAIN: {"text": "x" * 100}}) == "cannot_unfurl_message"
