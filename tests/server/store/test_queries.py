"""The queries and statements of each table: every function of the store's modules, on a database."""

import ast
import inspect
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import msgspec
import pytest
from stores import Store

from scene import TurnedClock
from tautwire.protocol.ids import ChannelId, UserId
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.store.engine import Engine
from tautwire.server.store.queries import (
    apps,
    channels,
    consents,
    log,
    manifests,
    membership,
    messages,
    pins,
    reactions,
    scheduled,
    streams,
    taps,
    tokens,
    users,
    workspace,
)
from tautwire.server.store.queries.apps import AppRecord
from tautwire.server.store.queries.messages import MESSAGE, MessageRow, Span
from tautwire.server.store.queries.scheduled import ScheduledRecord
from tautwire.server.store.queries.tokens import TokenRecord
from tautwire.server.store.records import ChannelKind, ChannelRecord, Mark, UserRecord

pytestmark = pytest.mark.only_on("sqlite", "postgres")

T = TypeVar("T")
MODULES = (
    apps,
    channels,
    consents,
    log,
    manifests,
    membership,
    messages,
    pins,
    reactions,
    scheduled,
    streams,
    taps,
    tokens,
    users,
    workspace,
)

ANN = UserRecord(UserId("U1"), "ann", "Ann", "ann@example.test", deleted=False, away=False, created=5, updated=6,
                 bot_id=None, app_id=None)  # fmt: skip
BOB = UserRecord(UserId("U2"), "bob", "", None, deleted=False, away=True, created=5, updated=6,
                 bot_id=None, app_id=None)  # fmt: skip
BOT = UserRecord(UserId("U3"), "aide", "", None, deleted=True, away=False, created=5, updated=6,
                 bot_id="B3", app_id="A3")  # fmt: skip

GENERAL = ChannelRecord(
    ChannelId("C1"), ChannelKind.PUBLIC, "general", ANN.id, 7, 8_000_000, general=True,
    topic="t", topic_by="U1", topic_set=9, purpose="p", purpose_by="U2", purpose_set=10,
)  # fmt: skip
OLD = ChannelRecord(ChannelId("C2"), ChannelKind.PUBLIC, "old", ANN.id, 7, 8_000_000, archived=True)
OPS = ChannelRecord(ChannelId("C3"), ChannelKind.PRIVATE, "ops", BOB.id, 7, 8_000_000)
DIRECT = ChannelRecord(ChannelId("D1"), ChannelKind.IM, None, ANN.id, 7, 8_000_000, people="U1,U2")
KINDS = set(ChannelKind)
FIRST, FOURTH = "0000000001.000000", "0000000004.000000"


class Database:
    """An empty database with units and reads on it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = TurnedClock()

    def write(self, unit: Callable[..., T], *arguments: object, **options: object) -> T:
        """Run ``unit(tx, …)`` and commit it."""
        with closing(self._engine.session()) as session:
            tx = Transaction(session, self._clock)
            tx.begin()
            result = tx.attempt(lambda tx: unit(tx, *arguments, **options))
            tx.commit()
            return result

    def read(self, function: Callable[..., T], *arguments: object, **options: object) -> T:
        """Return ``function(query, …)`` in one state of the database."""
        with closing(self._engine.read_session()) as session:
            session.begin()
            try:
                return function(session, *arguments, **options)
            finally:
                session.end()


@pytest.fixture
def engine(store: Store, tmp_path: Path) -> Iterator[Engine]:
    with closing(store.open(tmp_path / "data")) as engine:
        yield engine


@pytest.fixture
def database(engine: Engine) -> Database:
    """A database with a workspace, three users and four channels."""
    database = Database(engine)

    def fill(tx: Transaction) -> None:
        workspace.add_workspace(tx, "T1", "Name", "domain", 3)
        for user in (BOB, ANN, BOT):
            users.add_user(tx, user)
        for channel in (OPS, DIRECT, OLD, GENERAL):
            channels.add_channel(tx, channel)

    database.write(fill)
    return database


def test_every_function_of_the_tables_is_run_here() -> None:
    tree = ast.parse(Path(__file__).read_text())
    used = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert {name for module in MODULES for name in functions(module)} - used == set()


def functions(module: ModuleType) -> list[str]:
    short = module.__name__.rpartition(".")[2]
    return [
        f"{short}.{name}"
        for name, each in vars(module).items()
        if inspect.isfunction(each) and each.__module__ == module.__name__ and not name.startswith("_")
    ]


# The workspace


def test_an_empty_database_has_no_workspace(engine: Engine) -> None:
    database = Database(engine)
    assert database.read(workspace.find_workspace) is None
    assert database.read(workspace.read_head) == 0


def test_a_workspace_is_found_with_its_head(database: Database) -> None:
    database.write(Transaction.leave, "C1", "U1")
    found = database.read(workspace.find_workspace)
    assert found is not None
    assert [found[name] for name in ("id", "name", "domain", "head")] == ["T1", "Name", "domain", 1]
    assert database.read(workspace.read_head) == 1


def test_a_workspace_is_changed(database: Database) -> None:
    database.write(workspace.set_workspace, name="New", domain="new", icon="https://new.test/x.png")
    found = database.read(workspace.find_workspace)
    assert found is not None
    assert [found[name] for name in ("id", "name", "domain", "icon")] == ["T1", "New", "new", "https://new.test/x.png"]


# Users


def test_a_user_comes_back_as_it_was_stored(database: Database) -> None:
    for user in (ANN, BOB, BOT):
        assert database.read(users.find_user, user.id) == user
    assert database.read(users.find_user, "U9") is None


def test_users_are_found_by_name_and_bots_by_id(database: Database) -> None:
    assert database.read(users.find_user_by_name, "bob") == BOB
    assert database.read(users.find_user_by_name, "nemo") is None
    assert database.read(users.find_bot, "B3") == BOT
    assert database.read(users.find_bot, "U3") is None


def test_users_are_found_by_address_and_by_ids(database: Database) -> None:
    assert database.read(users.find_user_by_email, "ANN@example.test") == ANN
    assert database.read(users.find_user_by_email, "no@example.test") is None
    assert database.read(users.find_users_by_ids, ["U3", "U1", "U9"]) == {"U1": ANN, "U3": BOT}
    assert database.read(users.find_users_by_ids, []) == {}


def test_a_profile_is_stored(database: Database) -> None:
    changed = msgspec.structs.replace(ANN, real_name="Anna", email=None, profile='{"title":"owl"}', updated=9)
    database.write(users.set_profile, changed)
    assert database.read(users.find_user, "U1") == changed


def test_users_come_in_pages(database: Database) -> None:
    assert database.read(users.find_users, "", 2) == [ANN, BOB]
    assert database.read(users.find_users, "U2", 2) == [BOT]


def test_users_are_found_by_what_an_operator_types(database: Database) -> None:
    for text, found in (("U1", [ANN]), ("ann", [ANN]), ("ann@example.test", [ANN]), ("Ann", [])):
        assert database.read(users.users_called, text) == found
    assert database.read(users.user_names_like, "an", 2) == ["ann", "bob"]
    assert database.read(users.user_names_like, "adie", 1) == ["aide"]


def test_people_bots_and_members_come_in_pages_by_name(database: Database) -> None:
    join(database, "C1", "U3", "U1")
    assert database.read(users.list_users, bots=False, after="", count=5) == [ANN, BOB]
    assert database.read(users.list_users, bots=False, after="ann", count=5) == [BOB]
    assert database.read(users.list_users, bots=True, after="", count=5) == [BOT]
    assert database.read(users.list_members, "C1", after="", count=1) == [BOT]
    assert database.read(users.list_members, "C1", after="aide", count=5) == [ANN]


def test_ids_of_users_come_by_name(database: Database) -> None:
    found = database.read(users.find_user_ids, without="U2")
    assert list(found.items()) == [("aide", "U3"), ("ann", "U1")]


def test_users_who_are_away_and_bots_are_found(database: Database) -> None:
    assert database.read(users.find_away_users) == {"U2"}
    assert database.read(users.find_bot_users) == {"U3"}
    database.write(users.set_away, "U1", away=True)
    database.write(users.set_away, "U2", away=False)
    assert database.read(users.find_away_users) == {"U1"}


# Channels


def test_a_channel_comes_back_as_it_was_stored(database: Database) -> None:
    for channel in (GENERAL, OLD, OPS, DIRECT):
        assert database.read(channels.find_channel, channel.id) == channel
    assert database.read(channels.find_channel, "C9") is None


def test_channels_are_found_by_name_and_by_people(database: Database) -> None:
    assert database.read(channels.find_channel_by_name, "ops") == OPS
    assert database.read(channels.find_channel_by_name, "nothing") is None
    assert database.read(channels.find_direct_channel, "U1,U2") == "D1"
    assert database.read(channels.find_direct_channel, "U1,U3") is None


def test_channels_are_found_by_what_an_operator_types(database: Database) -> None:
    for text, found in (("C3", [OPS]), ("ops", [OPS]), ("D1", [DIRECT]), ("Ops", [])):
        assert database.read(channels.channels_called, text) == found
    assert database.read(channels.channel_names_like, "generla", 1) == ["general"]
    assert database.read(channels.channel_names_like, "ol", 5) == ["old", "ops", "general"]


def test_channels_come_in_pages_by_name_and_by_member(database: Database) -> None:
    for channel in ("C3", "C1", "D1"):
        join(database, channel, "U1")
    assert database.read(channels.list_channels, after="", count=2) == [GENERAL, OLD]
    assert database.read(channels.list_channels, after="old", count=2) == [OPS]
    assert database.read(channels.channels_of, "U1") == ["general", "ops"]
    assert database.read(channels.channels_of, "U2") == []


def test_the_general_channel_is_known(engine: Engine, database: Database) -> None:
    assert database.read(channels.find_general) == "C1"
    with closing(engine.session()) as session:
        session.begin()
        session.run("DELETE FROM channel")
        assert channels.find_general(session) is None
        session.rollback()


def test_ids_of_channels_come_by_name(database: Database) -> None:
    kinds = (ChannelKind.PUBLIC, ChannelKind.PRIVATE)
    found = database.read(channels.find_channel_ids, kinds)
    assert list(found.items()) == [("general", "C1"), ("old", "C2"), ("ops", "C3")]
    assert list(database.read(channels.find_channel_ids, kinds[1:])) == ["ops"]
    assert database.read(channels.find_direct_channels) == {"D1"}


def test_a_viewer_sees_public_channels_and_their_own(database: Database) -> None:
    database.write(membership.add_member, "C3", "U2", 1)
    database.write(membership.add_member, "D1", "U1", 1)

    def find(viewer: str, after: str = "", count: int = 9, **options: bool) -> list[ChannelRecord]:
        return database.read(channels.find_channels, KINDS, after, count, viewer=viewer, **options)

    assert find("U1") == [GENERAL, OLD, DIRECT]
    assert find("U2") == [GENERAL, OLD, OPS]
    assert find("U2", archived=False) == [GENERAL, OPS]
    assert find("U2", after="C1", count=1) == [OLD]
    assert find("U1", after="C2") == [DIRECT]


def test_channels_are_found_by_kind(database: Database) -> None:
    database.write(membership.add_member, "D1", "U1", 1)

    def find(*kinds: ChannelKind) -> list[ChannelRecord]:
        return database.read(channels.find_channels, kinds, "", 9, viewer="U1")

    assert find(ChannelKind.PUBLIC) == [GENERAL, OLD]
    assert find(ChannelKind.IM, ChannelKind.MPIM) == [DIRECT]
    assert find() == []


def test_channels_of_a_user_are_those_that_the_viewer_may_see(database: Database) -> None:
    join(database, "C1", "U1", "U2")
    join(database, "C3", "U1")

    def found(viewer: str, after: str = "", *, archived: bool = True) -> list[str]:
        kinds = set(ChannelKind)
        rows = database.read(channels.find_channels_of, kinds, after, 9, user="U1", viewer=viewer, archived=archived)
        return [row.id for row in rows]

    assert found("U1") == ["C1", "C3"]
    assert found("U2") == ["C1"], "C3 is private"
    assert found("U1", "C1") == ["C3"]
    database.write(channels.set_archived, "C1", archived=True, updated=9)
    assert found("U1", archived=False) == ["C3"]


def test_a_channel_is_changed(database: Database) -> None:
    database.write(channels.set_name, "C1", "town", updated=2_000_000)
    database.write(channels.set_topic, "C1", "owls", "U1", updated=3_000_000)
    database.write(channels.set_purpose, "C1", "to talk", "U2", updated=4_000_000)
    database.write(channels.set_archived, "C1", archived=True, updated=5_000_000)
    found = database.read(channels.find_channel, "C1")
    assert found is not None
    assert (found.name, found.archived, found.updated) == ("town", True, 5_000_000)
    assert (found.topic, found.topic_by, found.topic_set) == ("owls", "U1", 3)
    assert (found.purpose, found.purpose_by, found.purpose_set) == ("to talk", "U2", 4)


def test_the_last_ts_is_that_of_a_message_or_the_stored_one(database: Database) -> None:
    def last() -> str | None:
        return database.read(channels.find_last_ts, "C1")

    assert last() is None
    post(database, stamp(3))
    assert last() == stamp(3)
    for number, expected in ((5, 5), (4, 4), (2, 3)):
        database.write(channels.set_last_ts, "C1", stamp(number))
        assert last() == stamp(expected)
    database.write(channels.delete_last_ts, "C1")
    assert last() == stamp(3)


# Members


def test_members_come_in_pages_and_all_at_once(database: Database) -> None:
    join(database, "C1", "U3", "U1", "U2")
    assert database.read(membership.find_members, "C1", "", 2) == ["U1", "U2"]
    assert database.read(membership.find_members, "C1", "U2", 2) == ["U3"]
    assert set(database.read(membership.find_all_members, "C1")) == {"U1", "U2", "U3"}
    assert database.read(membership.find_all_members, "C2") == []


def test_members_are_counted_and_joined_by_channel(database: Database) -> None:
    join(database, "C1", "U1", "U2")
    join(database, "C3", "U3")
    ids = ["C1", "C2", "C3"]
    assert database.read(membership.count_members, ids) == {"C1": 2, "C3": 1}
    joined = database.read(membership.join_members, ids)
    assert {channel: sorted(text.split(",")) for channel, text in joined.items()} == {"C1": ["U1", "U2"], "C3": ["U3"]}


def test_a_membership_keeps_what_is_read_and_open(database: Database) -> None:
    join(database, "C1", "U1")
    found = database.read(membership.find_membership, "C1", "U1")
    assert found is not None
    assert (found["joined"], found["last_read_ts"], bool(found["open"])) == (1, "0000000000.000000", True)
    assert database.read(membership.find_closed, "C1") == []
    database.write(membership.set_last_read, "C1", "U1", stamp(4))
    database.write(membership.set_open, "C1", "U1", is_open=False)
    found = database.read(membership.find_membership, "C1", "U1")
    assert found is not None
    assert (found["last_read_ts"], bool(found["open"])) == (stamp(4), False)
    assert database.read(membership.find_closed, "C1") == ["U1"]
    assert database.read(membership.find_membership, "C1", "U2") is None


def test_reading_marks_are_those_of_the_user(database: Database) -> None:
    join(database, "C1", "U1", "U2")
    join(database, "C3", "U2")
    database.write(membership.set_last_read, "C1", "U1", stamp(4))
    assert database.read(membership.find_marks, ["C1", "C3"], "U1") == {"C1": Mark(stamp(4))}


def test_a_removed_member_is_gone(database: Database) -> None:
    join(database, "C1", "U1", "U2")
    join(database, "C3", "U2")
    database.write(membership.remove_member, "C1", "U2")
    found = database.read(membership.find_all_memberships)
    assert {(row["user_id"], row["channel"]) for row in found} == {("U1", "C1"), ("U2", "C3")}


# Messages


def test_a_message_is_found_by_its_ts(database: Database) -> None:
    post(database, stamp(1), user="U2", parent=None, body=b'{"text":"\xc3\xa4"}')
    row = database.read(messages.find_message, "C1", stamp(1))
    assert row is not None
    assert {name: row[name] for name in ("ts", "user_id", "thread_ts", "body")} == {
        "ts": stamp(1), "user_id": "U2", "thread_ts": None, "body": b'{"text":"\xc3\xa4"}'
    }  # fmt: skip
    assert database.read(messages.find_message, "C2", stamp(1)) is None
    rows = database.read(messages.find_messages, "C1", [stamp(1), stamp(9)])
    assert [(row["ts"], row["user_id"]) for row in rows] == [(stamp(1), "U2")]
    assert list(database.read(messages.find_messages, "C1", [])) == []


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(FIRST, FOURTH), [4, 3, 1]),
        (Span(FIRST, FOURTH, includes_low=False), [4, 3]),
        (Span(FIRST, FOURTH, includes_high=False), [3, 1]),
        (Span("0000000005.000000", "0000000009.000000"), []),
    ],
)
def test_the_history_is_a_span_without_replies(database: Database, span: Span, expected: list[int]) -> None:
    for number in (1, 3, 4):
        post(database, stamp(number), body=b"x" * number)
    post(database, stamp(2), parent=stamp(1))
    found = database.read(messages.find_history, "C1", span)
    assert [(row["ts"], row["thread_ts"], row["body"]) for row in found] == [
        (stamp(number), None, b"x" * number) for number in expected
    ]
    sizes = database.read(messages.measure_history, "C1", span, 2)
    assert [tuple(row) for row in sizes] == [(stamp(number), number) for number in expected[:2]]


def test_the_replies_are_those_of_a_parent_in_their_order(database: Database) -> None:
    for number, parent in ((1, None), (2, 1), (3, None), (4, 3), (5, 1), (6, 1)):
        post(database, stamp(number), parent=stamp(parent) if parent else None, body=b"x" * number)
    span = Span(stamp(2), stamp(6), includes_low=False)
    found = database.read(messages.find_replies, "C1", stamp(1), span)
    assert [(row["ts"], row["thread_ts"], row["body"]) for row in found] == [
        (stamp(5), stamp(1), b"xxxxx"),
        (stamp(6), stamp(1), b"xxxxxx"),
    ]
    sizes = database.read(messages.measure_replies, "C1", stamp(1), span, 1)
    assert [tuple(row) for row in sizes] == [(stamp(5), 5)]
    assert database.read(messages.has_replies, "C1", stamp(1))
    assert not database.read(messages.has_replies, "C1", stamp(2))


def test_replies_are_counted_by_parent_and_user(database: Database) -> None:
    for number, user, parent in ((2, "U2", 1), (3, "U1", 1), (4, "U2", 1), (6, "U1", 5), (7, "U1", 9)):
        post(database, stamp(number), user=user, parent=stamp(parent))
    rows = database.read(messages.count_replies, "C1", [stamp(1), stamp(5)])
    assert [(row["thread_ts"], row["user_id"], row["replies"], row["latest"]) for row in rows] == [
        (stamp(1), "U2", 2, stamp(4)),
        (stamp(1), "U1", 1, stamp(3)),
        (stamp(5), "U1", 1, stamp(6)),
    ]


def test_the_newest_message_and_the_unread_ones(database: Database) -> None:
    assert database.read(messages.find_newest_message, "C1") is None
    for number, user in ((1, "U2"), (2, "U1"), (3, "U2"), (4, "U2")):
        post(database, stamp(number), user=user, body=b"%d" % number)
    post(database, stamp(5), user="U2", parent=stamp(4))
    newest = database.read(messages.find_newest_message, "C1")
    assert newest is not None
    assert newest["body"] == b"4"

    def unread(after: int, limit: int = 9) -> int:
        return database.read(messages.count_unread, "C1", after=stamp(after), user="U1", limit=limit)

    assert (unread(0), unread(1), unread(4), unread(0, limit=1), unread(0, limit=3)) == (3, 2, 0, 1, 2)


def test_a_message_changes_and_goes(database: Database) -> None:
    post(database, stamp(1), body=b"old", position=7)
    logged = database.read(messages.find_logged, "C1", stamp(1))
    assert logged is not None
    assert (logged["position"], logged["body"]) == (7, b"old")
    database.write(messages.clear_position, "C1", stamp(1))
    assert database.read(messages.find_logged, "C1", stamp(1)) is None
    database.write(messages.set_body, "C1", stamp(1), b"new")
    row = database.read(messages.find_message, "C1", stamp(1))
    assert row is not None
    assert row["body"] == b"new"
    database.write(messages.delete_message, "C1", stamp(1))
    assert database.read(messages.find_message, "C1", stamp(1)) is None


# Reactions


def test_reactions_are_added_found_and_removed(database: Database) -> None:
    def fill(tx: Transaction) -> None:
        reactions.add_reaction(tx, "C1", stamp(2), "eyes", "U1", 1)
        reactions.add_reaction(tx, "C1", stamp(1), "tada", "U2", 4)
        reactions.add_reaction(tx, "C1", stamp(1), "tada", "U1", 3)
        reactions.add_reaction(tx, "C1", stamp(1), "eyes", "U1", 2)
        reactions.add_reaction(tx, "C1", stamp(3), "eyes", "U1", 2)

    database.write(fill)

    def found() -> list[tuple[str, str, str]]:
        return [
            (row["ts"], row["name"], row["user_id"])
            for row in database.read(reactions.find_reactions, "C1", [stamp(1), stamp(2)])
        ]

    assert found() == [
        (stamp(1), "eyes", "U1"),
        (stamp(1), "tada", "U1"),
        (stamp(1), "tada", "U2"),
        (stamp(2), "eyes", "U1"),
    ]
    assert database.read(reactions.find_reaction_names, "C1", stamp(1)) == {"eyes", "tada"}
    assert database.read(reactions.has_reaction, "C1", stamp(1), "tada", "U2")
    assert database.write(reactions.remove_reaction, "C1", stamp(1), "tada", "U2")
    assert not database.write(reactions.remove_reaction, "C1", stamp(1), "tada", "U2")
    assert not database.read(reactions.has_reaction, "C1", stamp(1), "tada", "U2")
    database.write(reactions.remove_reactions, "C1", stamp(1))
    assert found() == [(stamp(2), "eyes", "U1")]


def test_messages_with_a_users_reaction_are_found_where_the_viewer_may_see_them(database: Database) -> None:
    def fill(tx: Transaction) -> None:
        for channel, number in (("C1", 1), ("C1", 2), ("C3", 1), ("C3", 3)):
            tx.insert(MESSAGE, MessageRow(channel, stamp(number), "U1", None, True, b"{}", number))
            reactions.add_reaction(tx, channel, stamp(number), "eyes", "U1", number)
        reactions.add_reaction(tx, "C1", stamp(1), "tada", "U1", 9)
        reactions.add_reaction(tx, "C1", stamp(1), "tada", "U2", 9)
        membership.add_member(tx, "C3", "U2", 1)

    database.write(fill)
    end = (stamp(9), "")

    def found(viewer: str, *, sees_public: bool = True, **options: Any) -> list[tuple[str, str]]:
        given = {"before": end, "skip": 0, "count": 9, **options}
        rows = database.read(reactions.measure_reacted, "U1", viewer=viewer, sees_public=sees_public, **given)
        assert all(row["size"] == 2 for row in rows)
        return [(row["channel"], row["ts"]) for row in rows]

    everything = [("C3", stamp(3)), ("C1", stamp(2)), ("C3", stamp(1)), ("C1", stamp(1))]
    assert found("U2") == everything
    assert found("U2", sees_public=False) == [("C3", stamp(3)), ("C3", stamp(1))]
    assert found("U1") == [("C1", stamp(2)), ("C1", stamp(1))]
    assert found("U2", before=(stamp(1), "C3")) == everything[3:]
    assert found("U2", skip=1, count=2) == everything[1:3]
    assert database.read(reactions.count_reacted, "U1", viewer="U2", sees_public=True) == 4
    assert database.read(reactions.count_reacted, "U1", viewer="U3", sees_public=False) == 0


# Pins


def test_pins_are_added_found_and_removed(database: Database) -> None:
    def fill(tx: Transaction) -> None:
        for number in (1, 2, 3):
            tx.insert(MESSAGE, MessageRow("C1", stamp(number), "U1", None, True, b"%d" % number, number))
        pins.add_pin(tx, "C1", stamp(2), "U1", 5)
        pins.add_pin(tx, "C1", stamp(1), "U2", 6)
        pins.add_pin(tx, "C2", stamp(3), "U2", 6)

    database.write(fill)

    rows = database.read(pins.find_pins, "C1")
    assert [tuple(row) for row in rows] == [(stamp(1), "U2", 6, 1), (stamp(2), "U1", 5, 1)]
    assert database.read(pins.count_pins, "C1") == 2
    assert database.read(pins.find_pinned, "C1", [stamp(2), stamp(3)]) == {stamp(2)}
    pin = database.read(pins.find_pin, "C1", stamp(1))
    assert pin is not None
    assert tuple(pin) == ("U2", 6)
    assert database.write(pins.remove_pin, "C1", stamp(1))
    assert not database.write(pins.remove_pin, "C1", stamp(1))
    assert database.read(pins.find_pin, "C1", stamp(1)) is None


# Scheduled messages


def later(number: int, due: int, channel: str = "C1", user: str = "U1") -> ScheduledRecord:
    return ScheduledRecord(f"Q{number}", channel, user, due, 1, b"{}")


def test_scheduled_messages_are_found_by_time_and_author(database: Database) -> None:
    assert database.read(scheduled.find_next_due) is None
    records = [later(1, 30), later(2, 10), later(3, 20, "C2"), later(4, 20), later(5, 10, user="U2")]
    for record in records:
        database.write(scheduled.add_scheduled, record)

    assert database.read(scheduled.find_scheduled, "Q3") == records[2]
    assert database.read(scheduled.find_scheduled, "Q9") is None
    assert database.read(scheduled.find_next_due) == 10
    assert list(database.read(scheduled.find_due, 20, 9)) == ["Q2", "Q5", "Q3", "Q4"]
    assert list(database.read(scheduled.find_due, 20, 1)) == ["Q2"]
    assert database.read(scheduled.count_scheduled, "C1", low=10, high=20) == 2

    def found(**options: Any) -> list[str]:
        given = {"channel": None, "span": (0, 99), "after": (0, ""), "count": 9, **options}
        return [record.id for record in database.read(scheduled.find_scheduled_of, "U1", **given)]

    assert found() == ["Q2", "Q3", "Q4", "Q1"]
    assert found(channel="C2") == ["Q3"]
    assert found(span=(11, 29)) == ["Q3", "Q4"]
    assert found(after=(20, "Q3"), count=1) == ["Q4"]
    database.write(scheduled.delete_scheduled, "Q2")
    assert found() == ["Q3", "Q4", "Q1"]


# Streams


def test_streams_are_found_when_they_are_idle(database: Database) -> None:
    assert database.read(streams.find_longest_idle) is None
    for channel, number, touched in (("C1", 1, 10), ("C1", 2, 5), ("C2", 1, 20)):
        database.write(streams.set_stream, channel, stamp(number), touched, b"old")
    database.write(streams.set_stream, "C1", stamp(2), 15, b"new")

    assert database.read(streams.find_longest_idle) == 10
    found = database.read(streams.find_idle_streams, 15, 9)
    assert [tuple(row) for row in found] == [("C1", stamp(1)), ("C1", stamp(2))]
    assert len(database.read(streams.find_idle_streams, 99, 1)) == 1
    stream = database.read(streams.find_stream, "C1", stamp(2))
    assert stream is not None
    assert tuple(stream) == (15, b"new")
    database.write(streams.delete_stream, "C1", stamp(2))
    assert database.read(streams.find_stream, "C1", stamp(2)) is None


# Apps and tokens


DESK = AppRecord("A1", "desk", None, None, 5)
AIDE = AppRecord("A3", "aide", "U3", None, 6)


def token(number: int, **members: Any) -> TokenRecord:
    digest = bytes([number]) * 32
    defaults = {"kind": "user", "user_id": "U1", "app_id": None, "scopes": "identify", "origin": "seed"}
    return TokenRecord(hash=digest, id=digest.hex()[:16], created=number, **(defaults | members))


def test_apps_are_found_and_a_deleted_one_by_its_id_only(database: Database) -> None:
    for app in (DESK, AIDE):
        database.write(apps.add_app, app)
    assert database.read(apps.find_apps) == [AIDE, DESK]
    assert database.read(apps.find_app_by_name, "aide") == AIDE
    assert database.read(apps.find_app, "A0") is None
    database.write(apps.set_app_deleted, "A3", deleted=9)
    assert database.read(apps.find_apps) == [DESK]
    assert database.read(apps.find_app_by_name, "aide") is None
    deleted = database.read(apps.find_app, "A3")
    assert deleted is not None
    assert deleted.deleted == 9


def test_the_subscriptions_and_the_tap_of_an_app(database: Database) -> None:
    for app in (DESK, AIDE):
        database.write(apps.add_app, app)
    assert database.read(taps.find_subscriptions) == []
    database.write(Transaction.leave, "C1", "U1")
    database.write(taps.begin_tap, "A3")
    database.write(taps.replace_events, "A3", {"app_mention", "message.im"}, "bot")
    database.write(taps.replace_events, "A3", {"app_mention", "team_join"}, "bot")
    database.write(taps.replace_events, "A3", {"im_open"}, "user")
    database.write(taps.set_socket_mode, "A3", is_on=True)
    (row,) = database.read(taps.find_subscriptions)
    assert (row["app_id"], row["bot_user"], row["bot_id"], bool(row["socket_mode"])) == ("A3", "U3", "B3", True)
    assert row["settled"] == 1, "an app gets what comes after its first subscription"
    assert (row["request_url"], row["request_state"]) == (None, "unverified")
    database.write(taps.set_request_url, "A3", "http://a/", "unverified")
    database.write(taps.set_request_state, "A3", "http://other/", "disabled")
    database.write(taps.set_request_state, "A3", "http://a/", "verified")
    (row,) = database.read(taps.find_subscriptions)
    assert (row["request_url"], row["request_state"]) == ("http://a/", "verified")
    assert database.read(taps.find_events, "bot") == {"A3": {"app_mention", "team_join"}}
    assert database.read(taps.find_events, "user") == {"A3": {"im_open"}}
    assert database.read(taps.find_events_of, "A3", "bot") == {"app_mention", "team_join"}
    assert database.read(taps.find_events_of, "A3", "user") == {"im_open"}
    assert database.read(taps.find_events_of, "A1", "bot") == frozenset()

    database.write(taps.set_settled, {"A3": (7, b"\x01"), "A9": (7, b"")})
    database.write(taps.set_settled, {"A3": (5, b"")})
    database.write(taps.begin_tap, "A3")
    row = database.read(taps.find_subscription, "A3")
    assert row is not None
    assert bytes(row["ahead"]) == b"\x01"
    assert row["settled"] == 7, "it never goes back"
    database.write(apps.set_app_deleted, "A3", deleted=9)
    assert database.read(taps.find_subscription, "A3") is None
    assert database.read(taps.find_subscriptions) == []


def test_the_kinds_of_channels(database: Database) -> None:
    assert database.read(channels.find_kinds, ["C1", "C3", "D1", "C9"]) == {"C1": "public", "C3": "private", "D1": "im"}


def test_the_secrets_of_an_app_are_stored(database: Database) -> None:
    database.write(apps.add_app, DESK)
    assert (database.read(apps.find_signing_secret, "A1"), database.read(apps.find_signing_secrets)) == (None, {})
    database.write(apps.set_signing_secret, "A1", "first")
    assert database.read(apps.find_signing_secret, "A1") == "first"
    database.write(apps.set_app_secrets, "A1", client_id="1.2", client_secret_hash=b"\xff\x00", signing_secret="s")
    assert database.read(apps.find_signing_secrets) == {"A1": "s"}
    assert database.read(apps.find_signing_secret, "A9") is None
    found = database.read(apps.find_app, "A1")
    assert found is not None
    assert found.client_id == "1.2"
    row = database.read(lambda query: query.one("SELECT client_secret_hash, signing_secret FROM app"))
    assert row is not None
    assert tuple(row) == (b"\xff\x00", "s")


def test_tokens_are_known_by_their_origin(database: Database) -> None:
    assert not database.read(tokens.has_tokens, "sample")
    database.write(tokens.add_token, token(1, origin="sample"))
    assert database.read(tokens.has_tokens, "sample")
    assert not database.read(tokens.has_tokens, "seed")


def test_tokens_are_found_with_their_holders(database: Database) -> None:
    for app in (DESK, AIDE):
        database.write(apps.add_app, app)
    person = token(1)
    bot = token(255, kind="bot", user_id="U3", app_id="A3", expires=70)
    level = token(2, kind="app", user_id=None, app_id="A3", scopes="")
    for each in (person, bot, level):
        database.write(tokens.add_token, each)
    assert database.read(tokens.find_token, "ff" * 8) == bot
    assert database.read(tokens.find_token, "00" * 8) is None
    assert database.read(tokens.find_tokens_of_app, "A3") == [level, bot]
    assert database.read(tokens.find_tokens_of_app, "A1") == []

    ended = msgspec.structs.replace(person, expires=8, revoked=9)
    database.write(tokens.change_token, ended)
    assert database.read(tokens.find_token, person.id) == ended
    holders = {row[0]: tuple(row)[1:] for row in database.read(tokens.find_holders)}
    assert holders == {
        person.hash: ("user", None, "identify", 8, 9, "U1", "ann", None, False, None, None),
        bot.hash: ("bot", "A3", "identify", 70, None, "U3", "aide", "B3", True, "A3", "aide"),
        level.hash: ("app", "A3", "", None, None, None, None, None, None, "A3", "aide"),
    }


def test_tokens_that_ended_are_found_the_earliest_first_and_deleted(database: Database) -> None:
    assert database.read(tokens.find_first_end) is None
    revoked, expired, late = token(3, revoked=9, expires=70), token(1, expires=8), token(2, expires=50)
    for each in (revoked, expired, late, token(4)):
        database.write(tokens.add_token, each)
    assert database.read(tokens.find_first_end) == 8
    assert database.read(tokens.find_ended, 9, 5) == [expired.id, revoked.id]
    assert database.read(tokens.find_ended, 9, 1) == [expired.id]
    assert database.read(tokens.find_ended, 7, 5) == []
    database.write(tokens.delete_token, expired.id)
    assert database.read(tokens.find_token, expired.id) is None
    assert database.read(tokens.find_first_end) == 9


def test_where_an_app_comes_from(database: Database) -> None:
    for app in (DESK, AIDE):
        database.write(apps.add_app, app)
    assert database.read(manifests.find_origin, "A1") == database.read(manifests.find_origin, "A9") == (None, None)
    database.write(manifests.set_manifest, "A1", "Desk Two", "{}")
    database.write(manifests.set_owner, "A1", "U1")
    assert database.read(manifests.find_origin, "A1") == ("{}", "U1")
    assert database.read(apps.find_app_by_name, "Desk Two") is not None
    assert database.read(manifests.count_owned, "U1") == 1
    database.write(apps.set_app_deleted, "A1", deleted=9)
    assert database.read(manifests.count_owned, "U1") == 0


def test_consents_are_found_by_the_hash_of_their_code(database: Database) -> None:
    database.write(apps.add_app, DESK)
    records = [
        consents.ConsentRecord(bytes([number]) * 32, "A1", "U1", "a,b", "", "https://x/", number)
        for number in (1, 2, 3)
    ]
    for record in records:
        database.write(consents.add_consent, record)
    assert database.read(consents.find_consent, records[2].hash) == records[2]
    database.write(consents.delete_old_consents, 1)
    assert database.read(consents.find_consent, records[0].hash) is None
    database.write(consents.delete_consent, records[1].hash)
    assert database.read(consents.find_consent, records[1].hash) is None
    database.write(consents.delete_consents_of, "A1")
    assert database.read(consents.find_consent, records[2].hash) is None


def test_a_client_is_found_until_its_app_is_deleted(database: Database) -> None:
    database.write(apps.add_app, DESK)
    assert database.read(consents.find_client, "1.2") is None
    database.write(apps.set_app_secrets, "A1", client_id="1.2", client_secret_hash=b"\xff", signing_secret="s")
    assert database.read(consents.find_client, "1.2") == ("A1", b"\xff")
    database.write(apps.set_app_deleted, "A1", deleted=9)
    assert database.read(consents.find_client, "1.2") is None


def test_apps_are_found_by_what_an_operator_types(database: Database) -> None:
    for app in (DESK, AIDE):
        database.write(apps.add_app, app)
    for text, found in (("A1", [DESK]), ("desk", [DESK]), ("Desk", [])):
        assert database.read(apps.apps_called, text) == found
    assert database.read(apps.app_names_like, "dsk", 1) == ["aide"]
    assert database.read(apps.list_apps, after="", count=1) == [AIDE]
    assert database.read(apps.list_apps, after="aide", count=5) == [DESK]
    database.write(apps.set_app_deleted, "A3", deleted=9)
    assert database.read(apps.list_apps, after="", count=5) == [DESK]
    assert database.read(apps.apps_called, "A3") == []
    assert database.read(apps.app_names_like, "dsk", 5) == ["desk"]


def test_tokens_come_in_pages_by_id_with_the_names_of_their_holders(database: Database) -> None:
    database.write(apps.add_app, AIDE)
    person, other = token(3), token(1, user_id="U2", revoked=9)
    level = token(2, kind="app", user_id=None, app_id="A3", scopes="")
    for each in (person, other, level):
        database.write(tokens.add_token, each)

    def listed(**wanted: Any) -> list[tuple[Any, str]]:
        return [tuple(row) for row in database.read(tokens.list_tokens, **({"revoked": True, "count": 9} | wanted))]

    assert listed() == [(other, "bob"), (level, "aide"), (person, "ann")]
    assert listed(revoked=False) == [(level, "aide"), (person, "ann")]
    assert listed(after=other.id, count=1) == [(level, "aide")]
    assert listed(user="U1") == listed(token=person.id) == listed(digest=person.hash) == [(person, "ann")]
    assert listed(app="A3") == [(level, "aide")]


def test_a_user_is_deactivated(database: Database) -> None:
    database.write(users.set_deleted, "U1", deleted=True, updated=77)
    found = database.read(users.find_user, "U1")
    assert found == msgspec.structs.replace(ANN, deleted=True, updated=77)


# The log


def test_entries_are_found_with_their_messages(database: Database) -> None:
    grow(database)
    found = database.read(log.find_entries, after=0, before=4)
    names = ("position", "kind", "topic", "payload", "message_ts", "body")
    assert [tuple(row[name] for name in names) for row in found] == [
        (1, "event", "C1", b"one", None, None),
        (2, "message", "C1", b"", stamp(1), b"body"),
        (3, "join", "C1", b"U1", None, None),
    ]
    sizes = database.read(log.measure_entries, after=1, before=9)
    assert sizes == [(2, 4), (3, 2), (4, 2), (5, 0), (6, 4)]


def test_moves_and_newest_events_are_found(database: Database) -> None:
    grow(database)
    assert database.read(log.find_moves, after=1, before=9, user="U2") == []
    moves = database.read(log.find_moves, after=1, before=9, user="U1")
    assert [(row["position"], row["kind"], row["topic"], row["payload"]) for row in moves] == [
        (3, "join", "C1", b"U1"),
        (4, "leave", "C1", b"U1"),
    ]
    events = database.read(log.find_newest_events, 2)
    assert [(row["message_ts"], row["payload"]) for row in events] == [(None, b"last"), (stamp(1), b"")]


def test_the_newest_notes_of_a_topic(database: Database) -> None:
    def note(tx: Transaction) -> None:
        for topic, payload in (("upstream", b"1"), ("C1", b"other"), ("upstream", b"2"), ("upstream", b"3")):
            tx.note("room", Topic(topic), payload)
        tx.emit(Topic("upstream"), b"an event")

    grow(database)
    database.write(note)
    assert database.read(log.find_notes, "upstream", 2) == [b"2", b"3"]
    assert database.read(log.find_notes, "upstream", 9) == [b"1", b"2", b"3"]
    assert database.read(log.find_notes, "elsewhere", 9) == []


def test_an_entry_of_a_message_becomes_its_event(database: Database) -> None:
    grow(database)
    database.write(log.set_event, 2, b"event")
    database.write(log.set_event, 1, b"no message")
    found = database.read(log.find_entries, after=0, before=3)
    assert [(row["kind"], row["payload"], row["message_ts"], row["body"]) for row in found] == [
        ("event", b"one", None, None),
        ("event", b"event", None, None),
    ]


def test_what_does_not_hold_together_in_the_log_is_found(database: Database) -> None:
    assert database.read(log.measure_log) == (0, 0, 0)
    grow(database)
    assert database.read(log.measure_log) == (6, 1, 6)
    assert database.read(log.find_hole) == 7, "the place of the next entry"
    assert database.read(log.find_lost_reference) is None
    assert database.read(log.find_lost_entry, first=1) is None

    database.write(log.set_event, 2, b"event")
    lost = database.read(log.find_lost_entry, first=1)
    assert lost is not None
    assert (lost["channel"], lost["ts"]) == ("C1", stamp(1))
    database.write(Transaction.execute, "DELETE FROM log WHERE position = 4")
    assert database.read(log.find_hole) == 4


def test_an_entry_whose_message_is_missing_is_found(database: Database) -> None:
    grow(database)
    database.write(Transaction.execute, "DELETE FROM message WHERE ts = ?", stamp(1))
    assert database.read(log.find_lost_reference) == 2


def test_epochs_that_begin_beyond_the_head_are_counted(database: Database) -> None:
    database.write(log.add_epoch, "a")
    assert database.read(log.count_early_epochs) == 0
    database.write(Transaction.execute, "UPDATE epoch SET start = 99")
    assert database.read(log.count_early_epochs) == 1


def test_the_oldest_entries_are_measured_and_deleted(database: Database) -> None:
    assert database.read(log.find_oldest) is None
    grow(database)
    assert database.read(log.find_oldest) == 1
    assert database.read(log.measure_oldest, end=9, count=3) == [(1, 3), (2, 0), (3, 2)]
    assert database.read(log.measure_oldest, end=1, count=3) == [(1, 3)]
    database.write(log.delete_entries, end=4)
    assert database.read(log.find_oldest) == 5


def test_epochs_start_at_the_head_and_the_oldest_go(database: Database) -> None:
    for epoch in ("a", "b", "c"):
        database.write(log.add_epoch, epoch)
        database.write(Transaction.leave, "C1", "U1")
    assert [(row["id"], row["start"]) for row in database.read(log.find_epochs)] == [("a", 0), ("b", 1), ("c", 2)]
    database.write(log.delete_old_epochs, keep=2)
    assert [row["id"] for row in database.read(log.find_epochs)] == ["b", "c"]


def test_marks_tell_positions_by_time(database: Database) -> None:
    def marked(time: float) -> int | None:
        return database.read(log.find_marked, time)

    for time in (10, 20, 30):
        database.write(log.mark_head, time)
        database.write(log.mark_head, time + 5)  # the log has not grown
        database.write(Transaction.leave, "C1", "U1")
    assert [marked(time) for time in (9, 10, 19.5, 20, 99)] == [None, 0, 0, 1, 2]
    database.write(log.set_back_marks, 15)
    assert marked(15) == 2
    database.write(log.delete_marks, before=2)
    assert [marked(14), marked(15)] == [None, 2]


def stamp(number: int) -> str:
    return f"{number:010}.000000"


def post(
    database: Database, ts: str, *, user: str = "U1", parent: str | None = None, body: bytes = b"{}", position: int = 1
) -> None:
    row = MessageRow("C1", ts, user, parent, in_channel=parent is None, body=body, position=position)
    database.write(Transaction.insert, MESSAGE, row)


def join(database: Database, channel: str, *members: str) -> None:
    for user in members:
        database.write(membership.add_member, channel, user, 1)


def grow(database: Database) -> None:
    """Write six entries, of each kind."""
    post(database, stamp(1), body=b"body", position=2)

    def unit(tx: Transaction) -> None:
        tx.emit("C1", b"one")
        tx.emit("C1", b"shown to connections only", message=stamp(1))
        tx.join("C1", "U1")
        tx.leave("C1", "U1")
        tx.note("room", "C1")
        tx.emit("*", b"last")

    database.write(unit)
