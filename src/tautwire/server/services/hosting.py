"""The port behind the operations on whole workspaces: what the control door needs of that which holds them all.

``server.sandboxes`` is behind it. The door knows the answers, and neither files nor databases.
"""

from typing import Literal, Protocol

import msgspec

from tautwire.server.services.comparison.difference import Difference
from tautwire.server.services.seed import Seed


class Control(msgspec.Struct, frozen=True):
    """How the control API of a workspace is reached: its base URL, with a slash at the end, and its secret."""

    url: str
    secret: str


class Hosted(msgspec.Struct, kw_only=True):
    """A workspace of the server."""

    id: str
    """Of its team."""
    name: str
    domain: str
    is_sandbox: bool
    """Whether it was made by ``workspaces.create``: only such ones can be reset, restored and deleted."""
    ephemeral: bool
    created: int | None
    """Seconds since 1970; null for a workspace of the server's own."""
    control: Control | None


class Created(msgspec.Struct, kw_only=True):
    """A new workspace: how programs reach it, and the tokens of its people, bots and apps by name.

    Its log is at ``position``, from which a comparison can begin, as it can from the snapshot ``seed``.
    """

    workspace: Hosted
    api_url: str
    team: dict[str, str]
    users: dict[str, dict[str, str | None]]
    channels: dict[str, str]
    apps: dict[str, dict[str, str | None]]
    control: Control
    position: str


class Returned(msgspec.Struct, kw_only=True):
    """A workspace that went back to an earlier state; its log goes on at ``position``."""

    workspace: Hosted
    position: str


class Kept(msgspec.Struct, kw_only=True):
    """A snapshot: its name, the place in the log at which it was taken, the time in seconds, and its bytes."""

    name: str
    position: str
    created: int
    size: int


class End(msgspec.Struct, kw_only=True):
    """One end of a comparison."""

    snapshot: str | None
    position: str | None


class Compared(msgspec.Struct, kw_only=True):
    """The changes between two moments.

    They come from the ``states`` of the workspace, or from its ``log`` if one end is a position. The log has no
    values before a change of a channel or a person, and no scheduled messages.
    """

    start: End
    end: End
    source: Literal["states", "log"]
    changes: Difference


class Ends(msgspec.Struct, kw_only=True):
    """The moments to compare: each a snapshot or a position; without an end it is now."""

    from_snapshot: str | None = None
    from_position: str | None = None
    to_snapshot: str | None = None
    to_position: str | None = None


class Hosting(Protocol):
    """All workspaces of a server. Its errors are ``Refused`` and ``StoreError``; an unknown team is refused."""

    async def create(self, seed: Seed | None, name: str | None, *, ephemeral: bool) -> Created:
        """Make a sandbox and serve it."""

    async def list_all(self) -> list[Hosted]:
        """Return all workspaces, in the order in which they were opened."""

    async def delete(self, team: str) -> None:
        """Close a sandbox and remove all that it had."""

    async def reset(self, team: str) -> Returned:
        """Bring a sandbox back to its seed: ids and tokens stay, connections end, a new epoch of the log begins."""

    async def snapshot(self, team: str, name: str) -> Kept:
        """Keep the present state of a workspace under a name."""

    async def snapshots(self, team: str) -> list[Kept]:
        """Return the snapshots of a workspace, the oldest first."""

    async def restore(self, team: str, name: str) -> Returned:
        """Bring a sandbox back to a snapshot, as ``reset`` does to its seed."""

    async def compare(self, team: str, ends: Ends) -> Compared:
        """Return what changed between two moments of a workspace."""
