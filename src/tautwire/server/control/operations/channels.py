"""Operations on channels and their members."""

from functools import partial

import msgspec

from tautwire.server.control.operation import Page, Result, operation, page
from tautwire.server.services.administration import channels, people
from tautwire.server.services.administration.lookup import find_channel, find_user, find_users
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.queries.users import list_members


class NewChannel(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A channel to add; the first member is its creator."""

    name: str
    private: bool = False
    members: list[str] = []


class OneChannel(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A channel, by id or name."""

    channel: str


class Members(Page, kw_only=True, forbid_unknown_fields=True):
    """A page of the members of a channel."""

    channel: str


class Invitation(OneChannel, kw_only=True, forbid_unknown_fields=True):
    """Users to add to a channel."""

    users: list[str]


class Removal(OneChannel, kw_only=True, forbid_unknown_fields=True):
    """A member to remove from a channel."""

    user: str


@operation("channel.list", Page, reads=True)
async def list_channels(workspace: Workspace, args: Page) -> Result:
    """Return public and private channels, in the order of names."""
    read = partial(channels.list_all, after=args.after, count=args.limit + 1)
    return page("channels", await workspace.reader.read(read), args)


@operation("channel.show", OneChannel, reads=True)
async def show(workspace: Workspace, args: OneChannel) -> Result:
    """Return a channel."""
    return {
        "channel": await workspace.reader.read(lambda query: channels.show(query, find_channel(query, args.channel)))
    }


@operation("channel.members", Members, reads=True)
async def members(workspace: Workspace, args: Members) -> Result:
    """Return the members of a channel, in the order of names."""
    found = await workspace.reader.read(
        lambda query: list_members(query, find_channel(query, args.channel).id, after=args.after, count=args.limit + 1)
    )
    return page("members", [people.person(user) for user in found], args)


@operation("channel.add", NewChannel)
async def add(workspace: Workspace, args: NewChannel) -> Result:
    """Create a channel."""
    users = await workspace.reader.read(partial(find_users, texts=args.members))
    record = await workspace.writer.write(
        lambda tx: channels.add(tx, workspace.team, args.name, users, private=args.private)
    )
    return await show(workspace, OneChannel(channel=record.id))


@operation("channel.invite", Invitation)
async def invite(workspace: Workspace, args: Invitation) -> Result:
    """Add users to a channel; all or none."""
    channel, users = await workspace.reader.read(
        lambda query: (find_channel(query, args.channel), find_users(query, args.users))
    )
    await workspace.writer.write(lambda tx: channels.invite(tx, workspace.team, channel, users))
    return await show(workspace, OneChannel(channel=channel.id))


@operation("channel.remove", Removal)
async def remove(workspace: Workspace, args: Removal) -> Result:
    """Remove a member from a channel."""
    channel, user = await workspace.reader.read(
        lambda query: (find_channel(query, args.channel), find_user(query, args.user))
    )
    await workspace.writer.write(lambda tx: channels.remove(tx, workspace.team, channel, user))
    return await show(workspace, OneChannel(channel=channel.id))
