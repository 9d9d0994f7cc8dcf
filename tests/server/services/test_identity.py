"""Who a token stands for: every node knows it from memory, and a change takes effect at once, whoever wrote it."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from stores import Store, beside

from elsewhere import Change, write_elsewhere
from scene import ConnectionEnded, Scene, TurnedClock
from tautwire.server.log.entry import Topic
from tautwire.server.log.tail import read_page
from tautwire.server.log.transaction import Transaction
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.rtm.door import Door
from tautwire.server.services.access import apps, tokens
from tautwire.server.services.access.identity import CLASSIC, Identities, Identity, TokenKind, hash_token
from tautwire.server.services.errors import MethodError
from tautwire.server.services.people import accounts
from tautwire.server.services.planting import plant
from tautwire.server.services.seed import APP_SCOPES, SAMPLE
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Engine
from tautwire.server.store.queries.apps import find_app_by_name
from tautwire.server.store.queries.users import find_user_by_name

TEAM = Team("T1", "Sample", "sample")


@pytest.fixture(params=["here", "elsewhere"])
def change(scene: Scene, request: pytest.FixtureRequest) -> Change:
    """Runs a unit on the server's own writer, and on another writer of the same database."""
    return Change(scene, is_elsewhere=request.param == "elsewhere")


def token_id(scene: Scene, who: str) -> str:
    return hash_token(scene.tokens[who]).hex()[:16]


async def revoke(scene: Scene, change: Change, who: str) -> str:
    """Revoke the token of a user; return the error that calls get then."""
    await change(lambda tx: tokens.revoke(tx, token_id(scene, who)))
    return "token_revoked"


async def deactivate(scene: Scene, change: Change, who: str) -> str:
    """Deactivate somebody; return the error of calls."""
    team = scene.server.workspace.team
    await change(lambda tx: accounts.deactivate(tx, team, scene.users[who]))
    return "account_inactive"


ENDS = pytest.mark.parametrize("end", [revoke, deactivate])


@ENDS
async def test_the_next_call_is_refused(scene: Scene, change: Change, end: Callable[..., Any]) -> None:
    await scene.ok("alice", "auth.test")
    error = await end(scene, change, "alice")
    assert await scene.error("alice", "auth.test") == error
    assert await scene.error("alice", "chat.postMessage", channel=scene.general, text="still here") == error
    await scene.ok("bob", "auth.test")


@ENDS
async def test_live_connections_are_closed_with_goodbye_and_those_of_others_stay(
    scene: Scene, change: Change, end: Callable[..., Any]
) -> None:
    first, second, bob = await scene.connect("alice"), await scene.connect("alice"), await scene.connect("bob")
    await end(scene, change, "alice")
    for socket in (first, second):
        assert (await socket.frame())["type"] == "goodbye"
        with pytest.raises(ConnectionEnded) as ended:
            await socket.frame()
        assert ended.value.code == 1008
    await scene.post("relaybot", scene.general, "for the others")
    assert "for the others" in await bob.texts()
    assert scene.server._running.counts.rtm.endings["revoked"] == 2


@ENDS
async def test_a_url_that_was_given_out_before_is_refused(
    scene: Scene, change: Change, end: Callable[..., Any]
) -> None:
    grant = await scene.grant("alice")
    await end(scene, change, "alice")
    socket = await scene.dial(grant)
    assert (await socket.frame())["error"] == {"code": 1, "msg": "Socket URL has expired"}
    with pytest.raises(ConnectionEnded):
        await socket.frame()


async def test_a_revocation_during_the_upgrade_is_not_missed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the ticket and the open socket the connection is in no list."""
    grant = await scene.grant("alice")
    opened = Door.opened

    def opened_later(door: Door, connection: RtmConnection) -> None:
        assert connection.ticket is not None, "the ticket was good"
        _, entries = write_elsewhere(scene, lambda tx: tokens.revoke(tx, token_id(scene, "alice")))
        scene.server.workspace.identities.follow(entries)
        opened(door, connection)

    monkeypatch.setattr(Door, "opened", opened_later)
    socket = await scene.dial(grant)
    assert (await socket.frame())["type"] == "error"
    with pytest.raises(ConnectionEnded):
        await socket.frame()


async def test_another_token_of_the_same_user_goes_on(scene: Scene, change: Change) -> None:
    other = await change(lambda tx: tokens.issue(tx, known(tx, "alice")))
    scene.tokens["alice's phone"] = other.text
    phone, desk = await scene.connect("alice's phone"), await scene.connect("alice")

    await revoke(scene, change, "alice")

    assert await desk.ended() == 1008
    assert (await phone.say(scene.general, "from the phone"))["ok"]
    await scene.ok("alice's phone", "auth.test")


async def test_a_token_that_was_just_issued_works(scene: Scene, change: Change) -> None:
    issued = await change(lambda tx: tokens.issue(tx, known(tx, "carol"), scopes={"chat:write", "users:read"}))
    scene.tokens["carol 2"] = issued.text
    answer = await scene.request("POST", "auth.test", headers=scene.bearer("carol 2"))
    assert answer.body["user_id"] == scene.users["carol"]
    assert answer.headers["X-OAuth-Scopes"] == "chat:write,users:read"
    await scene.connect("carol 2")


async def test_a_reactivated_user_is_back_with_the_old_tokens(scene: Scene, change: Change) -> None:
    await deactivate(scene, change, "alice")
    team = scene.server.workspace.team
    await change(lambda tx: accounts.reactivate(tx, team, scene.users["alice"]))
    alice = await scene.connect("alice")
    assert (await alice.say(scene.general, "back"))["ok"], "memberships stay"


async def test_an_expired_token_is_refused_by_the_clock_and_its_connections_are_closed(
    scene: Scene, change: Change
) -> None:
    issued = await change(lambda tx: tokens.issue(tx, known(tx, "bob"), lifetime=3_600))
    scene.tokens["bob for an hour"] = issued.text
    bob = await scene.connect("bob for an hour")
    lasting = await scene.connect("bob")
    grant = await scene.grant("bob for an hour")

    scene.clock.step += 3_590
    await scene.ok("bob for an hour", "auth.test")
    assert (await bob.say(scene.general, "in time"))["ok"]

    scene.clock.step += 20
    assert await scene.error("bob for an hour", "auth.test") == "token_expired"
    assert (await (await scene.dial(grant)).frame())["type"] == "error"
    assert await bob.ended() == 1008
    assert (await lasting.say(scene.general, "for ever"))["ok"]


async def test_a_token_that_is_rotated_with_grace_ends_later(scene: Scene, change: Change) -> None:
    old = await scene.connect("relaybot")
    issued = await change(lambda tx: tokens.rotate(tx, token_id(scene, "relaybot"), grace=60))
    scene.tokens["new"] = issued.text
    await scene.ok("relaybot", "auth.test")
    assert (await scene.ok("new", "auth.test"))["bot_id"]

    scene.clock.step += 61
    assert await scene.error("relaybot", "auth.test") == "token_expired"
    assert await old.ended() == 1008
    await scene.ok("new", "auth.test")


async def test_a_token_that_is_rotated_without_grace_ends_now(scene: Scene, change: Change) -> None:
    old = await scene.connect("relaybot")
    issued = await change(lambda tx: tokens.rotate(tx, token_id(scene, "relaybot")))
    scene.tokens["new"] = issued.text
    assert await old.ended() == 1008
    assert await scene.error("relaybot", "auth.test") == "token_revoked"
    await scene.ok("new", "auth.test")


async def test_a_restart_knows_all_of_it(scene: Scene, change: Change) -> None:
    await revoke(scene, change, "alice")
    await deactivate(scene, change, "bob")
    short = await change(lambda tx: tokens.issue(tx, known(tx, "carol"), lifetime=10))
    scene.tokens["short"] = short.text
    scene.clock.step += 11

    await scene.server.stop()
    await scene.server.start()

    found = [await scene.error(who, "auth.test") for who in ("alice", "bob", "short")]
    assert found == ["token_revoked", "account_inactive", "token_expired"]
    await scene.ok("carol", "auth.test")


async def test_an_app_level_token_is_the_apps_and_no_users(scene: Scene, change: Change) -> None:
    app = await change(lambda tx: apps.create_app(tx, scene.server.workspace.team, "desk", bot_name="deskbot"))
    issued = await change(lambda tx: tokens.issue_for_app(tx, app.record, APP_SCOPES))
    scene.tokens["app"] = issued.text
    answer = await scene.ok("app", "auth.test")
    assert (answer["app_id"], answer["app_name"]) == (app.record.id, "desk")
    assert not {"user", "user_id", "bot_id"}.intersection(answer)
    for method in ("rtm.connect", "chat.postMessage"):
        assert await scene.error("app", method, channel=scene.general, text="x") == "not_allowed_token_type"
    await change(lambda tx: tokens.revoke(tx, issued.record.id))
    assert await scene.error("app", "auth.test") == "invalid_auth", "what clients of Socket Mode give up on"


async def test_entries_of_kind_auth_reach_no_connection(scene: Scene, change: Change) -> None:
    alice = await scene.connect("alice", resume="")
    before = (await scene.grant("alice", resume=""))["position"]
    await change(lambda tx: tokens.issue(tx, known(tx, "alice")))
    await change(lambda tx: tokens.revoke(tx, token_id(scene, "bob")))
    assert [frame for frame in await alice.fence() if frame["type"] != "position"] == []

    resumed = await scene.dial(await scene.grant("alice", resume=before))
    assert resumed.grant["resume"] == "resumed"
    kinds = {frame["type"] for frame in await resumed.fence()}
    assert kinds <= {"hello", "position"}
    with beside(scene.server.settings) as query:
        noted = [entry for entry in read_page(query, after=0, before=2**53) if entry.kind == "auth"]
    assert {entry.topic for entry in noted[-2:]} == {scene.users["alice"], scene.users["bob"]}
    for entry in noted:
        assert all(token.encode() not in entry.payload for token in scene.tokens.values())


# --- the cache alone ---


class Node:
    """A writer and the memory of its node, fed as the feed does it."""

    def __init__(self, engine: Engine, clock: TurnedClock) -> None:
        self.identities = Identities(clock)
        self._session = engine.session()
        self._transaction = Transaction(self._session, clock)
        self.refusals = 0
        self.identities.on_refusal(self._count)
        with closing(engine.read_session()) as session:
            self.identities.load(session)

    def write(self, unit: Callable[[Transaction], Any]) -> Any:
        missed, _ = self._transaction.begin()
        self.identities.follow(missed)
        result = self._transaction.attempt(unit)
        self.identities.follow(self._transaction.commit())
        return result

    def who(self, token: str) -> Identity | str:
        try:
            return self.identities.authenticate(token)
        except MethodError as error:
            return error.code

    def close(self) -> None:
        self._session.close()

    def _count(self) -> None:
        self.refusals += 1


@pytest.fixture
def nodes(store: Store, tmp_path: Path, clock: TurnedClock) -> Any:
    with closing(store.open(tmp_path)) as engine:
        first = Node(engine, clock)
        given = first.write(lambda tx: plant(tx, SAMPLE, "seed"))
        second = Node(engine, clock)
        second.write(lambda tx: None)
        first.write(lambda tx: None)
        yield first, second, given, partial(Node, engine, clock)
        first.close()
        second.close()


def known(tx: Transaction, name: str) -> Any:
    user = find_user_by_name(tx, name)
    assert user is not None
    return user


def test_every_node_comes_to_the_same_as_one_that_starts_now(nodes: Any, clock: TurnedClock) -> None:
    first, second, given, start = nodes
    alice, bob, bot = given["alice"], given["bob"], given["relaybot"]
    ids = {name: hash_token(token).hex()[:16] for name, token in given.items()}
    issued = [
        first.write(lambda tx: tokens.issue(tx, known(tx, "alice"), lifetime=100, scopes={"chat:write"})).text,
        second.write(lambda tx: tokens.rotate(tx, ids["relaybot"], grace=50)).text,
        first.write(lambda tx: tokens.issue_for_app(tx, find_app_by_name(tx, "relaybot"), APP_SCOPES)).text,
    ]
    second.write(lambda tx: tokens.revoke(tx, ids["alice"]))
    first.write(lambda tx: accounts.deactivate(tx, TEAM, known(tx, "bob").id))
    second.write(lambda tx: None)
    everyone = [alice, bob, bot, *issued, "xoxb-nobody", ""]

    for later in (0, 60, 60):
        clock.step += later
        fresh = start()
        found = [[node.who(token) for token in everyone] for node in (first, second, fresh)]
        fresh.close()
        assert found[0] == found[1] == found[2]
    assert found[0][:2] == ["token_revoked", "account_inactive"]
    assert found[0][2:4] == ["token_expired", "token_expired"]
    assert [who.kind for who in found[0][4:6]] == [TokenKind.BOT, TokenKind.APP]
    assert found[0][6:] == ["invalid_auth", "not_authed"]


def test_an_identity_has_what_the_token_permits(nodes: Any) -> None:
    first, _, given, _ = nodes
    alice, bot = first.who(given["alice"]), first.who(given["relaybot"])
    assert (alice.kind, alice.name, alice.bot_id, alice.app_id, alice.scopes) == ("user", "alice", None, None, CLASSIC)
    assert alice.token == hash_token(given["alice"])
    assert (bot.kind, bot.bot_id[0], bot.app_id[0], bot.scope_list) == ("bot", "B", "A", "identify,bot:basic")
    app = first.write(lambda tx: tokens.issue_for_app(tx, find_app_by_name(tx, "relaybot"), APP_SCOPES))
    who = first.who(app.text)
    assert (who.user, who.name, who.app_id, who.is_bot) == ("", "relaybot", bot.app_id, False)
    assert app.text.startswith(f"xapp-1-{bot.app_id}-")
    assert app.text not in repr(app)


def test_a_token_is_in_the_index_also_when_it_has_ended_and_until_its_workspace_is_closed(nodes: Any) -> None:
    """A host of several workspaces finds the one that says why the token is refused."""
    first, _, given, _ = nodes
    index: dict[bytes, Identities] = {}
    first.identities.publish(index)
    first.write(lambda tx: tokens.revoke(tx, hash_token(given["alice"]).hex()[:16]))
    added = first.write(lambda tx: tokens.issue(tx, find_user_by_name(tx, "bob"))).text
    kept = Identities(TurnedClock())
    index[hash_token(given["bob"])] = kept

    assert index[hash_token(given["alice"])] is first.identities
    assert index[hash_token(added)] is first.identities
    assert hash_token("xoxb-of-another-workspace") not in index
    first.identities.withdraw()
    assert index == {hash_token(given["bob"]): kept}


def test_an_identity_without_a_token_is_refused(nodes: Any) -> None:
    first, _, given, _ = nodes
    assert first.identities.refuses(Identity(first.who(given["alice"]).user, "alice", None, None))


def test_listeners_are_called_once_a_batch_and_only_if_something_ended(nodes: Any, clock: TurnedClock) -> None:
    first, second, given, _ = nodes
    first.write(lambda tx: tokens.issue(tx, known(tx, "alice"), lifetime=10))
    assert first.refusals == 0

    def both(tx: Transaction) -> None:
        for name in ("alice", "bob"):
            tokens.revoke(tx, hash_token(given[name]).hex()[:16])

    first.write(both)
    assert first.refusals == 1
    first.identities.sweep()
    assert first.refusals == 1
    clock.step += 11
    first.identities.sweep()
    first.identities.sweep()
    assert first.refusals == 2
    second.write(lambda tx: None)
    assert second.refusals == 1


def test_one_entry_that_cannot_be_read_does_not_hide_the_next(nodes: Any, caplog: pytest.LogCaptureFixture) -> None:
    first, second, given, _ = nodes

    def unit(tx: Transaction) -> None:
        tx.note("auth", Topic("U1"), b'{"holder":')
        tokens.revoke(tx, hash_token(given["alice"]).hex()[:16])

    second.write(unit)
    first.write(lambda tx: None)
    assert first.who(given["alice"]) == "token_revoked"
    assert "(auth) cannot be read" in caplog.text
    caplog.clear()


def test_a_listener_that_raises_costs_the_others_nothing(nodes: Any, caplog: pytest.LogCaptureFixture) -> None:
    first, _, given, _ = nodes
    called = []

    def broken() -> None:
        raise RuntimeError("no")

    first.identities.on_refusal(broken)
    first.identities.on_refusal(lambda: called.append(1))
    first.write(lambda tx: tokens.revoke(tx, hash_token(given["bob"]).hex()[:16]))
    assert called == [1]
    assert "were not closed" in caplog.text
    caplog.clear()
