"""Operations on whole workspaces. Some need the secret of the host; a workspace's own secret opens those on itself."""

from typing import Annotated, Final

import msgspec

from tautwire.server.control.operation import Hosts, Nothing, Result, host_operation, members
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.hosting import Compared, Created, Ends, Hosted, Kept, Returned
from tautwire.server.services.seed import Seed

MAX_SEED: Final = 4 * 1024 * 1024
"""Bytes of the body of a creation: some ten thousand people."""

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A name that people give. It is never part of a path."""


class NewWorkspace(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A workspace to make: its seed, in JSON the same as a seed file; without one that of the sample.

    ``name`` is for the list of workspaces. An ``ephemeral`` one ends with the server, and its commits are not flushed.
    """

    seed: Seed | None = None
    name: Label | None = None
    ephemeral: bool = False


class OneWorkspace(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A workspace by the id of its team; with the secret of a workspace it is that one."""

    workspace: str | None = None


class NamedState(OneWorkspace, kw_only=True, forbid_unknown_fields=True):
    """A snapshot of a workspace, by its name."""

    name: Label


class TwoMoments(OneWorkspace, kw_only=True, forbid_unknown_fields=True):
    """What to compare: from a snapshot or a position, to a snapshot, a position, or now.

    The snapshot ``seed`` is the state in which a workspace was created.
    """

    from_snapshot: str | None = None
    from_position: str | None = None
    to_snapshot: str | None = None
    to_position: str | None = None


class AllWorkspaces(msgspec.Struct, kw_only=True):
    """The workspaces of the server, in the order in which they were opened."""

    workspaces: list[Hosted]


class AllSnapshots(msgspec.Struct, kw_only=True):
    """The snapshots of a workspace, the oldest first."""

    snapshots: list[Kept]


class Deleted(msgspec.Struct, kw_only=True):
    """The id of the team of a workspace that is gone."""

    workspace: str


@host_operation("workspaces.create", NewWorkspace, Created, max_body=MAX_SEED)
async def create(hosts: Hosts, args: NewWorkspace) -> Result:
    """Create a workspace from a seed and serve it; needs the secret of the host."""
    _need_host(hosts)
    return members(await hosts.all.create(args.seed, args.name, ephemeral=args.ephemeral))


@host_operation("workspaces.list", Nothing, AllWorkspaces)
async def list_all(hosts: Hosts, args: Nothing) -> Result:
    """Return all workspaces with the secrets of their control APIs; needs the secret of the host."""
    _need_host(hosts)
    return {"workspaces": await hosts.all.list_all()}


@host_operation("workspaces.delete", OneWorkspace, Deleted)
async def delete(hosts: Hosts, args: OneWorkspace) -> Result:
    """Close a created workspace and remove all that it had; needs the secret of the host."""
    _need_host(hosts)
    team = _team(hosts, args)
    await hosts.all.delete(team)
    return {"workspace": team}


@host_operation("workspaces.reset", OneWorkspace, Returned)
async def reset(hosts: Hosts, args: OneWorkspace) -> Result:
    """Bring a created workspace back to its seed: ids and tokens of the seed stay, and its connections are closed."""
    return members(await hosts.all.reset(_team(hosts, args)))


@host_operation("workspaces.snapshot", NamedState, Kept)
async def snapshot(hosts: Hosts, args: NamedState) -> Result:
    """Keep the present state of a workspace under a name; a snapshot of the same name is replaced."""
    return members(await hosts.all.snapshot(_team(hosts, args), args.name))


@host_operation("workspaces.snapshots", OneWorkspace, AllSnapshots)
async def snapshots(hosts: Hosts, args: OneWorkspace) -> Result:
    """Return the snapshots of a workspace."""
    return {"snapshots": await hosts.all.snapshots(_team(hosts, args))}


@host_operation("workspaces.restore", NamedState, Returned)
async def restore(hosts: Hosts, args: NamedState) -> Result:
    """Bring a created workspace back to a snapshot; its connections are closed, and clients cannot resume."""
    return members(await hosts.all.restore(_team(hosts, args), args.name))


@host_operation("workspaces.diff", TwoMoments, Compared)
async def diff(hosts: Hosts, args: TwoMoments) -> Result:
    """Return what was posted, edited, deleted, reacted, joined and so on between two moments of a workspace."""
    ends = Ends(
        from_snapshot=args.from_snapshot, from_position=args.from_position,
        to_snapshot=args.to_snapshot, to_position=args.to_position,
    )  # fmt: skip
    return members(await hosts.all.compare(_team(hosts, args), ends))


def _need_host(hosts: Hosts) -> None:
    if hosts.own is not None:
        raise Refused(
            "host_secret_needed",
            "this operation is on all workspaces: it needs the secret of host.json in the data directory, which is not "
            "that of a workspace",
        )


def _team(hosts: Hosts, args: OneWorkspace) -> str:
    if hosts.own is None:
        if args.workspace is None:
            raise Refused("workspace_needed", "with the secret of the host, name a workspace by the id of its team")
        return args.workspace
    if args.workspace not in (None, hosts.own):
        raise Refused("host_secret_needed", "the secret of a workspace opens no other: use that of host.json")
    return hosts.own
