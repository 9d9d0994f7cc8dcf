"""What becomes of the text of a post: links, names, Markdown; and what rides along with it."""

from typing import Any

import pytest

from scene import Scene
from tautwire.server.services.messaging import texts
from tautwire.server.services.messaging.texts import from_markdown


async def stored(scene: Scene, text: str, who: str = "alice", **arguments: Any) -> str:
    answer = await scene.ok(who, "chat.postMessage", channel=scene.general, text=text, **arguments)
    return str(answer["message"]["text"])


@pytest.mark.parametrize("arguments", [{"link_names": True}, {"parse": "full"}, {"link_names": 1, "parse": "none"}])
async def test_names_become_links_if_asked_for(scene: Scene, arguments: dict[str, Any]) -> None:
    alice, bob = f"<@{scene.users['alice']}>", f"<@{scene.users['bob']}>"
    general = f"<#{scene.general}>"

    for text, linked in {
        "@alice, @bob. (@bob)": f"{alice}, {bob}. ({bob})",
        "see #general!": f"see {general}!",
        "@here @channel @everyone": "<!here> <!channel> <!everyone>",
        "@nobody #nowhere a@bob b#general": "@nobody #nowhere a@bob b#general",
        f"{alice} <https://x.test/@bob|@bob>": f"{alice} <https://x.test/@bob|@bob>",
    }.items():
        assert await stored(scene, text, **arguments) == linked


async def test_names_stay_words_otherwise(scene: Scene) -> None:
    assert await stored(scene, "@bob #general @here") == "@bob #general @here"
    assert await stored(scene, "@bob https://x.test", parse="none") == "@bob https://x.test"
    assert await stored(scene, "@bob https://x.test", parse="client") == "@bob <https://x.test>"


async def test_a_channel_that_the_author_does_not_see_stays_a_word(scene: Scene) -> None:
    assert await stored(scene, "#ops", "bob", link_names=True) == "#ops"
    assert await stored(scene, "#ops", "alice", link_names=True) == f"<#{scene.ops}>"


async def test_only_so_many_names_are_looked_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_NAMES", 2)

    assert await stored(scene, "@x @y @bob", link_names=True) == "@x @y @bob"
    assert await stored(scene, "@x @bob @bob", link_names=True) == f"@x <@{scene.users['bob']}> <@{scene.users['bob']}>"


async def test_an_edit_links_names_too(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "x")
    answer = await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="@bob", link_names=True)

    assert answer["text"] == f"<@{scene.users['bob']}>"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**bold** and *slanted* and ~~gone~~", "*bold* and _slanted_ and ~gone~"),
        ("__bold__ snake_case_name 2*3*4", "*bold* snake_case_name 2*3*4"),
        ("# Title #\ntext", "*Title*\ntext"),
        ("## **Title**", "*Title*"),
        ("[here](https://x.test/a) ![pic](https://x.test/b.png)", "<https://x.test/a|here> <https://x.test/b.png|pic>"),
        ("- one\n  * two", "• one\n  • two"),
        ("`**code**` and\n```\n# **code**\n```", "`**code**` and\n```\n# **code**\n```"),
        ("plain <@U1> & text", "plain <@U1> & text"),
        ("", ""),
    ],
)
def test_markdown_becomes_the_marks_of_messages(markdown: str, text: str) -> None:
    assert from_markdown(markdown) == text


@pytest.mark.parametrize(
    "text", ["*" * 12_000, "[" * 12_000, "# " + "# " * 6_000, "`" * 12_000, "_a" * 6_000, "~" * 12_000]
)
def test_strange_markdown_costs_no_more_than_other_text(text: str) -> None:
    assert len(from_markdown(text)) <= len(text)


async def test_a_post_in_markdown(scene: Scene) -> None:
    arguments = {"channel": scene.general, "markdown_text": "**hi** https://x.test"}

    for method, more in (("postMessage", {}), ("postEphemeral", {"user": scene.users["bob"]})):
        bob = await scene.connect("bob")
        await scene.ok("alice", f"chat.{method}", **arguments, **more)
        assert (await bob.until("message"))["text"] == "*hi* <https://x.test>"
        await bob.close()
    assert await scene.error("alice", "chat.postMessage", **arguments, text="x") == "markdown_text_conflict"
    blocks = [{"type": "divider"}]
    assert await scene.error("alice", "chat.postMessage", **arguments, blocks=blocks) == "markdown_text_conflict"
    long = {"channel": scene.general, "markdown_text": "x" * 12_001}
    assert await scene.error("alice", "chat.postMessage", **long) == "msg_too_long"


async def test_formatting_is_turned_off(scene: Scene) -> None:
    bob = await scene.connect("bob")
    await scene.post("alice", scene.general, "*plain*", mrkdwn=False)

    assert (await bob.until("message"))["mrkdwn"] is False
    assert (await scene.history("bob", scene.general))[0]["mrkdwn"] is False
    await scene.post("alice", scene.general, "*bold*", mrkdwn=True)
    assert "mrkdwn" not in await bob.until("message")


@pytest.mark.parametrize("method", ["conversations.history", "conversations.replies"])
async def test_the_payload_of_metadata_is_returned_if_asked_for(scene: Scene, method: str) -> None:
    metadata = {"event_type": "deploy", "event_payload": {"id": 1}}
    ts = await scene.post("relaybot", scene.general, "x", metadata=metadata)

    async def read(**arguments: Any) -> Any:
        answer = await scene.ok("relaybot", method, channel=scene.general, ts=ts, **arguments)
        return answer["messages"][0]["metadata"]

    assert await read() == {"event_type": "deploy"}
    assert await read(include_all_metadata=False) == {"event_type": "deploy"}
    assert await read(include_all_metadata=True) == metadata


async def test_the_address_of_a_message(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "parent")
    reply = await scene.post("alice", scene.general, "reply", thread_ts=ts)

    async def link(message: str) -> str:
        return str(
            (await scene.ok("carol", "chat.getPermalink", channel=scene.general, message_ts=message))["permalink"]
        )

    base = scene.server.api_url.removesuffix("/api/")
    assert await link(ts) == f"{base}/archives/{scene.general}/p{ts.replace('.', '')}"
    assert await link(reply) == (
        f"{base}/archives/{scene.general}/p{reply.replace('.', '')}?thread_ts={ts}&cid={scene.general}"
    )
    assert (
        await scene.error("alice", "chat.getPermalink", channel=scene.general, message_ts="1.1") == "message_not_found"
    )
    assert await scene.error("bob", "chat.getPermalink", channel=scene.ops, message_ts=ts) == "channel_not_found"
