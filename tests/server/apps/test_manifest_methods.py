"""People make, change, export and delete apps of their own with a configuration token, through slack_sdk's clients."""

import asyncio
import json
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from appside import AppSide
from controlled import SECRET, operate, refusal
from installing import MANIFEST, URL, Desk, configurator, manifest
from scene import SEED, OpenScene, Scene, eventually
from tautwire.server.services.manifests.installing import export
from tautwire.server.services.seed import SeedError, read_seed
from tautwire.server.store.queries.apps import find_app_by_name
from tautwire.server.web_api.methods.apps_manifest import MAX_OWNED


async def client(scene: Scene, name: str = "alice") -> AsyncWebClient:
    return AsyncWebClient(scene.tokens[await configurator(scene, name)], scene.server.api_url)


async def test_an_app_is_made_changed_exported_and_deleted(scene: Scene) -> None:
    sdk = await client(scene)
    text = json.dumps(MANIFEST)
    checked = await sdk.apps_manifest_validate(manifest=text)
    assert (checked["errors"], checked["warnings"]) == ([], [])
    made = await sdk.apps_manifest_create(manifest=text)
    app = made["app_id"]
    assert set(made["credentials"]) == {"client_id", "client_secret", "verification_token", "signing_secret"}
    assert made["oauth_authorize_url"].startswith(
        f"{scene.server.api_url.removesuffix('api/')}oauth/v2/authorize?client_id={made['credentials']['client_id']}"
    )
    assert made["app_token"].startswith(f"xapp-1-{app}-")
    assert (await sdk.apps_manifest_export(app_id=app))["manifest"] == MANIFEST

    other = manifest(event_subscriptions={"bot_events": ["app_mention"]})
    changed = await sdk.apps_manifest_update(app_id=app, manifest=json.dumps(other))
    assert (changed["app_id"], changed["permissions_updated"]) == (app, False)
    assert (await sdk.apps_manifest_export(app_id=app))["manifest"] == other, "what is left out is reset"
    other["oauth_config"]["scopes"]["bot"].append("pins:read")
    assert (await sdk.apps_manifest_update(app_id=app, manifest=json.dumps(other)))["permissions_updated"] is True

    assert (await sdk.apps_manifest_delete(app_id=app))["ok"]
    with pytest.raises(SlackApiError, match="app_not_found"):
        await sdk.apps_manifest_export(app_id=app)
    scene.tokens["gone"] = made["app_token"]
    assert await scene.error("gone", "auth.test") == "invalid_auth"


async def test_a_new_app_has_a_bot_and_no_tokens_of_it(scene: Scene) -> None:
    alice = await scene.connect("alice")
    made = await (await client(scene)).apps_manifest_create(manifest=json.dumps(MANIFEST))
    added = (await alice.until("bot_added"))["bot"]
    assert (added["app_id"], added["name"]) == (made["app_id"], "Desk")
    assert scene.server.workspace.identities.installation(made["app_id"]) == {}


async def test_errors_of_a_manifest_come_with_their_places(scene: Scene) -> None:
    sdk = await client(scene)
    broken = json.dumps(manifest(socket_mode_enabled=False))
    for call in (sdk.apps_manifest_validate, sdk.apps_manifest_create):
        with pytest.raises(SlackApiError) as caught:
            await call(manifest=broken)
        answer = caught.value.response
        assert answer["error"] == "invalid_manifest"
        assert answer["errors"] == [
            {
                "message": "event subscriptions need a request URL or Socket Mode",
                "pointer": "/settings/event_subscriptions",
            }
        ]
    for text in ("{", "[]", "", "null", "[" * 500):
        with pytest.raises(SlackApiError, match="invalid_manifest"):
            await sdk.apps_manifest_validate(manifest=text)
    assert await scene.error("alice configures", "apps.manifest.create", manifest=MANIFEST, team_id="T0") == (
        "invalid_team_id"
    )


async def test_what_is_not_done_is_a_warning(scene: Scene) -> None:
    sdk = await client(scene)
    answer = await sdk.apps_manifest_validate(manifest=json.dumps(manifest(token_rotation_enabled=True)))
    assert answer["warnings"] == [
        {"code": "not_done", "message": "tokens do not expire", "pointer": "/settings/token_rotation_enabled"}
    ]


async def test_an_app_is_of_the_person_who_made_it(scene: Scene) -> None:
    made = (await (await client(scene)).apps_manifest_create(manifest=json.dumps(MANIFEST)))["app_id"]
    bob = await client(scene, "bob")
    for call in (bob.apps_manifest_export, bob.apps_manifest_delete):
        for app, error in ((made, "no_permission"), ("A0NOPE", "app_not_found"), ("a' --", "invalid_app_id")):
            with pytest.raises(SlackApiError, match=error):
                await call(app_id=app)
    with pytest.raises(SlackApiError, match="no_permission"):
        await bob.apps_manifest_update(app_id=made, manifest=json.dumps(MANIFEST))
    with pytest.raises(SlackApiError, match="invalid_manifest"):
        await bob.apps_manifest_create(manifest=json.dumps(MANIFEST))  # the name is taken


async def test_only_configuration_tokens_make_apps_and_they_do_nothing_else(scene: Scene) -> None:
    key = await configurator(scene)
    assert scene.tokens[key].startswith("xoxe.xoxp-1-")
    for who in ("alice", "relaybot"):
        assert await scene.error(who, "apps.manifest.create", manifest=MANIFEST) == "not_allowed_token_type"
    for method in ("conversations.list", "rtm.connect", "auth.test"):
        assert await scene.error(key, method) == "not_allowed_token_type"


async def test_a_person_cannot_make_apps_without_end(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.server.web_api.methods.apps_manifest.MAX_OWNED", 1)
    assert MAX_OWNED > 1
    key = await configurator(scene)
    await scene.ok(key, "apps.manifest.create", manifest=MANIFEST)
    other: dict[str, Any] = manifest() | {"display_information": {"name": "Second"}, "features": {}}
    other["settings"]["event_subscriptions"] = {}
    assert await scene.error(key, "apps.manifest.create", manifest=other) == "managed_app_limit_reached"


async def test_the_sync_client_does_the_same(scene: Scene) -> None:
    sdk = WebClient(scene.tokens[await configurator(scene)], scene.server.api_url)
    made = await asyncio.to_thread(sdk.apps_manifest_create, manifest=json.dumps(MANIFEST))
    found = await asyncio.to_thread(sdk.apps_manifest_export, app_id=made["app_id"])
    assert found["manifest"] == MANIFEST


# --- the operator's ways ---


async def test_an_operator_adds_changes_exports_and_uninstalls_an_app(open_scene: OpenScene) -> None:
    scene = await open_scene(control=True, control_secret=SECRET)
    added = await operate(scene, "app.add", manifest=manifest(token_rotation_enabled=True))
    assert [each["pointer"] for each in added["warnings"]] == ["/settings/token_rotation_enabled"]
    scene.tokens["deskbot"] = added["bot_token"]
    assert added["app_token"]
    assert (await scene.request("POST", "auth.test", headers=scene.bearer("deskbot"))).headers["X-OAuth-Scopes"] == (
        "app_mentions:read,channels:history,chat:write,im:history,reactions:read"
    )
    await operate(scene, "app.change", app="Desk", events=["message.im"], socket_mode=False)
    shown = await operate(scene, "app.show", app="Desk")
    assert (shown["events"], shown["socket_mode"]) == (["message.im"], False)
    tree = (await operate(scene, "app.export", app="Desk"))["manifest"]
    assert tree["settings"]["event_subscriptions"]["bot_events"] == ["message.im"]
    assert tree["settings"]["socket_mode_enabled"] is False
    changed = await operate(scene, "app.change", app="Desk", manifest=json.dumps(MANIFEST))
    assert changed["permissions_updated"] is False
    assert (await operate(scene, "app.export", app="Desk"))["manifest"] == MANIFEST

    given = await operate(scene, "app.consent", app="Desk", user="alice", redirect_uri=URL, state="x")
    assert given["location"] == f"{URL}?code={given['code']}&state=x"
    assert await refusal(scene, "app.consent", app="Desk", user="alice", scopes=["users:read"]) == "invalid_scope"
    evil = {"app": "Desk", "user": "alice", "redirect_uri": "https://evil.test/"}
    assert await refusal(scene, "app.consent", **evil) == "bad_redirect_uri"
    assert await refusal(scene, "app.consent", app="Desk", user="relaybot") == "wrong_kind"

    await operate(scene, "app.uninstall", app="Desk")
    assert await scene.error("deskbot", "auth.test") == "token_revoked"
    assert await refusal(scene, "app.add", manifest={"display_information": {}}) == "invalid_manifest"
    assert await refusal(scene, "app.add", manifest=MANIFEST) == "name_taken"
    assert await refusal(scene, "app.add", name="x", manifest=MANIFEST) == "invalid_arguments"
    assert await refusal(scene, "app.add", name="x", events=["nothing"]) == "invalid_event"
    issued = await operate(scene, "token.issue", user="alice", configuration=True)
    assert issued["token"].startswith("xoxe.xoxp-1-")


async def test_an_app_without_a_manifest_is_exported_as_it_is(open_scene: OpenScene) -> None:
    apps = """
apps:
  - name: desk
    scopes: [app_mentions:read, "chat:write", commands]
    socket_mode: true
    bot_events: [app_mention]
    commands: [/desk]
    interactivity: true
"""
    scene = await open_scene(seed=SEED + apps)

    def read(query: Any) -> Any:
        record = find_app_by_name(query, "desk")
        assert record is not None
        return export(query, record)

    assert await scene.server.workspace.reader.read(read) == {
        "_metadata": {"major_version": 1},
        "display_information": {"name": "desk"},
        "features": {
            "bot_user": {"display_name": "desk"},
            "slash_commands": [{"command": "/desk", "description": "/desk", "should_escape": False}],
        },
        "oauth_config": {"scopes": {"bot": ["app_mentions:read", "chat:write", "commands"]}},
        "settings": {
            "socket_mode_enabled": True,
            "event_subscriptions": {"bot_events": ["app_mention"]},
            "interactivity": {"is_enabled": True},
        },
    }


async def test_a_seed_file_names_the_file_of_a_manifest(open_scene: OpenScene, tmp_path: Any) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "desk.json").write_text(json.dumps(MANIFEST))
    seed = SEED.replace("[alice, relaybot]", "[alice, relaybot, deskbot]") + "apps: [{manifest: apps/desk.json}]\n"
    scene = await open_scene(seed=seed)
    facts = scene.directory.apps["Desk"]
    assert all(facts.values()), facts
    side = AppSide.__new__(AppSide)
    side.scene, side.name, side.id = scene, "Desk", facts["id"] or ""
    scene.tokens["Desk app"] = facts["app_token"] or ""
    socket = await side.connect()
    await scene.post("alice", scene.ops, f"<@{scene.users['deskbot']}> hello")
    assert (await socket.take())["type"] == "app_mention"
    await eventually(lambda: side.tap.open_events == 0)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{manifest: nothing.yaml}", "must be the file"),
        ("{manifest: .}", "must be the file"),
        ("{manifest: /dev/zero}", "must be the file"),
        ("{manifest: broken.yaml}", "display_information"),
        ("{manifest: good.yaml, scopes: ['chat:write']}", "beside manifest"),
        ("{manifest: 'a\\0b'}", "manifest"),
        ("{}", "a name or a manifest"),
        ("{name: desk, user_events: [app_mention]}", "user_events"),
        ("{name: desk, commands: [desk]}", "invalid_command"),
    ],
)
def test_an_app_of_a_seed_file_that_is_wrong(tmp_path: Any, entry: str, why: str) -> None:
    (tmp_path / "broken.yaml").write_text("display_information: {}")
    (tmp_path / "good.yaml").write_text(json.dumps(MANIFEST))
    path = tmp_path / "seed.yaml"
    path.write_text(f"apps: [{entry}]")
    with pytest.raises(SeedError, match=why):
        read_seed(path)


async def test_a_made_app_is_the_same_after_a_restart(scene: Scene) -> None:
    desk = await Desk.made_in(scene)
    await desk.installed()
    await scene.server.stop()
    await scene.server.start()
    assert set(scene.server.workspace.identities.installation(desk.id)) == {desk.bot}
    await scene.ok("deskbot", "auth.test")
