"""An app that shows views, as the tests play it: its methods, and its answers over Socket Mode."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from appside import AppSide, LinkSocket
from scene import Frame, Scene
from tautwire.server.services.access.features import Features, Interactivity, configure
from tautwire.server.store.queries.views import find_views_of

T = TypeVar("T")
View = dict[str, Any]


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def field(block_id: str, element: dict[str, Any], **members: Any) -> View:
    """An input block; its element has the block's name with ``a_``."""
    return {
        "type": "input", "block_id": block_id, "label": plain("Label"),
        "element": {"action_id": f"a_{block_id}", **element}, **members,
    }  # fmt: skip


def options(*values: str) -> list[View]:
    return [{"text": plain(value.title()), "value": value} for value in values]


def modal(**members: Any) -> View:
    return {
        "type": "modal", "title": plain("New ticket"), "submit": plain("File"),
        "blocks": [field("title", {"type": "plain_text_input"})], **members,
    }  # fmt: skip


def home(**members: Any) -> View:
    return {"type": "home", "blocks": [{"type": "section", "text": plain("Welcome")}], **members}


class Desk(AppSide):
    """The app."""

    def trigger(self, view: str = "", who: str = "alice") -> str:
        """Return what the app gets when a person acts, in a view or elsewhere."""
        return self.scene.server.workspace.triggers.issue(self.id, self.scene.users[who], view)

    async def open(self, view: View | None = None, who: str = "alice") -> View:
        answer = await self.scene.ok(self.name, "views.open", trigger_id=self.trigger(who=who), view=view or modal())
        return dict(answer["view"])

    async def push(self, on: str, view: View | None = None) -> View:
        return await self.scene.call(self.name, "views.push", trigger_id=self.trigger(on), view=view or modal())

    async def publish(self, view: View | None = None, who: str = "alice") -> View:
        answer = await self.scene.ok(self.name, "views.publish", user_id=self.scene.users[who], view=view or home())
        return dict(answer["view"])

    async def stored(self, who: str = "alice") -> list[str]:
        """Return the ids of the views of a user."""
        user = self.scene.users[who]
        found = await self.scene.server.workspace.reader.read(lambda query: find_views_of(query, user, count=1_000))
        return [record.id for record in found]

    async def take_part(self) -> None:
        """Have the app be asked when people act."""
        features = Features(interactivity=Interactivity(is_enabled=True))
        await self.scene.server.workspace.writer.write(lambda tx: configure(tx, self.id, features))

    async def interactive(self) -> "Listener":
        """Take part in interactions, over Socket Mode."""
        await self.take_part()
        return Listener(await self.connect())


class Listener:
    """The app's end of a connection of Socket Mode."""

    def __init__(self, socket: LinkSocket) -> None:
        self.socket = socket

    async def asked(self) -> tuple[Frame, Frame]:
        """Return the next request, its envelope and its payload; it is not answered."""
        envelope = await self.socket.frame()
        assert envelope["type"] == "interactive", envelope
        assert envelope["accepts_response_payload"] is True
        return envelope, envelope["payload"]

    async def answer(self, act: Awaitable[T], ack: View | None = None) -> tuple[T, Frame]:
        """Carry out an act that asks the app, and answer; return the result of the act, and what was asked."""
        task = asyncio.ensure_future(act)
        asked = asyncio.ensure_future(self.asked())
        await asyncio.wait([task, asked], return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            asked.cancel()
            raise AssertionError(f"the app was not asked: {await task}")
        envelope, payload = await asked
        await self.socket.ack(envelope, **({} if ack is None else {"payload": ack}))
        return await task, payload

    async def is_not_asked(self, scene: Scene) -> bool:
        """Whether the app got no request up to now: an event that comes behind it is the next frame."""
        await scene.ok("alice", "chat.postMessage", channel=scene.general, text="fence")
        envelope = await self.socket.frame()
        await self.socket.ack(envelope)
        return envelope["type"] == "events_api"
