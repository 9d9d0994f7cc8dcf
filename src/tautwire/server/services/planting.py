"""Planting: the content of a seed becomes rows of a workspace. The functions are units, or parts of units.

Planting only adds: it creates users, apps and channels that are missing and leaves the others as they are. So a server
can be started with the same seed file every time, and a user who has left a channel is not put back. Tokens of new
users and apps are returned to the caller, once: the database stores only their hashes.
"""

from collections.abc import Collection
from typing import Final, Literal

from tautwire.protocol.ids import ChannelId, UserId
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access import apps
from tautwire.server.services.access.features import Features, configure
from tautwire.server.services.access.identity import CLASSIC, TokenKind, new_id
from tautwire.server.services.access.subscriptions import direct, subscribe, switch_socket_mode
from tautwire.server.services.access.tokens import APP_SCOPES, issue, issue_for_app
from tautwire.server.services.channels.room import forget
from tautwire.server.services.interactivity import webhooks
from tautwire.server.services.manifests.installing import create
from tautwire.server.services.seed import Seed, SeedApp, SeedChannel, SeedUser, names_of
from tautwire.server.store.queries.apps import find_app_by_name
from tautwire.server.store.queries.channels import add_channel, find_channel_by_name, find_general
from tautwire.server.store.queries.membership import add_member
from tautwire.server.store.queries.taps import USER
from tautwire.server.store.queries.users import add_user, find_user_by_name
from tautwire.server.store.queries.workspace import add_workspace, find_workspace
from tautwire.server.store.records import SLACKBOT_ID, SLACKBOT_NAME, ChannelKind, ChannelRecord, UserRecord

Origin = Literal["sample", "seed", "issued"]
"""Where a token comes from."""
WEBHOOK: Final = ":webhook:"
"""What is between app and channel in the name of a webhook's path in ``tokens.json``."""


def plant(tx: Transaction, seed: Seed, origin: Origin) -> dict[str, str]:
    """Add missing users, apps and channels (a unit).

    Returns:
        The tokens of new users and bots by name, app-level tokens by ``app_key`` of the app's name, client secrets by
        its ``secret_key``, and the paths of webhooks by ``webhook_key``.
    """
    if find_workspace(tx) is None:
        add_workspace(tx, new_id("T"), seed.team.name, seed.team.domain, tx.now // 1_000_000)
        slackbot = SeedUser(name=SLACKBOT_NAME, real_name="Slackbot")
        _add_user(tx, slackbot, SLACKBOT_ID, bot_id="B01", app_id="A00")
    tokens: dict[str, str] = {}
    for people, is_bot in ((seed.users, False), (seed.bots, True)):
        for user in people:
            if not _is_there(tx, user.name):
                tokens[user.name] = plant_user(tx, user, origin, is_bot=is_bot)
    for app in seed.apps:
        tokens |= _plant_app(tx, app, origin)
    everyone = names_of(seed)
    for channel in seed.channels:
        _plant_channel(tx, channel, everyone, new=tokens)
    for app in seed.apps:
        if secret_key(app.name) in tokens:
            tokens |= _plant_webhooks(tx, app)
    return tokens


def app_key(name: str) -> str:
    """Return the name of an app's app-level token in ``tokens.json``; no user has such a name."""
    return f"{name}:app"


def secret_key(name: str) -> str:
    """Return the name of an app's client secret in ``tokens.json``."""
    return f"{name}:client_secret"


def webhook_key(app: str, channel: str) -> str:
    """Return the name of the path of an app's webhook in ``tokens.json``."""
    return f"{app}{WEBHOOK}{channel}"


def plant_user(tx: Transaction, user: SeedUser, origin: Origin, *, is_bot: bool) -> str:
    """Add a person, or a bot with its app; return the token."""
    if is_bot:
        record = apps.add(tx, user.name, bot_name=user.name, real_name=user.real_name, email=user.email).bot
    else:
        record = _add_user(tx, user, UserId(new_id("U")), bot_id=None, app_id=None)
    return issue(tx, record, origin=origin).text


def _is_there(tx: Transaction, name: str) -> bool:
    return find_user_by_name(tx, name) is not None or find_app_by_name(tx, name) is not None


def _plant_app(tx: Transaction, app: SeedApp, origin: Origin) -> dict[str, str]:
    """Add a missing app; return its tokens."""
    if _is_there(tx, app.name) or find_user_by_name(tx, app.bot) is not None:
        return {}
    described = app.described
    if described is not None:
        (record, bot), secrets = create(tx, None, described)
        is_socket_mode, scopes = described.manifest.settings.socket_mode_enabled, [*described.manifest.bot_scopes]
    else:
        record, bot = apps.add(tx, app.name, bot_name=app.name, real_name=app.real_name)
        is_socket_mode, scopes = app.socket_mode, app.scopes or [*CLASSIC]
        _configure(tx, record.id, app)
        secrets = apps.renew_secrets(tx, record.id)
    tokens = {secret_key(record.name): secrets.client_secret}
    wanted = app.tokens if app.tokens is not None else ["bot", "app"] if is_socket_mode else ["bot"]
    if TokenKind.BOT in wanted:
        tokens[bot.name] = issue(tx, bot, scopes=scopes, origin=origin).text
    if TokenKind.APP in wanted:
        tokens[app_key(app.name)] = issue_for_app(tx, record, APP_SCOPES, origin=origin).text
    return tokens


def _plant_webhooks(tx: Transaction, app: SeedApp) -> dict[str, str]:
    """Make the webhooks of a new app; return their paths."""
    team, record = find_workspace(tx), find_app_by_name(tx, app.name)
    paths = {}
    for name in app.webhooks:
        channel = find_channel_by_name(tx, name)
        if team is not None and record is not None and channel is not None:
            made = webhooks.create(tx, team["id"], record.id, channel.id)
            paths[webhook_key(app.name, name)] = made.path
    return paths


def _configure(tx: Transaction, record: str, app: SeedApp) -> None:
    """Give an app what its entry in the file says."""
    if app.request_url is not None:
        direct(tx, record, app.request_url)
    if app.socket_mode or app.bot_events or app.user_events:
        subscribe(tx, record, app.bot_events)
        subscribe(tx, record, app.user_events, kind=USER)
        switch_socket_mode(tx, record, is_on=app.socket_mode)
    if app.features != Features():
        configure(tx, record, app.features)


def _add_user(
    tx: Transaction, user: SeedUser, user_id: UserId, *, bot_id: str | None, app_id: str | None
) -> UserRecord:
    now = tx.now // 1_000_000
    record = UserRecord(
        id=user_id, name=user.name, real_name=user.real_name, email=user.email, deleted=False, away=False,
        created=now, updated=now, bot_id=bot_id, app_id=app_id,
    )  # fmt: skip
    add_user(tx, record)
    return record


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
            general=not channel.private and find_general(tx) is None,
            topic=channel.topic,
            topic_by=creator if channel.topic else "",
            topic_set=seconds if channel.topic else 0,
            purpose=channel.purpose,
            purpose_by=creator if channel.purpose else "",
            purpose_set=seconds if channel.purpose else 0,
        ),
    )
    return channel_id
