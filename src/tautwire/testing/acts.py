"""What people do in a workspace: one function for each thing a person can do in an app."""

from typing import Any, Final

import msgspec

from tautwire.protocol.ids import ChannelId
from tautwire.testing.doors import Doors
from tautwire.testing.names import Names
from tautwire.testing.observer import Line

PRESENCES: Final = ("active", "away")


class Acts:
    """Acts as a person, through the server's doors; on the server's loop."""

    def __init__(self, doors: Doors, names: Names) -> None:
        self._doors = doors
        self._names = names

    async def say(
        self, name: str, channel: str, text: str, thread_ts: str | None = None, *, broadcast: bool | None = None
    ) -> Line:
        """Post a message; it is stored and on its way to everybody when this returns."""
        answer = await self._doors.call(
            name, "chat.postMessage", channel=self._names.channel_id(channel), text=self._names.typed(text),
            thread_ts=thread_ts, reply_broadcast=broadcast,
        )  # fmt: skip
        return _line(answer)

    async def reply(self, name: str, line: Line, text: str, *, broadcast: bool) -> Line:
        """Reply in the thread of a message."""
        thread = line.event.get("thread_ts", line.ts)
        return await self.say(name, line.channel, text, thread, broadcast=broadcast)

    async def edit(self, name: str, line: Line, text: str) -> Line:
        """Change the text of one's own message."""
        answer = await self._doors.call(
            name, "chat.update", channel=line.channel, ts=line.ts, text=self._names.typed(text)
        )
        return _line(answer)

    async def delete(self, name: str, line: Line) -> None:
        """Delete one's own message."""
        await self._doors.call(name, "chat.delete", channel=line.channel, ts=line.ts)

    async def upload(
        self, name: str, channel: str, content: str | bytes, filename: str, comment: str, title: str
    ) -> Line:
        """Upload a file; it is stored and shared when this returns."""
        data = content.encode() if isinstance(content, str) else content
        place, text = self._names.channel_id(channel), self._names.typed(comment)
        reserved = await self._doors.call(name, "files.getUploadURLExternal", filename=filename, length=str(len(data)))
        await self._doors.send(reserved["upload_url"], data)
        listed = msgspec.json.encode([{"id": reserved["file_id"], "title": title}]).decode()
        answer = await self._doors.call(
            name, "files.completeUploadExternal", files=listed, channel_id=place, initial_comment=text
        )
        (file,) = answer["files"]
        ((ts,),) = [[share["ts"] for share in shares[place]] for shares in file["shares"].values()]
        event = {"type": "message", "subtype": "file_share", "channel": place, "ts": ts, "text": text, "files": [file]}
        return Line(place, file["user"], text, ts, event | {"user": file["user"]})

    async def react(self, name: str, line: Line, emoji: str) -> None:
        """Add a reaction."""
        await self._doors.call(name, "reactions.add", channel=line.channel, timestamp=line.ts, name=emoji.strip(":"))

    async def unreact(self, name: str, line: Line, emoji: str) -> None:
        """Remove a reaction."""
        await self._doors.call(name, "reactions.remove", channel=line.channel, timestamp=line.ts, name=emoji.strip(":"))

    async def open_dm(self, name: str, other: str) -> ChannelId:
        """Return the direct channel of two, opened if it was not yet."""
        answer = await self._doors.call(name, "conversations.open", users=self._names.user_id(other))
        return ChannelId(answer["channel"]["id"])

    async def dm(self, name: str, other: str, text: str) -> Line:
        """Say something to one person or bot only."""
        return await self.say(name, await self.open_dm(name, other), text)

    async def join(self, name: str, channel: str) -> None:
        """Join a public channel."""
        await self._doors.call(name, "conversations.join", channel=self._names.channel_id(channel))

    async def leave(self, name: str, channel: str) -> None:
        """Leave a channel."""
        await self._doors.call(name, "conversations.leave", channel=self._names.channel_id(channel))

    async def type(self, name: str, channel: str, thread_ts: str | None) -> None:
        """Show that a person types."""
        await self._doors.type(name, self._names.channel_id(channel), thread_ts)

    async def set_presence(self, name: str, presence: str) -> None:
        """Be there with an open app, or be away by hand."""
        if presence not in PRESENCES:
            raise ValueError(f"presence must be one of {', '.join(PRESENCES)}, got {presence!r}")
        if presence == "active":
            await self._doors.stay_online(name)
        await self._doors.call(name, "users.setPresence", presence="auto" if presence == "active" else "away")


def _line(answer: dict[str, Any]) -> Line:
    """Return the message that chat.postMessage or chat.update answered with."""
    message, channel = answer["message"], answer["channel"]
    return Line(channel, message["user"], message["text"], answer["ts"], message | {"channel": channel})
