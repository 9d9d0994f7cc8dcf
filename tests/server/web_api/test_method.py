"""What the registry holds about each method agrees with the documentation, and a wrong definition is refused."""

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tautwire.server
from catalogue import COMMON_ERRORS, OTHER_ERRORS
from catalogue import METHODS as DOCUMENTED
from scene import Scene
from tautwire.protocol.ids import UserId
from tautwire.server.app import FAMILIES
from tautwire.server.services.access.identity import CLASSIC, Identity, TokenKind
from tautwire.server.web_api import unserved
from tautwire.server.web_api.access import access, users_and_bots
from tautwire.server.web_api.method import COMMON_ERRORS as ERRORS_OF_THE_DOOR
from tautwire.server.web_api.method import METHODS, Answer, Arguments, Call, Tier, method, missing_scope
from tautwire.server.web_api.methods.retired import ALIASES

NAMES = sorted(METHODS)
RATES = {Tier.ONE: 1, Tier.TWO: 2, Tier.THREE: 3, Tier.FOUR: 4, Tier.POST: "special", Tier.AUTH: "special"}


def answered() -> set[str]:
    """Return the texts in the source of the server, without those that only say what a method answers."""
    found = set()
    for path in Path(tautwire.server.__file__).parent.rglob("*.py"):
        pending: list[ast.AST] = [ast.parse(path.read_text())]
        while pending:
            match node := pending.pop():
                case ast.keyword(arg="errors"):
                    continue
                case ast.AnnAssign(target=ast.Name(id=name)) if name.endswith("_ERRORS"):
                    continue
                case ast.Constant(value=str(text)):
                    found.add(text)
            pending += ast.iter_child_nodes(node)
    return found


# --- the registry and the documentation ---


@pytest.mark.parametrize("name", NAMES)
def test_the_tier_of_a_method_is_the_documented_one(name: str) -> None:
    assert DOCUMENTED[name]["rate"] in (RATES[METHODS[name].tier], None)


@pytest.mark.parametrize("name", NAMES)
def test_tokens_and_scopes_of_a_method_are_the_documented_ones(name: str) -> None:
    documented = DOCUMENTED[name]["scopes"]
    served = METHODS[name].access

    if documented:
        assert {kind: set(scopes) for kind, scopes in served.items()} == {
            kind: set(scopes) for kind, scopes in documented.items()
        }
    elif documented is None and METHODS[name].successor:
        assert served == METHODS[METHODS[name].successor].access, "those of scopes before 2018 are not known"
    else:
        assert not any(served.values()), "no scope is needed"


@pytest.mark.parametrize("name", NAMES)
def test_the_errors_of_a_method_are_documented(name: str) -> None:
    entry = METHODS[name]
    successor = DOCUMENTED[entry.successor]["errors"] if DOCUMENTED[name]["status"] == "retired" else []

    assert set(entry.errors) <= {*DOCUMENTED[name]["errors"], *successor, *OTHER_ERRORS}


def test_no_method_names_an_error_that_the_server_never_answers() -> None:
    named = {code for entry in METHODS.values() for code in entry.errors}

    assert named - answered() == set()


def test_the_errors_of_all_methods_are_documented() -> None:
    assert {"request_too_large"} == ERRORS_OF_THE_DOOR - COMMON_ERRORS


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_called_legacy_where_the_documentation_says_so(name: str) -> None:
    assert bool(METHODS[name].successor) == (DOCUMENTED[name]["status"] not in ("current", "new", "undocumented"))


def test_what_a_deprecated_method_points_to_is_served() -> None:
    successors = {method.successor for method in METHODS.values() if method.successor}

    assert successors <= set(METHODS)
    assert not [name for name in successors if METHODS[name].successor]
    assert set(unserved.RETIRED.values()) <= {name.partition(".")[0] for name in METHODS}


@pytest.mark.parametrize("name", NAMES)
def test_the_arguments_of_a_method_are_a_class_named_like_it(name: str) -> None:
    assert METHODS[name].arguments.__name__ == "".join(part[0].upper() + part[1:] for part in name.split("."))


def test_a_method_stands_in_the_module_of_its_family() -> None:
    modules = {family.__name__: family.__name__.rpartition(".")[2] for family in FAMILIES}
    retired = {alias.name for alias in ALIASES}

    for name, entry in METHODS.items():
        module, family = modules[entry.function.__module__], name.partition(".")[0]
        assert module == "retired" if name in retired else module.partition("_")[0] == family, name


# --- wrong definitions ---


class Sound(Arguments, frozen=True, kw_only=True):
    REQUIRED = ("channel",)

    channel: str = ""


class Stray(Arguments, frozen=True, kw_only=True):
    REQUIRED = ("chanel",)

    channel: str = ""


class Both(Arguments, frozen=True, kw_only=True):
    REQUIRED = ("channel",)
    ONE_OF = ("channel",)

    channel: str = ""


class Needed(Arguments, frozen=True, kw_only=True):
    channel: str


async def sound(call: Call, args: Any) -> Answer:
    """Do what a sound method does."""
    return {}


async def silent(call: Call, args: Any) -> Answer:
    return {}


def blocking(call: Call, args: Any) -> Answer:
    """Return at once."""
    return {}


def register(function: Any = sound, arguments: Any = Sound, *, name: str = "chat.sound", **options: Any) -> None:
    method(name, arguments, Tier.TWO, users_and_bots("chat:write"), **options)(function)


def test_a_sound_definition_is_registered() -> None:
    register(errors=["channel_not_found"], successor="chat.delete")
    made = METHODS.pop("chat.sound")

    assert (made.arguments, made.tier, made.function) == (Sound, Tier.TWO, sound)
    assert (made.errors, made.successor, made.needs_token) == (("channel_not_found",), "chat.delete", True)
    assert made.summary == "Do what a sound method does."


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ({"name": "shout"}, "the name of a method must be a family and a verb such as 'chat.delete', got 'shout'"),
        ({"name": "auth.test"}, "names of methods must differ, got 'auth.test' twice"),
        ({"function": blocking}, "chat.sound: the function must be async def, got <function blocking"),
        ({"function": silent}, "chat.sound: the function must have a docstring"),
        ({"arguments": Stray}, "chat.sound: REQUIRED and ONE_OF must name arguments, got 'chanel'"),
        ({"arguments": Both}, "chat.sound: an argument must be in REQUIRED or in ONE_OF, got 'channel' in both"),
        ({"arguments": Needed}, "chat.sound: every argument must have a default, got 'channel' without one"),
        ({"errors": ["No text"]}, "chat.sound: an error must look like 'channel_not_found', got 'No text'"),
        ({"errors": "no_text"}, "chat.sound: an error must look like 'channel_not_found', got '_'"),
        ({"errors": ["not_authed"]}, "chat.sound: errors must not name those of all methods, got 'not_authed'"),
        ({"errors": ["no_text", "no_text"]}, "chat.sound: errors must differ, got no_text, no_text"),
        ({"successor": "use another"}, "chat.sound: the successor must be the name of another method, got 'use anoth"),
        ({"successor": "chat.sound"}, "chat.sound: the successor must be the name of another method, got 'chat.sound'"),
    ],
)
def test_a_wrong_definition_is_refused(definition: dict[str, Any], text: str) -> None:
    before = dict(METHODS)
    with pytest.raises(ValueError, match=r"^.") as caught:
        register(**definition)

    assert str(caught.value).startswith(text)
    assert before == METHODS


def test_a_definition_that_does_not_say_who_may_call_it_is_refused() -> None:
    with pytest.raises(TypeError, match="access"):
        method("chat.sound", Sound, Tier.TWO)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="access must name a kind of token"):
        access()


@pytest.mark.parametrize("scope", ["", "chat write", "chat:", "Chat:write", "chat:write,im:write"])
def test_a_scope_that_is_none_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="a scope must look like 'channels:read', got "):
        access(bot=[scope])


# --- scopes ---


def identity(kind: TokenKind = TokenKind.BOT, scopes: frozenset[str] = CLASSIC) -> Identity:
    return Identity(UserId("U1"), "relaybot", "B1", "A1", kind, scopes)


def test_a_token_with_one_of_the_scopes_may_call() -> None:
    info = METHODS["conversations.info"]

    assert missing_scope(info, identity(scopes=frozenset({"im:read", "chat:write"}))) is None


def test_a_token_without_any_of_the_scopes_gets_to_know_what_it_has_and_what_it_needs() -> None:
    refusal = missing_scope(METHODS["conversations.join"], identity(scopes=frozenset({"im:read", "chat:write"})))

    assert refusal is not None
    assert refusal.code == "missing_scope"
    assert refusal.members == {"needed": "channels:join", "provided": "chat:write,im:read"}


def test_the_kind_of_the_token_decides_which_scopes_count() -> None:
    join, scopes = METHODS["conversations.join"], frozenset({"channels:write"})

    assert missing_scope(join, identity(TokenKind.USER, scopes)) is None
    assert missing_scope(join, identity(TokenKind.BOT, scopes)) is not None


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in NAMES for kind in METHODS[name].access if kind is not TokenKind.APP],
)
def test_a_classic_token_has_every_scope(name: str, kind: TokenKind) -> None:
    assert missing_scope(METHODS[name], identity(kind)) is None


def test_a_method_without_scopes_needs_none() -> None:
    assert missing_scope(METHODS["rtm.connect"], identity(scopes=frozenset())) is None


def test_an_identity_goes_through_the_wire_form_of_tickets() -> None:
    who = identity(TokenKind.APP, frozenset({"connections:write"}))

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(who), type=Identity) == who


# --- over HTTP ---


def as_if(scene: Scene, monkeypatch: pytest.MonkeyPatch, kind: TokenKind, scopes: frozenset[str]) -> None:
    """Have every token be of this kind and have these scopes."""
    identities = scene.server.workspace.identities
    authenticate = identities.authenticate
    monkeypatch.setattr(
        identities,
        "authenticate",
        lambda token: msgspec.structs.replace(authenticate(token), kind=kind, scopes=scopes),
    )


@pytest.mark.parametrize("in_header", [True, False])
async def test_a_token_of_a_kind_that_a_method_does_not_serve_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, in_header: bool
) -> None:
    as_if(scene, monkeypatch, TokenKind.APP, frozenset({"connections:write"}))
    token: Any = {"headers": scene.bearer("relaybot")} if in_header else {"data": {"token": scene.tokens["relaybot"]}}

    answer = await scene.request("POST", "users.list", **token)
    assert answer.body == {"ok": False, "error": "not_allowed_token_type"}
    who = await scene.request("POST", "auth.test", **token)
    assert who.body["ok"]
    assert who.body["app_id"].startswith("A")
    assert who.headers["X-OAuth-Scopes"] == "connections:write"


async def test_the_kind_of_a_token_is_that_of_its_user(scene: Scene) -> None:
    authenticate = scene.server.workspace.identities.authenticate

    assert authenticate(scene.tokens["alice"]).kind is TokenKind.USER
    assert authenticate(scene.tokens["relaybot"]).kind is TokenKind.BOT
    assert authenticate(scene.tokens["relaybot"]).scopes == CLASSIC


async def test_scopes_are_enforced_unless_the_operator_is_lenient(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if(scene, monkeypatch, TokenKind.BOT, frozenset({"users:read"}))
    scene.server.workspace.enforces_scopes = False
    answer = await scene.request("POST", "conversations.list", headers=scene.bearer("relaybot"))
    assert answer.body["ok"]
    assert answer.headers["X-OAuth-Scopes"] == "users:read"
    assert answer.headers["X-Accepted-OAuth-Scopes"] == "channels:read,groups:read,im:read,mpim:read"

    scene.server.workspace.enforces_scopes = True
    answer = await scene.request("POST", "conversations.list", headers=scene.bearer("relaybot"))
    assert answer.body == {
        "ok": False,
        "error": "missing_scope",
        "needed": "channels:read,groups:read,im:read,mpim:read",
        "provided": "users:read",
    }
    await scene.ok("relaybot", "users.list")


async def test_tokens_of_today_pass_where_scopes_are_enforced(scene: Scene) -> None:
    scene.server.workspace.enforces_scopes = True
    for who in ("alice", "relaybot"):
        await scene.ok(who, "conversations.list")
        await (await scene.connect(who)).close()


async def test_a_bot_with_the_scope_for_it_sees_addresses(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = scene.users["alice"]
    assert "email" not in (await scene.ok("relaybot", "users.info", user=alice))["user"]["profile"]

    as_if(scene, monkeypatch, TokenKind.BOT, frozenset({"users:read", "users:read.email"}))
    found = await scene.ok("relaybot", "users.info", user=alice)
    assert found["user"]["profile"]["email"] == "alice@example.test"
