"""Scopes at the doors: what a token without the right one gets, and which scopes answers show."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from controlled import SECRET, operate, refusal
from scene import SEED, OpenScene, Scene
from tautwire.server.services.access.identity import Identity, TokenKind
from tautwire.server.web_api.method import METHODS

ODD = "odd:read"
NEEDING = sorted((name, kind) for name, method in METHODS.items() for kind, scopes in method.access.items() if scopes)
"""The methods that need a scope, with the kinds of tokens that they serve."""

Become = Callable[[TokenKind, str], None]


@pytest.fixture
def become(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Become:
    """Let carol's token be of another kind, with one scope."""
    identities = scene.server.workspace.identities
    authenticate = identities.authenticate

    def become(kind: TokenKind, scope: str) -> None:
        def changed(token: str | None) -> Identity:
            who = authenticate(token)
            return msgspec.structs.replace(who, kind=kind, scopes=frozenset({scope})) if who.name == "carol" else who

        monkeypatch.setattr(identities, "authenticate", changed)

    return become


async def test_a_token_without_the_scope_hears_what_is_needed_and_what_it_has(scene: Scene, become: Become) -> None:
    assert len({name for name, _ in NEEDING}) > 90
    for name, kind in NEEDING:
        become(kind, ODD)
        answer = await scene.request("POST", name, data=b"", headers=scene.bearer("carol"))
        needed = ",".join(METHODS[name].access[kind])
        assert answer.status == 200
        assert answer.body == {"ok": False, "error": "missing_scope", "needed": needed, "provided": ODD}, (name, kind)
        assert answer.headers["X-OAuth-Scopes"] == ODD
        assert answer.headers["X-Accepted-OAuth-Scopes"] == needed


async def test_each_scope_of_a_method_suffices(scene: Scene, become: Become) -> None:
    for name, kind in NEEDING:
        for scope in METHODS[name].access[kind]:
            become(kind, scope)
            answer = await scene.request("POST", name, data=b"", headers=scene.bearer("carol"))
            assert answer.body.get("error") != "missing_scope", (name, kind, scope)
            assert answer.headers["X-OAuth-Scopes"] == scope


@pytest.mark.parametrize("name", ["auth.test", "chat.postMessage", "apps.connections.open", "search.all", "views.open"])
async def test_every_answer_to_a_known_token_shows_its_scopes(scene: Scene, become: Become, name: str) -> None:
    become(TokenKind.BOT, "chat:write")

    answer = await scene.request("POST", name, data=b"", headers=scene.bearer("carol"))

    assert answer.headers.get("X-OAuth-Scopes") == (None if name not in METHODS else "chat:write")


async def test_an_answer_to_a_wrong_token_shows_none(scene: Scene) -> None:
    answer = await scene.request("POST", "auth.test", headers={"Authorization": "Bearer xoxb-wrong"})

    assert "X-OAuth-Scopes" not in answer.headers


APPS = (
    SEED
    + """apps:
  - {name: desk, socket_mode: true, scopes: [chat:write], commands: [/deploy], interactivity: true,
     shortcuts: [{callback_id: new, name: New}, {callback_id: keep, name: Keep, type: message}]}
  - {name: full, socket_mode: true, scopes: [commands, incoming-webhook], commands: [/full], interactivity: true,
     shortcuts: [{callback_id: full, name: New}]}
"""
)


@pytest.mark.parametrize("enforce_scopes", [True, False])
async def test_commands_shortcuts_and_webhooks_need_their_scopes(open_scene: OpenScene, enforce_scopes: bool) -> None:
    scene = await open_scene(seed=APPS, control=True, control_secret=SECRET, enforce_scopes=enforce_scopes)
    ts = await scene.post("alice", scene.general, "hello")
    place = {"user": "alice", "channel": "general"}
    acts: list[tuple[str, dict[str, Any]]] = [
        ("command", {**place, "text": "/deploy"}),
        ("shortcut", {"user": "alice", "callback_id": "new"}),
        ("shortcut", {**place, "ts": ts, "callback_id": "keep"}),
        ("webhooks.create", {"app": "desk", "channel": "general"}),
    ]
    for name, arguments in acts:
        if enforce_scopes:
            assert await refusal(scene, name, **arguments) == "missing_scope"
        else:
            await operate(scene, name, **arguments)
    await operate(scene, "command", **{**place, "text": "/full"})
    await operate(scene, "shortcut", user="alice", callback_id="full")
    assert (await operate(scene, "webhooks.create", app="full", channel="general"))["url"]
