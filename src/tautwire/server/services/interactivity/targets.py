"""Where a person acts: a conversation, and a message in it with the elements and the app that it has. Reads only."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.blockkit.validation import are_objects, validate_blocks
from tautwire.server.services.channels.visible import visible_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity.elements import Found, elements_of, find_element
from tautwire.server.services.messaging.messages import Body, find_live
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.membership import find_membership
from tautwire.server.store.records import ChannelRecord


class Target(NamedTuple):
    """A message in which a person acts."""

    channel: ChannelRecord
    message: Body
    is_ephemeral: bool

    @property
    def ts(self) -> str:
        """The ts of the message."""
        return str(self.message["ts"])

    @property
    def app(self) -> str:
        """The id of the app that posted the message.

        Raises:
            Refused: no app has.
        """
        app = self.message.get("app_id")
        if not isinstance(app, str) or not app:
            raise Refused("not_interactive", "the message is not of an app, so its elements do nothing")
        return app


class Place(NamedTuple):
    """An element of a message, and all blocks among which it stands."""

    found: Found
    blocks: list[Any]
    attachment: int | None
    """The number of the attachment that has the blocks; None if they are those of the message."""


class LegacyPlace(NamedTuple):
    """A button or menu of an attachment."""

    attachment: dict[str, Any]
    action: dict[str, Any]


def find_conversation(query: Query, who: Identity, channel: str) -> ChannelRecord:
    """Return a conversation in which a person may act.

    Raises:
        MethodError: channel_not_found, not_in_channel, is_archived.
    """
    record = visible_channel(query, who, channel)
    if find_membership(query, channel, who.user) is None:
        raise MethodError("not_in_channel")
    if record.archived:
        raise MethodError("is_archived")
    return record


def find_target(query: Query, who: Identity, channel: str, ts: str, ephemeral: Body | None) -> Target:
    """Return a message that a person sees.

    Args:
        ephemeral: the message, if it is one that only the person sees.

    Raises:
        MethodError: channel_not_found, message_not_found.
    """
    record = visible_channel(query, who, channel)
    if ephemeral is not None:
        return Target(record, ephemeral, True)
    return Target(record, find_live(query, channel, ts)[1], False)


def find_place(target: Target, action_id: str, block_id: str) -> Place | None:
    """Return an element of a message; without ``block_id`` the first one with the ``action_id``."""
    for number, blocks in _all_blocks(target.message):
        found = find_element(blocks, action_id, block_id)
        if found is not None:
            return Place(found, blocks, number)
    return None


def find_legacy(target: Target, name: str, value: Any) -> LegacyPlace | None:
    """Return a button or menu of an attachment by its name; of buttons with one name the one with the value."""
    for attachment in _objects(target.message.get("attachments")):
        if not isinstance(attachment.get("callback_id"), str):
            continue
        for action in _objects(attachment.get("actions")):
            is_other = action.get("type") == "button" and value is not None and value != action.get("value")
            if action.get("name") == name and not is_other:
                return LegacyPlace(attachment, action)
    return None


def no_element(target: Target, action_id: str) -> NotFound:
    """Return the refusal of an act on an element that is not there; it names those that are."""
    there = [each.action_id for _, blocks in _all_blocks(target.message) for each in elements_of(blocks)]
    has = f"it has {', '.join(there[:10])}" if there else "it has none"
    return NotFound("unknown_element", f"the message has no element with the action_id {action_id[:80]!r}: {has}")


def _all_blocks(message: Body) -> Iterator[tuple[int | None, list[Any]]]:
    """Yield the lists of blocks of a message. Blocks in attachments are not checked when they are posted."""
    blocks = message.get("blocks")
    if isinstance(blocks, list):
        yield None, blocks
    for number, attachment in enumerate(_objects(message.get("attachments")), 1):
        blocks = attachment.get("blocks")
        if are_objects(blocks) and not validate_blocks(blocks, "message"):
            yield number, blocks


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
