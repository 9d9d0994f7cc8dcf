"""The first content of a workspace: from a seed file, or a small sample.

Seeding only adds: it creates users and channels that are missing and leaves the others as they are. So a server can be
started with the same seed file every time, and a user who has left a channel is not put back. Tokens of new users are
returned to the caller, once: the database stores only their hashes.
"""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from tautwire.protocol.errors import TautwireError
from tautwire.protocol.ids import ChannelId, UserId
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.identity import issue_token, new_id
from tautwire.server.services.room import forget
from tautwire.server.store.channels import add_channel, find_channel_by_name, has_general
from tautwire.server.store.membership import add_member
from tautwire.server.store.records import SLACKBOT_ID, SLACKBOT_NAME, ChannelKind, ChannelRecord, UserRecord
from tautwire.server.store.users import add_user, find_user_by_name
from tautwire.server.store.workspace import add_workspace, find_workspace

Name = Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,80}$")]
Origin = Literal["sample", "seed"]


class SeedError(TautwireError):
    """The seed file cannot be used; the text says where and why."""


class SeedTeam(msgspec.Struct, forbid_unknown_fields=True):
    """The name and domain of the workspace."""

    name: str = "tautwire"
    domain: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,60}$")] = "tautwire"


class SeedUser(msgspec.Struct, forbid_unknown_fields=True):
    """A person or a bot."""

    name: Name
    real_name: str = ""
    email: str | None = None


class SeedChannel(msgspec.Struct, forbid_unknown_fields=True):
    """A channel and its members; without ``members`` all users and bots of the file."""

    name: Name
    private: bool = False
    members: list[str] | None = None
    topic: str = ""
    purpose: str = ""


class Seed(msgspec.Struct, forbid_unknown_fields=True):
    """The content of a seed file; see docs/reference/seed.md."""

    team: SeedTeam = msgspec.field(default_factory=SeedTeam)
    users: list[SeedUser] = []
    bots: list[SeedUser] = []
    channels: list[SeedChannel] = []


SAMPLE: Final = Seed(
    team=SeedTeam(name="Sample", domain="sample"),
    users=[
        SeedUser(name="alice", real_name="Alice Example", email="alice@example.test"),
        SeedUser(name="bob", real_name="Bob Example", email="bob@example.test"),
    ],
    bots=[SeedUser(name="relaybot", real_name="Relay Bot")],
    channels=[
        SeedChannel(name="general", purpose="Everybody is here."),
        SeedChannel(name="ops", private=True, members=["alice", "relaybot"]),
    ],
)
"""The content of an empty data directory if there is no seed file."""


def read_seed(path: Path) -> Seed:
    """Return the seed in a YAML file; raise ``SeedError`` if it cannot be read or is not valid."""
    try:
        seed = msgspec.yaml.decode(path.read_bytes(), type=Seed)
    except OSError as error:
        raise SeedError(f"the seed file cannot be read: {error}") from error
    except msgspec.MsgspecError as error:
        raise SeedError(f"{path}: {error}") from error
    except Exception as error:
        raise SeedError(f"{path} must be YAML: {error}") from error
    _check(seed, path)
    return seed


def plant(tx: Transaction, seed: Seed, origin: Origin) -> dict[str, str]:
    """Add missing users and channels (a unit); return the tokens of the new users and bots, by name."""
    if find_workspace(tx) is None:
        add_workspace(tx, new_id("T"), seed.team.name, seed.team.domain, tx.now // 1_000_000)
        slackbot = SeedUser(name=SLACKBOT_NAME, real_name="Slackbot")
        _add_user(tx, slackbot, SLACKBOT_ID, bot_id="B01", app_id="A00")
    tokens = {}
    for people, is_bot in ((seed.users, False), (seed.bots, True)):
        for user in people:
            if find_user_by_name(tx, user.name) is None:
                tokens[user.name] = _plant_user(tx, user, origin, is_bot=is_bot)
    everyone = [user.name for user in (*seed.users, *seed.bots)]
    for channel in seed.channels:
        _plant_channel(tx, channel, everyone, new=tokens)
    return tokens


def _check(seed: Seed, path: Path) -> None:
    names = [user.name for user in (*seed.users, *seed.bots)]
    for name in _repeated(names):
        raise SeedError(f"{path}: names of users and bots must differ, got {name!r} twice")
    if SLACKBOT_NAME in names:
        raise SeedError(f"{path}: a user must have another name than {SLACKBOT_NAME!r}, the bot of every workspace")
    for name in _repeated([channel.name for channel in seed.channels]):
        raise SeedError(f"{path}: names of channels must differ, got {name!r} twice")
    for channel in seed.channels:
        if channel.name != channel.name.lower() or "." in channel.name:
            raise SeedError(f"{path}: names of channels must be lower case without periods, got {channel.name!r}")
        for member in channel.members or []:
            if member not in names:
                raise SeedError(
                    f"{path}: members of channels must be users or bots of the file, got {member!r} in {channel.name!r}"
                )


def _repeated(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _plant_user(tx: Transaction, user: SeedUser, origin: Origin, *, is_bot: bool) -> str:
    user_id = UserId(new_id("U"))
    bot_id, app_id = (new_id("B"), new_id("A")) if is_bot else (None, None)
    _add_user(tx, user, user_id, bot_id=bot_id, app_id=app_id)
    return issue_token(tx, user_id, is_bot=is_bot, origin=origin)


def _add_user(tx: Transaction, user: SeedUser, user_id: UserId, *, bot_id: str | None, app_id: str | None) -> None:
    now = tx.now // 1_000_000
    add_user(
        tx,
        UserRecord(
            id=user_id, name=user.name, real_name=user.real_name, email=user.email, deleted=False, away=False,
            created=now, updated=now, bot_id=bot_id, app_id=app_id,
        ),
    )  # fmt: skip


def _plant_channel(tx: Transaction, channel: SeedChannel, everyone: list[str], *, new: Collection[str]) -> None:
    """Create a channel with its members; to an existing one add only users who are ``new``."""
    names = list(dict.fromkeys(channel.members if channel.members is not None else everyone))
    found = find_channel_by_name(tx, channel.name)
    if found is not None:
        names = [name for name in names if name in new]
    members = [user.id for name in names if (user := find_user_by_name(tx, name)) is not None]
    channel_id = found.id if found is not None else _add_channel(tx, channel, members)
    for user_id in members:
        add_member(tx, channel_id, user_id, tx.now)
        tx.join(Topic(channel_id), user_id)
    forget(tx, channel_id)


def _add_channel(tx: Transaction, channel: SeedChannel, members: list[UserId]) -> ChannelId:
    channel_id = ChannelId(new_id("C"))
    creator = members[0] if members else SLACKBOT_ID
    seconds = tx.now // 1_000_000
    add_channel(
        tx,
        ChannelRecord(
            id=channel_id,
            kind=ChannelKind.PRIVATE if channel.private else ChannelKind.PUBLIC,
            name=channel.name,
            creator=creator,
            created=seconds,
            updated=tx.now,
            general=not channel.private and not has_general(tx),
            topic=channel.topic,
            topic_by=creator if channel.topic else "",
            topic_set=seconds if channel.topic else 0,
            purpose=channel.purpose,
            purpose_by=creator if channel.purpose else "",
            purpose_set=seconds if channel.purpose else 0,
        ),
    )
    return channel_id
