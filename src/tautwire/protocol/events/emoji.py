"""Custom emoji."""

from typing import Literal

from tautwire.protocol.events._base import Event, const
from tautwire.protocol.ids import Ts


class EmojiChangedEvent(Event, frozen=True, kw_only=True, tag="emoji_changed"):
    """Custom emoji changed: call emoji.list again.

    This is how a frame without a subtype, or with an unknown one, is read.

    To: everybody in the workspace. Source: documented.
    """

    names: list[str] | None = None
    name: str | None = None
    value: str | None = None
    old_name: str | None = None
    new_name: str | None = None
    event_ts: Ts


class EmojiChangedAddEvent(Event, frozen=True, kw_only=True, tag="emoji_changed"):
    """A custom emoji or an alias was added.

    To: everybody in the workspace. Source: documented.
    """

    subtype: Literal["add"] = const("add")
    name: str
    value: str
    """The address of the picture, or ``alias:`` and another name."""

    event_ts: Ts


class EmojiChangedRemoveEvent(Event, frozen=True, kw_only=True, tag="emoji_changed"):
    """Custom emoji were removed, aliases among them.

    To: everybody in the workspace. Source: documented.
    """

    subtype: Literal["remove"] = const("remove")
    names: list[str]
    event_ts: Ts


class EmojiChangedRenameEvent(Event, frozen=True, kw_only=True, tag="emoji_changed"):
    """A custom emoji was renamed.

    To: everybody in the workspace. Source: documented.
    """

    subtype: Literal["rename"] = const("rename")
    old_name: str
    new_name: str
    value: str | None = None
    event_ts: Ts
