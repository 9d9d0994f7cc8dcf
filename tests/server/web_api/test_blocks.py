"""Blocks among the arguments of ``chat``: what is refused, with which answer, and that nothing is left of it."""

from typing import Any

import pytest

from scene import Scene

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
LONG = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}
FAULT = "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
TABLE = {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}


async def arguments_of(scene: Scene, method: str) -> dict[str, Any]:
    """Return valid arguments of a method that takes blocks."""
    match method:
        case "chat.postEphemeral":
            return {"user": scene.users["bob"]}
        case "chat.update":
            return {"ts": await scene.post("relaybot", scene.general, "before")}
        case "chat.scheduleMessage":
            return {"post_at": scene.server.workspace.clock.seconds() + 3_600}
        case "chat.stopStream":
            recipient = {"recipient_user_id": scene.users["bob"], "recipient_team_id": scene.directory.team["id"]}
            started = await scene.ok(
                "relaybot", "chat.startStream", channel=scene.general, markdown_text="before", **recipient
            )
            return {"ts": started["ts"]}
        case _:
            return {}


@pytest.mark.parametrize(
    "method", ["chat.postMessage", "chat.postEphemeral", "chat.update", "chat.scheduleMessage", "chat.stopStream"]
)
async def test_blocks_that_are_not_valid_are_refused_with_every_fault(scene: Scene, method: str) -> None:
    given = await arguments_of(scene, method) | {"channel": scene.general}
    before = await scene.history("bob", scene.general)
    answer = await scene.call("relaybot", method, **given, blocks=[LONG])
    assert answer == {
        "ok": False,
        "error": "invalid_blocks",
        "errors": [FAULT],
        "response_metadata": {"messages": [f"[ERROR] {FAULT}"]},
    }
    # The page of chat.stopStream has no invalid_blocks_format.
    code = "invalid_blocks" if method == "chat.stopStream" else "invalid_blocks_format"
    assert await scene.error("relaybot", method, **given, blocks=[SECTION, 5]) == code
    assert await scene.error("relaybot", method, **given, blocks={"type": "divider"}) == code
    assert await scene.error("relaybot", method, **given, blocks="[{") == code
    assert await scene.history("bob", scene.general) == before
    await scene.ok("relaybot", method, **given, blocks=[SECTION])


async def test_a_message_has_one_table(scene: Scene) -> None:
    given = {"channel": scene.general, "text": "x"}
    await scene.ok("relaybot", "chat.postMessage", **given, blocks=[TABLE])
    answer = await scene.call("relaybot", "chat.postMessage", **given, blocks=[TABLE, TABLE])
    assert (answer["error"], answer["errors"]) == ("invalid_attachments", ["only_one_table_allowed"])


@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_blocks_in_the_chunks_of_a_stream_are_checked_too(scene: Scene, method: str) -> None:
    given = await arguments_of(scene, "chat.stopStream") | {"channel": scene.general}
    chunks = [{"type": "markdown_text", "text": "x"}, {"type": "blocks", "blocks": [SECTION, LONG]}]
    answer = await scene.call("relaybot", method, **given, chunks=chunks)
    fault = "must be less than 3001 characters [json-pointer:/chunks/1/blocks/1/text/text]"
    assert (answer["error"], answer["errors"]) == ("invalid_blocks", [fault])
    await scene.ok("relaybot", method, **given, chunks=[{"type": "blocks", "blocks": [SECTION]}])


async def test_a_stream_that_would_have_too_many_blocks_is_refused(scene: Scene) -> None:
    given = await arguments_of(scene, "chat.stopStream") | {"channel": scene.general}
    error = await scene.error("relaybot", "chat.stopStream", **given, blocks=[{"type": "divider"}] * 51)
    assert error == "msg_blocks_too_many"


async def test_blocks_without_faults_are_answered_with_ids_and_defaults(scene: Scene) -> None:
    blocks = [SECTION, {"type": "divider", "block_id": "d"}]
    answer = await scene.ok("relaybot", "chat.postMessage", channel=scene.general, blocks=blocks)
    section, divider = answer["message"]["blocks"]
    assert divider == blocks[1]
    assert section["block_id"]
    assert section["text"] == {"type": "mrkdwn", "text": "x", "verbatim": False}


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.postEphemeral", "chat.update", "chat.scheduleMessage"])
async def test_blocks_in_attachments_are_checked_too(scene: Scene, method: str) -> None:
    given = await arguments_of(scene, method) | {"channel": scene.general, "text": "x"}
    attachments = [{"text": "x"}, {"blocks": [SECTION]}, {"blocks": [SECTION, LONG]}]
    answer = await scene.call("relaybot", method, **given, attachments=attachments)
    fault = "must be less than 3001 characters [json-pointer:/attachments/2/blocks/1/text/text]"
    assert (answer["error"], answer["errors"]) == ("invalid_attachments", [fault])
    for blocks in ([5], {"type": "divider"}, "x", [{"type": "input"}], [{"type": "divider"}] * 51):
        error = await scene.error("relaybot", method, **given, attachments=[{"blocks": blocks}])
        assert error == "invalid_attachments"
    await scene.ok("relaybot", method, **given, attachments=[{"blocks": [SECTION]}, {"text": "y", "blocks": None}])
