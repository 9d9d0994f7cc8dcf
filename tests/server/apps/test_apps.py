"""Apps and their bots: made, announced, described in a seed file, and deleted with all their tokens."""

import json
from pathlib import Path
from typing import Any

import pytest
from stores import beside

from elsewhere import Change
from scene import SEED, OpenScene, Scene
from tautwire.server.services.access import apps, tokens
from tautwire.server.services.access.identity import hash_token
from tautwire.server.services.errors import MethodError
from tautwire.server.services.planting import app_key, secret_key
from tautwire.server.services.seed import APP_SCOPES, SeedError, read_seed
from tautwire.server.store.queries.apps import find_app, find_apps
from tautwire.server.store.queries.tokens import find_tokens_of_app
from tautwire.server.store.queries.users import find_user_by_name

APPS = """
apps:
  - {name: deploybot, real_name: Deploy Bot, scopes: [chat:write, "channels:read"], tokens: [bot, app]}
  - {name: watcher}
"""


@pytest.fixture(params=["here", "elsewhere"])
def change(scene: Scene, request: pytest.FixtureRequest) -> Change:
    return Change(scene, is_elsewhere=request.param == "elsewhere")


async def create(scene: Scene, change: Change, name: str = "desk") -> apps.App:
    team = scene.server.workspace.team
    app = await change(lambda tx: apps.create_app(tx, team, name, bot_name=f"{name}bot", real_name="Ticket Desk"))
    assert isinstance(app, apps.App)
    return app


async def test_everybody_hears_of_a_new_bot(scene: Scene, change: Change) -> None:
    alice = await scene.connect("alice")
    app = await create(scene, change)
    added = (await alice.until("bot_added"))["bot"]
    joined = (await alice.until("team_join"))["user"]
    assert (added["id"], added["app_id"], added["user_id"]) == (app.bot.bot_id, app.record.id, app.bot.id)
    assert (joined["id"], joined["name"], joined["is_bot"]) == (app.bot.id, "deskbot", True)
    assert joined["profile"]["api_app_id"] == app.record.id
    bot = (await scene.ok("alice", "bots.info", bot=app.bot.bot_id))["bot"]
    assert bot == added


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_new_bot_works_and_is_never_away_for_inactivity(open_scene: OpenScene, is_elsewhere: bool) -> None:
    scene = await open_scene(auto_away=20.0)
    change = Change(scene, is_elsewhere=is_elsewhere)
    app = await create(scene, change)
    scene.tokens["deskbot"] = (await change(lambda tx: tokens.issue(tx, app.bot))).text
    await scene.connect("deskbot")
    alice = await scene.connect("alice")
    await alice.send(type="presence_sub", ids=[app.bot.id, scene.users["alice"]])
    assert len(await alice.events()) == 2
    scene.clock.offset += 21.0
    await scene.server_swept()
    changed = [frame for frame in await alice.fence() if frame["type"] == "presence_change"]
    assert [frame["user"] for frame in changed] == [scene.users["alice"]], "a person goes away, a bot does not"


async def test_names_that_are_taken(scene: Scene) -> None:
    change = Change(scene, is_elsewhere=False)
    await create(scene, change)
    team = scene.server.workspace.team
    for name, bot_name in (("desk", "other"), ("other", "deskbot"), ("other", "alice")):
        with pytest.raises(MethodError, match="name_taken"):
            await change(lambda tx, name=name, bot=bot_name: apps.create_app(tx, team, name, bot_name=bot))


async def test_a_deleted_app_is_gone_with_every_token(scene: Scene, change: Change) -> None:
    app = await create(scene, change)
    team = scene.server.workspace.team

    def issue(tx: Any) -> list[tokens.Issued]:
        alice = find_user_by_name(tx, "alice")
        assert alice is not None
        return [
            tokens.issue(tx, app.bot),
            tokens.issue(tx, alice, app=app.record.id),
            tokens.issue_for_app(tx, app.record, APP_SCOPES),
        ]

    names = ("bot", "alice for it", "app")
    for name, issued in zip(names, await change(issue), strict=True):
        scene.tokens[name] = issued.text
    sockets = [await scene.connect(name) for name in names[:2]]
    alice = await scene.connect("alice")

    await change(lambda tx: apps.delete_app(tx, team, app.record.id))

    errors = [await scene.error(name, "auth.test") for name in names]
    assert errors == ["account_inactive", "token_revoked", "invalid_auth"]
    assert [await socket.ended() for socket in sockets] == [1008, 1008]
    assert (await alice.until("bot_changed"))["bot"]["deleted"] is True
    assert (await alice.until("user_change"))["user"]["id"] == app.bot.id
    await scene.ok("alice", "auth.test")
    await scene.ok("relaybot", "auth.test")
    with beside(scene.server.settings) as query:
        assert all(token.revoked for token in find_tokens_of_app(query, app.record.id))
        assert app.record.id not in {each.id for each in find_apps(query)}
        assert find_app(query, app.record.id) is not None, "messages refer to it"


async def test_an_app_that_is_not_there(scene: Scene) -> None:
    change = Change(scene, is_elsewhere=False)
    app = await create(scene, change)
    team = scene.server.workspace.team
    await change(lambda tx: apps.delete_app(tx, team, app.record.id))
    for name in ("A0NOPE", app.record.id):
        for unit in (lambda tx, n=name: apps.delete_app(tx, team, n), lambda tx, n=name: apps.renew_secrets(tx, n)):
            with pytest.raises(MethodError, match="app_not_found"):
                await change(unit)


async def test_secrets_are_shown_once_and_replaced(scene: Scene) -> None:
    change = Change(scene, is_elsewhere=False)
    app = await create(scene, change)
    first = await change(lambda tx: apps.renew_secrets(tx, app.record.id))
    second = await change(lambda tx: apps.renew_secrets(tx, app.record.id))
    assert first != second
    assert second.client_secret not in repr(second)
    assert second.signing_secret not in repr(second)
    with beside(scene.server.settings) as query:
        row = query.one("SELECT client_id, client_secret_hash, signing_secret FROM app WHERE id = ?", app.record.id)
        assert row is not None
        assert tuple(row) == (second.client_id, hash_token(second.client_secret), second.signing_secret)


# --- the seed file ---


async def test_apps_of_a_seed_file_have_bots_scopes_and_tokens(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=SEED + APPS)
    answer = await scene.request("POST", "auth.test", headers=scene.bearer("deploybot"))
    assert answer.body["bot_id"]
    assert answer.headers["X-OAuth-Scopes"] == "channels:read,chat:write"
    assert (await scene.request("POST", "auth.test", headers=scene.bearer("watcher"))).headers["X-OAuth-Scopes"] == (
        "identify,bot:basic"
    )
    kept = json.loads((scene.server.settings.data / "tokens.json").read_text())
    app_token = kept[app_key("deploybot")]
    scene.tokens["app"] = app_token
    assert app_token.startswith("xapp-1-")
    assert (await scene.ok("app", "auth.test"))["app_name"] == "deploybot"
    assert app_key("watcher") not in kept
    shown = scene.directory.apps
    secrets = {name: shown["deploybot"].pop(name) for name in ("client_id", "signing_secret")}
    assert all(secrets.values())
    assert shown["deploybot"] == {
        "id": app_token.split("-")[2],
        "bot_token": kept["deploybot"],
        "app_token": app_token,
        "client_secret": kept[secret_key("deploybot")],
    }
    assert (shown["watcher"]["bot_token"], shown["watcher"]["app_token"]) == (kept["watcher"], None)
    with beside(scene.server.settings) as query:
        found = {app.name: app for app in find_apps(query)}
        assert set(found) == {"relaybot", "deploybot", "watcher"}, "bots belong to apps"
        assert found["relaybot"].bot_user == scene.users["relaybot"]
        assert app_token.split("-")[2] == found["deploybot"].id


async def test_a_seed_file_that_is_read_again_adds_only_what_is_new(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=SEED)
    bob = dict(scene.tokens)
    await scene.server.stop()
    seed = scene.server.settings.seed
    assert seed is not None
    seed.write_text(SEED + APPS)
    await scene.server.start()
    await scene.server.stop()
    await scene.server.start()
    kept = json.loads((scene.server.settings.data / "tokens.json").read_text())
    assert {name: kept[name] for name in bob} == bob
    secrets = {secret_key("deploybot"), secret_key("watcher")}
    assert set(kept) == {*bob, "deploybot", app_key("deploybot"), "watcher", *secrets}


async def test_without_tokens_json_the_server_starts_and_tokens_are_issued_anew(open_scene: OpenScene) -> None:
    scene = await open_scene()
    (scene.server.settings.data / "tokens.json").unlink()
    await scene.server.stop()
    await scene.server.start()
    await scene.ok("alice", "auth.test")

    def issue(tx: Any) -> tokens.Issued:
        alice = find_user_by_name(tx, "alice")
        assert alice is not None
        return tokens.issue(tx, alice)

    scene.tokens["anew"] = (await scene.server.workspace.writer.write(issue)).text
    assert (await scene.ok("anew", "auth.test"))["user_id"] == scene.users["alice"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("users: [{name: a}]\napps: [{name: a}]", "got 'a' twice"),
        ("apps: [{name: slackbot}]", "another name than 'slackbot'"),
        ("apps: [{name: a, scopes: ['chat:write,admin']}]", "scopes"),
        ("apps: [{name: a, tokens: [user]}]", "tokens"),
        ("apps: [{name: 'a:app'}]", "name"),
        ("apps: [{name: a, socket: true}]", "socket"),
        ("apps: [{name: a}]\nchannels: [{name: c, members: [b]}]", "users, bots or apps of the file, got 'b'"),
    ],
)
def test_mistakes_in_apps_are_named(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(text)
    with pytest.raises(SeedError) as refused:
        read_seed(path)
    assert says in str(refused.value)


# --- scopes ---


@pytest.mark.parametrize("rtm_tokens", ["all", "classic"])
async def test_bots_with_a_list_of_scopes_use_rtm_unless_the_operator_wants_the_rule_of_slack(
    open_scene: OpenScene, rtm_tokens: str
) -> None:
    scene = await open_scene(seed=SEED + APPS, rtm_tokens=rtm_tokens)
    for method in ("rtm.connect", "rtm.start"):
        for who in ("alice", "relaybot", "watcher"):
            await scene.ok(who, method)
        answer = await scene.call("deploybot", method)
        assert answer.get("error") == (None if rtm_tokens == "all" else "not_allowed_token_type")


async def test_a_seeded_bot_is_held_to_its_scopes_if_they_are_listed(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=SEED + APPS)
    answer = await scene.request("POST", "users.list", headers=scene.bearer("deploybot"))
    assert answer.body == {
        "ok": False,
        "error": "missing_scope",
        "needed": "users:read",
        "provided": "channels:read,chat:write",
    }
    assert answer.headers["X-Accepted-OAuth-Scopes"] == "users:read"
    await scene.ok("deploybot", "conversations.list")
    await scene.ok("watcher", "users.list")
    assert (
        "X-Accepted-OAuth-Scopes"
        not in (await scene.request("POST", "auth.test", headers=scene.bearer("watcher"))).headers
    )
