"""Issuing, revoking and rotating: what is stored, what is refused, and what a failed unit leaves."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stores import Store, rows_of

from scene import TurnedClock
from tautwire.server.log.entry import Entry
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access import apps, tokens
from tautwire.server.services.access.identity import CLASSIC, hash_token
from tautwire.server.services.errors import MethodError
from tautwire.server.services.people import accounts
from tautwire.server.services.planting import plant
from tautwire.server.services.seed import SAMPLE
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Engine
from tautwire.server.store.queries.apps import find_app, find_app_by_name
from tautwire.server.store.queries.tokens import TokenRecord, find_token
from tautwire.server.store.queries.users import find_user, find_user_by_name
from tautwire.server.store.records import SLACKBOT_ID, UserRecord

TEAM = Team("T1", "Sample", "sample")


class Desk:
    """A writer on a workspace with the people of the sample."""

    def __init__(self, engine: Engine, clock: TurnedClock) -> None:
        self.engine = engine
        self.clock = clock
        self._session = engine.session()
        self._transaction = Transaction(self._session, clock)
        self.given = self.write(lambda tx: plant(tx, SAMPLE, "seed"))
        self.entries: list[Entry] = []

    def write(self, unit: Callable[[Transaction], Any]) -> Any:
        self._transaction.begin()
        try:
            result = self._transaction.attempt(unit)
        finally:
            self.entries = self._transaction.commit()
        return result

    def refusal(self, unit: Callable[[Transaction], Any]) -> str:
        with pytest.raises(MethodError) as refused:
            self.write(unit)
        assert self.entries == [], "a refusal leaves nothing"
        return refused.value.code

    def user(self, name: str) -> UserRecord:
        user = self.write(lambda tx: find_user_by_name(tx, name))
        assert isinstance(user, UserRecord)
        return user

    def token(self, text: str) -> TokenRecord:
        record = self.write(lambda tx: find_token(tx, hash_token(text).hex()[:16]))
        assert isinstance(record, TokenRecord)
        return record

    def issue(self, name: str, **options: Any) -> tokens.Issued:
        user = self.user(name)
        issued = self.write(lambda tx: tokens.issue(tx, user, **options))
        assert isinstance(issued, tokens.Issued)
        return issued

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: TurnedClock) -> Iterator[Desk]:
    with closing(store.open(tmp_path)) as engine, closing(Desk(engine, clock)) as desk:
        yield desk


def test_a_token_has_the_form_that_clients_know(desk: Desk) -> None:
    person, bot = desk.issue("alice"), desk.issue("relaybot")
    app = desk.write(lambda tx: find_app_by_name(tx, "relaybot"))
    level = desk.write(lambda tx: tokens.issue_for_app(tx, app, ["connections:write"]))
    assert re.fullmatch(r"xoxp-\d{12}-\d{12}-\w{24}", person.text)
    assert re.fullmatch(r"xoxb-\d{12}-\d{12}-\w{24}", bot.text)
    assert re.fullmatch(rf"xapp-1-{app.id}-\d{{12}}-[0-9a-f]{{64}}", level.text)
    for issued in (person, bot, level):
        assert issued.text not in repr(issued)


def test_what_is_stored_says_all_but_the_token(desk: Desk) -> None:
    issued = desk.issue("alice", lifetime=60, scopes={"chat:write", "identify"})
    payloads = b"".join(entry.payload for entry in desk.entries)
    assert payloads
    assert issued.text.encode() not in payloads
    record = desk.token(issued.text)
    assert record == issued.record
    assert record.hash == hash_token(issued.text)
    assert record.id == record.hash.hex()[:16]
    alice = desk.user("alice")
    assert (record.kind, record.user_id, record.app_id) == ("user", alice.id, None)
    assert (record.scopes, record.origin) == ("identify,chat:write", "issued")
    assert record.expires == record.created + 60
    assert record.revoked is None


def test_a_bot_token_is_its_apps_and_a_persons_may_be(desk: Desk) -> None:
    app = desk.write(lambda tx: find_app_by_name(tx, "relaybot"))
    assert desk.issue("relaybot").record.app_id == app.id
    assert desk.issue("alice", app=app.id).record.app_id == app.id
    assert desk.token(desk.given["relaybot"]).scopes == "identify,bot:basic"


def test_who_gets_no_token(desk: Desk) -> None:
    slackbot = desk.write(lambda tx: find_user(tx, SLACKBOT_ID))
    assert desk.refusal(lambda tx: tokens.issue(tx, slackbot)) == "user_not_found"
    gone = desk.write(lambda tx: accounts.deactivate(tx, TEAM, desk_user(tx, "bob").id))
    assert desk.refusal(lambda tx: tokens.issue(tx, gone)) == "user_disabled"
    app = desk.write(lambda tx: find_app_by_name(tx, "relaybot"))
    desk.write(lambda tx: apps.delete_app(tx, TEAM, app.id))
    deleted = desk.write(lambda tx: find_app(tx, app.id))
    assert desk.refusal(lambda tx: tokens.issue_for_app(tx, deleted, CLASSIC)) == "app_not_found"


def test_a_token_is_revoked_once(desk: Desk) -> None:
    issued = desk.issue("alice")
    desk.write(lambda tx: tokens.revoke(tx, issued.record.id))
    assert [(entry.kind, entry.topic) for entry in desk.entries] == [("auth", desk.user("alice").id)]
    revoked = desk.token(issued.text).revoked
    assert revoked is not None
    desk.clock.step += 100
    desk.write(lambda tx: tokens.revoke(tx, issued.record.id))
    assert desk.entries == []
    assert desk.token(issued.text).revoked == revoked, "the first time counts"


def test_a_token_that_does_not_exist(desk: Desk) -> None:
    for unit in (tokens.revoke, tokens.rotate):
        assert desk.refusal(lambda tx, unit=unit: unit(tx, "00000000")) == "token_not_found"


def test_rotating_makes_an_equal_token_and_ends_the_old_one(desk: Desk) -> None:
    app = desk.write(lambda tx: find_app_by_name(tx, "relaybot"))
    level = desk.write(lambda tx: tokens.issue_for_app(tx, app, ["connections:write"]))
    for old in (desk.issue("alice", scopes={"chat:write"}, app=app.id), desk.issue("relaybot"), level):
        new = desk.write(lambda tx, old=old: tokens.rotate(tx, old.record.id))
        assert new.text != old.text
        for member in ("kind", "user_id", "app_id", "scopes", "expires"):
            assert getattr(new.record, member) == getattr(old.record, member), member
        assert desk.token(old.text).revoked is not None
        assert desk.token(new.text).revoked is None


def test_a_lifetime_begins_anew_and_grace_never_lengthens_one(desk: Desk) -> None:
    old = desk.issue("alice", lifetime=100)
    desk.clock.step += 70
    new = desk.write(lambda tx: tokens.rotate(tx, old.record.id, grace=60))
    assert new.record.expires - new.record.created == 100
    assert new.record.created >= old.record.created + 70
    assert desk.token(old.text).expires == old.record.expires, "the old one had only 30 s left"
    desk.write(lambda tx: tokens.rotate(tx, new.record.id, grace=60))
    kept = desk.token(new.text)
    assert kept.revoked is None
    assert kept.expires is not None
    assert kept.expires - 60 <= new.record.created + 5


def test_what_has_ended_is_not_rotated(desk: Desk) -> None:
    revoked, expired, gone = desk.issue("alice"), desk.issue("alice", lifetime=10), desk.issue("bob")
    desk.write(lambda tx: tokens.revoke(tx, revoked.record.id))
    desk.write(lambda tx: accounts.deactivate(tx, TEAM, desk_user(tx, "bob").id))
    desk.clock.step += 10
    refused = [
        desk.refusal(lambda tx, each=each: tokens.rotate(tx, each.record.id)) for each in (revoked, expired, gone)
    ]
    assert refused == ["token_revoked", "token_expired", "account_inactive"]


def test_a_unit_that_fails_behind_an_issue_leaves_no_token(desk: Desk) -> None:
    before = len(rows_of(desk.engine, "SELECT id FROM token"))

    def unit(tx: Transaction) -> None:
        tokens.issue(tx, desk_user(tx, "alice"))
        raise MethodError("no_permission")

    assert desk.refusal(unit) == "no_permission"
    assert len(rows_of(desk.engine, "SELECT id FROM token")) == before


def desk_user(tx: Transaction, name: str) -> UserRecord:
    user = find_user_by_name(tx, name)
    assert user is not None
    return user
