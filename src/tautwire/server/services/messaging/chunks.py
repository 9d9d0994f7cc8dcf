"""What a stream consists of: chunks become parts, and parts become a text and blocks.

Source: wire/assistants.md#streaming-messages (documented, captured).
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from tautwire.server.services.blockkit.blocks import MAX_BLOCKS
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging.texts import from_markdown

MAX_FIELD: Final = 256
"""Characters in a field of a task or plan. Source: wire/assistants.md#streaming-messages (documented)."""
MAX_CHUNKS: Final = 100
"""Chunks of one call (ours)."""
MAX_BYTES: Final = 200_000
"""Bytes of JSON of all parts of a stream (ours)."""
_STATUSES: Final = ("pending", "in_progress", "complete", "error")

Mode = Literal["timeline", "plan"]
Part = dict[str, Any]


class Parts(msgspec.Struct):
    """A stream so far."""

    mode: Mode = "timeline"
    parts: list[Part] = []
    """Texts, tasks by ``id``, and lists of blocks, in the order in which they began."""
    plan: str = ""
    """The title of the plan."""

    def add(self, chunks: Sequence[Any]) -> None:
        """Add chunks.

        Raises:
            MethodError: invalid_chunks; msg_blocks_too_many and msg_blocks_too_long if the message would be too large.
        """
        if len(chunks) > MAX_CHUNKS:
            raise MethodError("msg_blocks_too_many")
        for chunk in chunks:
            if not isinstance(chunk, dict):
                raise MethodError("invalid_chunks")
            match chunk.get("type"):
                case "markdown_text":
                    self._add_text(_text(chunk, "text", None))
                case "task_update":
                    self._add_task(chunk)
                case "plan_update":
                    self.plan = _text(chunk, "title", MAX_FIELD)
                case "blocks" if _is_blocks(chunk.get("blocks")):
                    self.parts.append({"type": "blocks", "blocks": chunk["blocks"]})
                case _:
                    raise MethodError("invalid_chunks")
        if len(self.blocks()) > MAX_BLOCKS["message"]:
            raise MethodError("msg_blocks_too_many")
        if len(msgspec.json.encode(self)) > MAX_BYTES:
            raise MethodError("msg_blocks_too_long")

    def text(self) -> str:
        """Return all texts together, with the marks of messages."""
        return from_markdown("".join(part["text"] for part in self.parts if part["type"] == "text"))

    def blocks(self) -> list[Part]:
        """Return the blocks of the message; none if it is text alone.

        In the mode plan all tasks are in one block, where the first of them began.
        """
        if not self.plan and all(part["type"] == "text" for part in self.parts):
            return []
        cards = [_card(part) for part in self.parts if part["type"] == "task"]
        has_plan = self.mode == "plan" and (bool(cards) or bool(self.plan))
        plan = {"type": "plan", "title": self.plan, "tasks": cards}
        blocks: list[Part] = []
        for part in self.parts:
            match part["type"]:
                case "text":
                    blocks.append({"type": "markdown", "text": part["text"]})
                case "blocks":
                    blocks += part["blocks"]
                case _ if not has_plan:
                    blocks.append(_card(part))
                case _ if plan not in blocks:
                    blocks.append(plan)
        if has_plan and not cards:
            blocks.insert(0, plan)
        return blocks

    def _add_text(self, text: str) -> None:
        if self.parts and self.parts[-1]["type"] == "text":
            self.parts[-1]["text"] += text
        elif text:
            self.parts.append({"type": "text", "text": text})

    def _add_task(self, chunk: Part) -> None:
        """Begin a task, or change the one with the same id: details are appended, the other members replace."""
        name = _text(chunk, "id", MAX_FIELD)
        status = chunk.get("status", "pending")
        sources = chunk.get("sources", [])
        if not name or status not in _STATUSES or not _is_blocks(sources):
            raise MethodError("invalid_chunks")
        task = next((part for part in self.parts if part.get("id") == name), None)
        if task is None:
            task = {"type": "task", "id": name, "title": "", "details": "", "output": "", "sources": []}
            self.parts.append(task)
        task["status"] = status
        if "title" in chunk:
            task["title"] = _text(chunk, "title", MAX_FIELD)
        task["details"] += _text(chunk, "details", MAX_FIELD)
        task["output"] = _text(chunk, "output", MAX_FIELD) or task["output"]
        task["sources"] = sources or task["sources"]


def _card(task: Part) -> Part:
    """Return the block of a task. Source: wire/block-kit.md#blocks (documented)."""
    card = {"type": "task_card", "task_id": task["id"], "title": task["title"], "status": task["status"]}
    for name in ("details", "output"):
        if task[name]:
            section = {"type": "rich_text_section", "elements": [{"type": "text", "text": task[name]}]}
            card[name] = {"type": "rich_text", "elements": [section]}
    return card | ({"sources": task["sources"]} if task["sources"] else {})


def _text(chunk: Part, name: str, limit: int | None) -> str:
    text = chunk.get(name, "")
    if text is None:
        return ""
    if not isinstance(text, str) or (limit is not None and len(text) > limit):
        raise MethodError("invalid_chunks")
    return text


def _is_blocks(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)
