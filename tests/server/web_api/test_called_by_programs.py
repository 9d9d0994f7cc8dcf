"""The methods that two programs call which are built on Slack's Web API: the server has to know each.

The names come from the sources of vercel/chat (packages/adapter-slack, at c4f709fe) and from the table of methods of
agent-diff-bench/agent-diff (backend/src/services/slack/api/methods.py, at 2354987).
"""

import pytest

from scene import Scene

VERCEL_CHAT = [
    "assistant.threads.setStatus", "assistant.threads.setSuggestedPrompts", "assistant.threads.setTitle",
    "auth.test", "chat.appendStream", "chat.delete", "chat.deleteScheduledMessage", "chat.postEphemeral",
    "chat.postMessage", "chat.scheduleMessage", "chat.startStream", "chat.stopStream", "chat.update",
    "conversations.history", "conversations.info", "conversations.open", "conversations.replies",
    "files.completeUploadExternal", "files.getUploadURLExternal", "pins.add", "reactions.add", "reactions.remove",
    "usergroups.list", "users.info", "views.open", "views.publish", "views.update",
]  # fmt: skip
DOORS_OF_VERCEL_CHAT = ["apps.connections.open", "oauth.v2.access"]
"""What its Socket Mode client and its installation call besides."""
AGENT_DIFF = [
    "auth.test", "chat.delete", "chat.postMessage", "chat.update", "conversations.archive", "conversations.create",
    "conversations.history", "conversations.info", "conversations.invite", "conversations.join",
    "conversations.kick", "conversations.leave", "conversations.list", "conversations.members",
    "conversations.open", "conversations.rename", "conversations.replies", "conversations.setTopic",
    "conversations.unarchive", "reactions.add", "reactions.get", "reactions.remove", "search.all",
    "search.messages", "users.conversations", "users.info", "users.list",
]  # fmt: skip

MISSING = {"search.all", "search.messages"}
"""Names that are not served yet; a name that is served has to go from here."""


async def is_known(scene: Scene, method: str) -> bool:
    answer = await scene.request("POST", method, headers=scene.bearer("relaybot"))
    assert answer.status == 200
    return bool(answer.body["ok"]) or answer.body["error"] not in ("unknown_method", "method_deprecated")


@pytest.mark.parametrize("names", [VERCEL_CHAT, DOORS_OF_VERCEL_CHAT, AGENT_DIFF], ids=["chat", "its doors", "diff"])
async def test_every_method_that_a_program_calls_is_known(scene: Scene, names: list[str]) -> None:
    assert {name for name in names if not await is_known(scene, name)} == MISSING & {*names}


def test_the_lists_have_their_lengths() -> None:
    assert (len({*VERCEL_CHAT}), len({*AGENT_DIFF})) == (27, 27)
