"""What those who may not call a method get, for all methods of the registry: a refusal, and nothing of the workspace.

No list of methods is kept here. A method that is added takes part with what its definition says; if it needs an
argument that ``samples`` does not know, these tests fail until a value is there.
"""

import json
from typing import Any

import msgspec
import pytest

from samples import caller_of, sample
from scene import Scene
from tautwire.server.services.access.identity import TokenKind
from tautwire.server.services.people.accounts import deactivate
from tautwire.server.web_api.method import METHODS, Place

SECRET = "what-strangers-never-read"
HIDDEN = "hidden-from-strangers"

CLOSED = sorted(name for name, method in METHODS.items() if method.needs_token)
TIME_ARGUMENTS = ("ts", "timestamp", "thread_ts", "message_ts")
NOT_THERE = ("channel_not_found", "cannot_find_channel", "invalid_channel")
"""The errors of a conversation that is not there; the second is chat.unfurl's, the third of a filter."""


async def refusals(scene: Scene, **options: Any) -> dict[str, Any]:
    """Call each method that needs a token with good arguments, and with these options in place of a good token."""
    answers = {}
    for method in CLOSED:
        arguments = await sample(scene, caller_of(method), method, scene.general)
        answers[method] = (await scene.request("POST", method, json=arguments, **options)).body
    return answers


async def test_a_call_without_a_token_is_refused(scene: Scene) -> None:
    for method, answer in (await refusals(scene)).items():
        assert (answer["ok"], answer["error"]) == (False, "not_authed"), method


@pytest.mark.parametrize("in_header", [True, False])
async def test_a_call_with_a_wrong_token_is_refused(scene: Scene, in_header: bool) -> None:
    wrong = scene.tokens["alice"][:-1] + "!"
    options: Any = {"headers": {"Authorization": f"Bearer {wrong}"}} if in_header else {"params": {"token": wrong}}

    for method, answer in (await refusals(scene, **options)).items():
        assert (answer["ok"], answer["error"]) == (False, "invalid_auth"), method


async def test_the_token_of_a_deactivated_user_is_refused(scene: Scene) -> None:
    team = scene.server.workspace.team
    await scene.ok("carol", "auth.test")
    await scene.server.workspace.writer.write(lambda tx: deactivate(tx, team, scene.users["carol"]))

    for method, answer in (await refusals(scene, headers=scene.bearer("carol"))).items():
        assert answer == {"ok": False, "error": "account_inactive"}, method


@pytest.mark.parametrize("kind", TokenKind)
async def test_a_token_of_a_kind_that_a_method_does_not_serve_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, kind: TokenKind
) -> None:
    identities = scene.server.workspace.identities
    authenticate = identities.authenticate

    def of_this_kind(token: str | None) -> Any:
        who = authenticate(token)
        # Each but a person's own token belongs to an app; some methods refuse what belongs to none.
        return msgspec.structs.replace(who, kind=kind, app_id="A0ELSE") if who.name == "carol" else who

    monkeypatch.setattr(identities, "authenticate", of_this_kind)

    for method, answer in (await refusals(scene, headers=scene.bearer("carol"))).items():
        is_refused = answer.get("error") == "not_allowed_token_type"
        assert is_refused is (kind not in METHODS[method].access), method


async def test_a_public_method_shows_and_changes_nothing_of_the_workspace(scene: Scene) -> None:
    await scene.post("alice", scene.general, SECRET)
    watcher = await scene.connect("bob")
    for method in sorted(METHODS.keys() - set(CLOSED)):
        arguments = await sample(scene, "alice", method, scene.general)
        await watcher.fence()
        head = scene.server.workspace.tail.position
        text = json.dumps((await scene.request("POST", method, json=arguments)).body)

        for secret in (SECRET, scene.general, "general", "alice", *scene.users.values(), *scene.tokens.values()):
            assert secret not in text, method
        assert scene.server.workspace.tail.position == head, method
        assert await watcher.fence() == [], method


PLACES = (Place, tuple[Place, ...])
"""The types of arguments that name conversations."""


def test_arguments_for_conversations_are_known_by_their_type() -> None:
    fields = [(method, field) for method, entry in METHODS.items() for field in msgspec.structs.fields(entry.arguments)]

    assert {(method, field.name) for method, field in fields if field.type in PLACES} == {
        (method, field.name) for method, field in fields if "channel" in field.name
    }


async def hide(scene: Scene, kind: str, stranger: str) -> tuple[str, str, str]:
    """Make a conversation without the stranger; return its id, how the stranger names it, and the ts of a message."""
    if kind == "im":
        channel = (await scene.ok("alice", "conversations.open", users=scene.users["carol"]))["channel"]["id"]
    elif kind == "mpim":
        others = ",".join(scene.users[name] for name in ("bob", "carol", "relaybot") if name != stranger)
        channel = (await scene.ok("alice", "conversations.open", users=others))["channel"]["id"]
    else:
        created = await scene.ok("alice", "conversations.create", name=HIDDEN, is_private=True)
        channel = created["channel"]["id"]
    ts = await scene.post("alice", channel, SECRET)
    return channel, HIDDEN if kind == "private, by name" else channel, ts


@pytest.mark.parametrize("stranger", ["bob", "relaybot"])
@pytest.mark.parametrize("kind", ["private", "private, by name", "im", "mpim"])
async def test_a_conversation_of_others_is_not_there_for_a_stranger(scene: Scene, kind: str, stranger: str) -> None:
    channel, named, ts = await hide(scene, kind, stranger)
    alice = await scene.connect("alice")
    kind_of_token = scene.server.workspace.identities.authenticate(scene.tokens[stranger]).kind
    for method in sorted(METHODS):
        if METHODS[method].access and kind_of_token not in METHODS[method].access:
            continue
        arguments = await sample(scene, stranger, method, scene.general)
        fields = {field.name: field.type for field in msgspec.structs.fields(METHODS[method].arguments)}
        aimed = {name: named for name, kind in fields.items() if kind in PLACES}
        if aimed:
            arguments |= aimed | {name: ts for name in TIME_ARGUMENTS if name in fields}
        if aimed and method == "conversations.open":
            del arguments["users"]  # which win over the channel
        answer = await scene.call(stranger, method, **arguments)

        text = json.dumps(answer)
        if aimed:
            assert answer.get("error") in NOT_THERE, f"{method}: {text}"
        for secret in (SECRET, HIDDEN, channel):
            assert secret not in text, method
        assert channel not in json.dumps(await alice.fence()), f"{method} is seen there"
