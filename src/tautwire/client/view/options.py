"""Options of the local view: which objects it keeps."""

from dataclasses import dataclass
from typing import Final

from tautwire.protocol.errors import ConfigError
from tautwire.protocol.ids import IdKind
from tautwire.protocol.objects import Channel

KINDS: Final = ("public_channel", "private_channel", "mpim", "im")
"""Kinds of conversations, as conversations.list calls them.
Source: wire/ids-and-timestamps.md#kinds-of-conversations (documented)."""


def kind_of(channel: Channel) -> str:
    """Return which of the kinds a conversation is of. One that says nothing of it is judged by its id."""
    if channel.is_im or channel.id.startswith(IdKind.DIRECT):
        return "im"
    if channel.is_mpim:
        return "mpim"
    is_private = channel.is_private
    if is_private is None:  # older objects say is_group, the oldest nothing
        is_private = channel.is_group or channel.id.startswith(IdKind.GROUP)
    return "private_channel" if is_private else "public_channel"


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """Which objects a view keeps. Each needs its scopes: ``users:read``, ``channels:read``, ``groups:read`` …

    Args:
        users: whether users are kept.
        kinds: kinds of conversations that are kept; none for no conversations.
        members: whether the members of the client's own conversations are kept: one call or more for each.
        timeout: seconds all the reading may take.

    Raises:
        ConfigError: a kind is unknown, or the timeout is not positive.
    """

    users: bool = True
    kinds: tuple[str, ...] = KINDS
    members: bool = True
    timeout: float = 600.0

    def __post_init__(self) -> None:
        if isinstance(self.kinds, str) or not set(self.kinds) <= set(KINDS):
            raise ConfigError(f"kinds must be some of {', '.join(KINDS)}, got {self.kinds!r}")
        if not self.timeout > 0:
            raise ConfigError(f"timeout must be a positive number of seconds, got {self.timeout!r}")
