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
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.identity import issue_token, new_id
from tautwire.server.services.room import forget
from tautwire.server.store.records import SLACKBOT_ID, SLACKBOT_NAME, find_channel_by_name

Name = Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,80}$")]
Origin = Literal["sample", "seed", "issued"]
"""Where a token comes from."""


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
    if tx.one("SELECT 1 FROM workspace") is None:
        tx.execute(
            "INSERT INTO workspace (id, name, domain, created) VALUES (?, ?, ?, ?)",
            new_id("T"), seed.team.name, seed.team.domain, tx.now // 1_000_000,
        )  # fmt: skip
        _plant_slackbot(tx)
    tokens = {}
    for people, is_bot in ((seed.users, False), (seed.bots, True)):
        for user in people:
            if tx.one("SELECT 1 FROM users WHERE name = ?", user.name) is None:
                tokens[user.name] = plant_user(tx, user, origin, is_bot=is_bot)
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


def _plant_slackbot(tx: Transaction) -> None:
    now = tx.now // 1_000_000
    tx.execute(
        "INSERT INTO users (id, name, real_name, created, updated, bot_id, app_id)"
        " VALUES (?, ?, 'Slackbot', ?, ?, 'B01', 'A00')",
        SLACKBOT_ID, SLACKBOT_NAME, now, now,
    )  # fmt: skip


def plant_user(tx: Transaction, user: SeedUser, origin: Origin, *, is_bot: bool) -> str:
    """Add a person or bot; return the token."""
    now = tx.now // 1_000_000
    user_id = new_id("U")
    bot_id, app_id = (new_id("B"), new_id("A")) if is_bot else (None, None)
    tx.execute(
        "INSERT INTO users (id, name, real_name, email, created, updated, bot_id, app_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        user_id, user.name, user.real_name, user.email, now, now, bot_id, app_id,
    )  # fmt: skip
    return issue_token(tx, user_id, is_bot=is_bot, origin=origin)


def _plant_channel(tx: Transaction, channel: SeedChannel, everyone: list[str], *, new: Collection[str]) -> None:
    """Create a channel with its members; to an existing one add only users who are ``new``."""
    names = list(dict.fromkeys(channel.members if channel.members is not None else everyone))
    found = find_channel_by_name(tx, channel.name)
    if found is not None:
        names = [name for name in names if name in new]
    members = [row["id"] for name in names if (row := tx.one("SELECT id FROM users WHERE name = ?", name)) is not None]
    channel_id = found.id if found is not None else _insert_channel(tx, channel, members)
    for user in members:
        tx.execute("INSERT INTO membership (channel, user_id, joined) VALUES (?, ?, ?)", channel_id, user, tx.now)
        tx.join(Topic(channel_id), user)
    forget(tx, channel_id)


def _insert_channel(tx: Transaction, channel: SeedChannel, members: list[str]) -> str:
    channel_id = new_id("C")
    creator = members[0] if members else SLACKBOT_ID
    general = not channel.private and tx.one("SELECT 1 FROM channel WHERE general") is None
    seconds = tx.now // 1_000_000
    tx.execute(
        "INSERT INTO channel (id, kind, name, creator, created, updated, general, topic, topic_by, topic_set,"
        " purpose, purpose_by, purpose_set) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        channel_id, "private" if channel.private else "public", channel.name, creator, seconds, tx.now,
        general, channel.topic, creator if channel.topic else "", seconds if channel.topic else 0,
        channel.purpose, creator if channel.purpose else "", seconds if channel.purpose else 0,
    )  # fmt: skip
    return channel_id
