"""Requests to an app over HTTP: signed forms, and what counts as an answer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from asked import BUTTON, Form, UrlApp, click, command, open_controlled, seed
from controlled import operate
from scene import SEED, OpenScene, Scene, eventually
from tautwire.server.events_api import receiver
from tautwire.server.services.interactivity import requests
from tautwire.server.services.interactivity.requests import Request
from tautwire.server.store.queries.apps import find_signing_secret


@pytest.fixture
async def app() -> AsyncIterator[UrlApp]:
    async with UrlApp.served() as app:
        yield app


@pytest.fixture
async def scene(open_scene: OpenScene, app: UrlApp) -> Scene:
    return await open_controlled(open_scene, app.seed)


async def test_a_command_is_a_signed_form_at_its_own_url(scene: Scene, app: UrlApp) -> None:
    await command(scene, "/deploy wéb & now")
    (form,) = app.forms
    desk = scene.directory.apps["desk"]["id"] or ""
    secret = await scene.server.workspace.reader.read(lambda query: find_signing_secret(query, desk))
    assert form.path == "/command"
    assert form.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert form.headers["User-Agent"].startswith("Slackbot 1.0")
    assert form.is_signed(secret or "", scene.clock.seconds())
    assert not form.is_signed("another", scene.clock.seconds())
    assert (form.fields["command"], form.fields["text"]) == ("/deploy", "wéb & now")
    assert form.fields["is_enterprise_install"] == "false"


async def test_the_journal_has_a_request_with_its_answer_and_without_secrets(scene: Scene, app: UrlApp) -> None:
    begin = await operate(scene, "position")
    await command(scene, "/deploy now")
    wanted = {"kind": "delivery", "app": "desk", "channel": "general", "payload": {"command": "/deploy"}}
    entry = (await operate(scene, "wait", **wanted, after_entry=begin["journal"]))["entry"]
    assert (entry["door"], entry["status"], entry["payload"]["text"]) == ("interactivity", 200, "now")
    assert entry["request"].endswith("/command")
    assert app.forms[0].fields["trigger_id"] not in str(entry)
    assert app.forms[0].fields["response_url"] not in str(entry)


async def test_an_interaction_is_one_field_of_json(scene: Scene, app: UrlApp) -> None:
    ts = await scene.post("desk", scene.general, "Ticket 7", blocks=[BUTTON])
    assert (await click(scene, ts))["error"] is None
    (form,) = app.forms
    assert (form.path, [*form.fields]) == ("/act", ["payload"])
    assert form.payload["actions"][0]["value"] == "7"


async def test_options_have_a_url_of_their_own(scene: Scene, app: UrlApp) -> None:
    menu = {"type": "external_select", "action_id": "who", "min_query_length": 1}
    block = {"type": "actions", "elements": [menu]}
    ts = await scene.post("desk", scene.general, "Who?", blocks=[block])
    option = {"text": {"type": "plain_text", "text": "Boris"}, "value": "b"}

    async def options(_: Form) -> web.StreamResponse:
        return web.json_response({"options": [option]})

    app.answer = options
    answer = await operate(scene, "options", user="alice", channel="general", ts=ts, action_id="who", text="bo")
    assert answer["options"] == [option]
    assert (app.forms[0].path, app.forms[0].payload["value"]) == ("/options", "bo")


@pytest.mark.parametrize(
    ("response", "error", "shown"),
    [
        ({"text": "plain"}, None, ["plain"]),
        ({"text": '{"text": "json"}', "content_type": "application/json"}, None, ["json"]),
        ({"body": b""}, None, []),
        ({"text": "{", "content_type": "application/json"}, "dispatch_failed", []),
        ({"text": "[]", "content_type": "application/json"}, "dispatch_failed", []),
        ({"body": b"\xff\xfe"}, "dispatch_failed", []),
        ({"body": b"x" * 1_000_000}, "dispatch_failed", []),
        ({"status": 201, "text": "made"}, "dispatch_failed", []),
        ({"status": 404}, "dispatch_failed", []),
        ({"status": 500, "text": "oh"}, "dispatch_failed", []),
        ({"status": 302, "headers": {"Location": "/command"}}, "dispatch_failed", []),
    ],
)
async def test_what_counts_as_an_answer(
    scene: Scene, app: UrlApp, response: dict[str, Any], error: str | None, shown: list[str]
) -> None:
    async def answer(_: Form) -> web.StreamResponse:
        return web.Response(**response)

    app.answer = answer
    outcome = await command(scene, "/deploy")
    assert outcome["error"] == error
    assert [message["text"] for message in outcome["shown"]] == shown
    assert len(app.forms) == 1


async def test_an_app_that_takes_too_long_is_asked_once(
    scene: Scene, app: UrlApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "TIME_LIMIT", 1.0)
    released = []

    async def late(_: Form) -> web.StreamResponse:
        await eventually(lambda: bool(released))
        return web.Response(text="late")

    app.answer = late
    assert (await command(scene, "/deploy"))["error"] == "operation_timeout"
    released.append(True)
    assert len(app.forms) == 1


async def test_an_address_that_is_not_allowed_gets_nothing(open_scene: OpenScene, app: UrlApp) -> None:
    scene = await open_controlled(open_scene, app.seed, request_addresses="192.0.2.1")
    assert (await command(scene, "/deploy"))["error"] == "dispatch_failed"
    assert app.forms == []


async def test_an_app_without_a_url_or_interactivity_is_not_asked(open_scene: OpenScene) -> None:
    scene = await open_controlled(open_scene, seed("commands: [/deploy]"))
    assert (await command(scene, "/deploy"))["error"] == "dispatch_failed"
    ts = await scene.post("desk", scene.general, "Ticket 7", blocks=[BUTTON])
    assert (await click(scene, ts))["error"] == "dispatch_failed"


async def test_the_connections_to_apps_are_bounded(
    open_scene: OpenScene, app: UrlApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.events_api.requests.MAX_WAYS", 1)
    entry = f"{{commands: [{{name: /NAME, url: '{app.url}/NAME'}}], name: NAME}}"
    apps = "\n".join(f"  - {entry.replace('NAME', name)}" for name in ("one", "two", "three"))
    scene = await open_controlled(open_scene, f"{SEED}apps:\n{apps}\n")
    for name in ("one", "two", "three", "one"):
        assert (await command(scene, f"/{name}"))["error"] is None
    assert [form.path for form in app.forms] == ["/one", "/two", "/three", "/one"]


async def test_the_open_requests_of_an_app_are_bounded(
    scene: Scene, app: UrlApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_BYTES", 1_000)
    request = Request(app=scene.directory.apps["desk"]["id"] or "", kind="interactive", payload=b"x" * 1_001)
    with pytest.raises(requests.NotAnswered, match="dispatch_failed"):
        await scene.server.workspace.requests.ask(request)
    assert scene.server.workspace.requests.open_requests == 0
