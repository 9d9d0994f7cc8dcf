"""Each method that slack_sdk's clients name is called through them, blocking and async, as their users do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from samples import caller_of, sample
from scene import Scene

MEMBERS: dict[str, str | tuple[str, ...]] = {
    "assistant.threads.setStatus": (),
    "assistant.threads.setSuggestedPrompts": (),
    "assistant.threads.setTitle": (),
    "auth.revoke": "revoked",
    "auth.teams.list": ("teams", "response_metadata"),
    "bots.info": "bot",
    "chat.appendStream": ("channel", "ts"),
    "chat.deleteScheduledMessage": (),
    "chat.getPermalink": ("channel", "permalink"),
    "chat.meMessage": ("channel", "ts"),
    "chat.postEphemeral": "message_ts",
    "chat.postMessage": ("channel", "ts", "message"),
    "chat.scheduleMessage": ("channel", "scheduled_message_id", "post_at", "message"),
    "chat.scheduledMessages.list": ("scheduled_messages", "response_metadata"),
    "chat.startStream": ("channel", "ts"),
    "chat.stopStream": ("channel", "ts", "message"),
    "chat.unfurl": (),
    "chat.update": ("channel", "ts", "text", "message"),
    "files.completeUploadExternal": "files",
    "files.delete": (),
    "files.getUploadURLExternal": ("upload_url", "file_id"),
    "files.info": ("file", "comments", "paging"),
    "files.list": ("files", "paging"),
    "files.revokePublicURL": "file",
    "files.sharedPublicURL": ("file", "comments"),
    "pins.add": (),
    "pins.list": "items",
    "pins.remove": (),
    "reactions.get": ("type", "channel", "message"),
    "reactions.list": ("items", "paging", "response_metadata"),
}
"""Methods, and the members of their answers beside ``ok``. Source: wire/web-api-methods.md."""


def name_in_sdk(method: str) -> str:
    """Return the name of a method in slack_sdk's clients: ``chat_postMessage``."""
    return method.replace(".", "_")


@pytest.mark.parametrize("method", sorted(MEMBERS))
async def test_a_method_answers_slack_sdk(scene: Scene, method: str) -> None:
    who = caller_of(method)
    base, token = scene.server.api_url, scene.tokens[who]
    blocking: Callable[..., Any] = getattr(WebClient(token, base), name_in_sdk(method))
    async_: Callable[..., Any] = getattr(AsyncWebClient(token, base), name_in_sdk(method))
    more = {"thread_ts": await scene.post("bob", scene.general, "x")} if method == "chat.startStream" else {}

    first = await async_(**await sample(scene, who, method, scene.general), **more)
    second = await asyncio.to_thread(blocking, **await sample(scene, who, method, scene.general), **more)
    for answer in (first, second):
        wanted = MEMBERS[method]
        names = {wanted} if isinstance(wanted, str) else set(wanted)
        assert set(answer.data) - {"ok", "warning"} == names


async def test_an_error_is_one_of_slack_sdk(scene: Scene) -> None:
    client = AsyncWebClient(scene.tokens["relaybot"], scene.server.api_url)

    with pytest.raises(SlackApiError) as caught:
        await client.pins_add(channel="C0", timestamp="1.1")
    assert caught.value.response["error"] == "channel_not_found"


async def test_a_stream_of_slack_sdk_arrives_as_one_message(scene: Scene) -> None:
    """``chat_stream`` buffers, begins with what it has, and stops with the rest."""
    client = AsyncWebClient(scene.tokens["relaybot"], scene.server.api_url)
    question = await scene.post("alice", scene.general, "question")
    stream = await client.chat_stream(
        channel=scene.general,
        thread_ts=question,
        recipient_user_id=scene.users["alice"],
        recipient_team_id=scene.directory.team["id"],
        buffer_size=8,
    )
    for part in ("An ", "answer ", "in ", "**parts**."):
        await stream.append(markdown_text=part)
    await stream.stop()

    replies = await scene.ok("alice", "conversations.replies", channel=scene.general, ts=question)
    (answer,) = [message for message in replies["messages"] if message["ts"] != question]
    assert answer["text"] == "An answer in *parts*."
    assert answer["streaming_state"] == "completed"
