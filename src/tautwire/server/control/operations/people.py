"""Operations on users and bots."""

from functools import partial
from typing import Final

import msgspec

from tautwire.server.control.operation import Page, Result, operation, page
from tautwire.server.services.administration import people
from tautwire.server.services.administration.lookup import Kind, find_channels, find_user
from tautwire.server.services.administration.people import NewPerson
from tautwire.server.services.workspace import Workspace

BOTS: Final[dict[str, bool]] = {"user": False, "bot": True}
KINDS: Final[dict[str, Kind]] = {"user": "person", "bot": "bot"}


class OneUser(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A user or bot, by id, name or e-mail address."""

    user: str


async def _list(workspace: Workspace, args: Page, *, bots: bool) -> Result:
    """Return the people, or the bots, in the order of names."""
    read = partial(people.list_people, bots=bots, after=args.after, count=args.limit + 1)
    return page("bots" if bots else "users", await workspace.reader.read(read), args)


async def _show(workspace: Workspace, args: OneUser, *, group: str) -> Result:
    """Return a user or bot with its channels."""
    return {
        group: await workspace.reader.read(lambda query: people.show(query, find_user(query, args.user, KINDS[group])))
    }


async def _add(workspace: Workspace, args: NewPerson, *, group: str) -> Result:
    """Add a user or bot; the token is in this answer only."""
    channels = await workspace.reader.read(partial(find_channels, texts=args.channels))
    added = await workspace.writer.write(lambda tx: people.add(tx, workspace.team, args, channels, is_bot=BOTS[group]))
    return {group: people.person(added.user), "token": added.token.reveal()}


async def _set_active(workspace: Workspace, args: OneUser, *, group: str, active: bool) -> Result:
    """Change whether a user or bot is active: calls of one who is not are refused, and its connections are closed."""
    user = await workspace.reader.read(lambda query: find_user(query, args.user, KINDS[group]))
    changed = await workspace.writer.write(lambda tx: people.set_active(tx, workspace.team, user, active=active))
    return {group: people.person(changed)}


for _group in BOTS:
    operation(f"{_group}.list", Page, reads=True)(partial(_list, bots=BOTS[_group]))
    operation(f"{_group}.show", OneUser, reads=True)(partial(_show, group=_group))
    operation(f"{_group}.add", NewPerson)(partial(_add, group=_group))
    operation(f"{_group}.deactivate", OneUser)(partial(_set_active, group=_group, active=False))
    operation(f"{_group}.reactivate", OneUser)(partial(_set_active, group=_group, active=True))
