"""Checks of the frames that a client sends: the members that a server needs, of the types it needs.

A frame is checked before it waits for anything, so that a mistake is raised where it was made.
``tautwire.session.client`` numbers frames and limits their size.
"""

from collections.abc import Mapping
from typing import Any, Final

from tautwire.protocol.errors import LocalProtocolError, SendError
from tautwire.protocol.split import MAX_LENGTH

MAX_TEXT_LENGTH: Final = MAX_LENGTH
"""Code points of a message text."""

_SHOWN: Final = 60
"""Characters of a wrong value that an error shows."""


class FrameError(SendError, LocalProtocolError, ValueError):
    """A frame must not be sent as it is: it is too long, not an object, has a wrong member, or an id in use."""


def check_members(kind: str, frame: object) -> None:
    """Check that a frame has the members that its type needs. A type that is not known may have any.

    Args:
        kind: the type of the frame.
        frame: a frame, or the members of one.

    Raises:
        FrameError: a member is missing, empty, too long or of the wrong type; the text names it.
    """
    match kind:
        case "message":
            _check_text("channel", frame)
            _check_text("text", frame)
            length = len(member(frame, "text"))
            if length > MAX_TEXT_LENGTH:
                raise FrameError(f"text must have at most {MAX_TEXT_LENGTH} characters, got {length}")
            _check_text("thread_ts", frame, is_optional=True)
            broadcast = member(frame, "reply_broadcast")
            if broadcast is not None and not isinstance(broadcast, bool):
                raise FrameError(f"reply_broadcast must be True, False or None, got {_shown(broadcast)}")
        case "typing":
            _check_text("channel", frame)
            _check_text("thread_ts", frame, is_optional=True)
        case "presence_sub" | "presence_query":
            check_ids(member(frame, "ids"))


def check_ids(ids: object) -> None:
    """Check that a value is a list of ids.

    Raises:
        FrameError: the value is something else, such as one id alone.
    """
    if not isinstance(ids, list | tuple):
        raise FrameError(f"ids must be a list of user ids, got {_shown(ids)}")
    for each in ids:
        if not isinstance(each, str) or not each:
            raise FrameError(f"ids must be a list of user ids, got one with {_shown(each)} in it")


def member(frame: object, name: str) -> Any:
    """Return a member of a frame, None if it has no such member."""
    return frame.get(name) if isinstance(frame, Mapping) else getattr(frame, name, None)


def _check_text(name: str, frame: object, *, is_optional: bool = False) -> None:
    value = member(frame, name)
    if value is None and is_optional:
        return
    if not isinstance(value, str):
        raise FrameError(f"{name} must be a str, got {_shown(value)}")
    if not value:
        raise FrameError(f"{name} must not be empty")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
