"""What alice does with an app: she asks, uses its command, presses its button and fills in its modal."""

from conformance.inbox import Record
from conformance.person import Person, RtmSocket
from conformance.server import ServerProcess

FIRST_WORDS = 60.0
"""Seconds for an answer of an app that may still start."""


class Conversation:
    """Alice and the app."""

    def __init__(self, alice: Person, socket: RtmSocket, desk: str) -> None:
        self._alice = alice
        self._desk = desk
        self.socket = socket

    async def hear(self, text: str, within: float) -> Record:
        return await self.socket.inbox.take(type="message", user=self._desk, text=text, within=within)

    async def ask(self, channel: str, text: str, *, within: float = FIRST_WORDS) -> None:
        await self._alice.post(channel, f"ask {text}")
        answer = await self.hear(f"answer to {text}", within)
        assert answer["channel"] == channel


async def interact(server: ServerProcess, talk: Conversation, channel: str) -> None:
    """Use the app's command, the button that it posts, and the modal that a click on that opens."""
    there = {"user": "alice", "channel": channel}
    used = await server.act("command", **there, text="/ticket button")
    assert used["error"] is None, used
    assert [message["text"] for message in used["shown"]] == ["got button"], used
    posted = await talk.hear("A ticket", FIRST_WORDS)
    clicked = await server.act("click", **there, ts=posted["ts"], action_id="take")
    assert clicked["error"] is None, clicked
    view = (await server.act("views.get", user="alice", callback_id="ticket"))["view"]
    await talk.socket.inbox.take(subtype="message_changed", within=FIRST_WORDS)
    filled = {"user": "alice", "view_id": view["id"]}
    refused = await server.act("submit", **filled, values={"title": {"text": "no"}})
    assert (refused["outcome"], refused["errors"]) == ("errors", {"title": "too short"}), refused
    filed = await server.act("submit", **filled, values={"title": {"text": "printer"}})
    assert (filed["error"], filed["view"]) == (None, None), filed
    await talk.hear("filed printer", FIRST_WORDS)
