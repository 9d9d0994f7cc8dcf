"""Manifests as text: what is read, what is refused with its place, and what is named as not done."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tautwire.server.services.manifests.reading import (
    MAX_SIZE,
    Described,
    ManifestError,
    describe,
    read_json,
    read_yaml,
)

M1: dict[str, Any] = json.loads(
    """{"_metadata":{"major_version":2,"minor_version":1},"display_information":{"name":"Ticket Desk"},"features":
    {"bot_user":{"display_name":"ticketdesk","always_online":true},"app_home":{"home_tab_enabled":true,
    "messages_tab_enabled":true},"slash_commands":[{"command":"/ticket","description":"Open a ticket","usage_hint":
    "open <text>","should_escape":true}],"shortcuts":[{"name":"Open ticket","type":"global","callback_id":
    "ticket_from_anywhere","description":"Open a ticket"},{"name":"Ticket from this","type":"message","callback_id":
    "ticket_from_message","description":"Make it a ticket"}],"assistant_view":{"assistant_description":
    "Helps with tickets","suggested_prompts":[{"title":"Open","message":"Which tickets are open?"}]}},"oauth_config":
    {"redirect_urls":["https://app.example.test/slack/oauth"],"scopes":{"bot":["app_mentions:read","assistant:write",
    "channels:history","groups:history","im:history","mpim:history","channels:read","chat:write","commands",
    "users:read"]}},"settings":{"socket_mode_enabled":true,"interactivity":{"is_enabled":true},"event_subscriptions":
    {"bot_events":["app_mention","app_home_opened","assistant_thread_started","message.channels","message.groups",
    "message.im","message.mpim"]}}}"""
)
"""The vector M1. Source: wire/apps.md#test-vectors."""

Findings = list[tuple[str, str]]


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return M1 with another value at a place; None removes what is there."""
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(M1))
    *steps, last = path.split(".")
    inner = tree
    for step in steps:
        inner = inner.setdefault(step, {})
    inner[last] = value
    if value is None:
        del inner[last]
    return tree


def errors(tree: Any) -> Findings:
    with pytest.raises(ManifestError) as caught:
        describe(tree)
    return [(each.pointer, each.message) for each in caught.value.errors]


def test_the_vector_is_read_the_same_from_yaml_and_json() -> None:
    text = json.dumps(M1)
    one, other = read_json(text), read_yaml(text.encode())
    assert one == other
    assert one.tree == M1
    manifest = one.manifest
    assert (manifest.name, manifest.bot_name) == ("Ticket Desk", "ticketdesk")
    assert "assistant:write" in manifest.bot_scopes
    assert [command.name for command in manifest.asked.commands] == ["/ticket"]


def test_without_a_door_both_documented_errors_come() -> None:
    assert errors(changed("settings.socket_mode_enabled", None))[:2] == [
        ("/settings/event_subscriptions", "event subscriptions need a request URL or Socket Mode"),
        ("/settings/interactivity", "interactivity needs a request URL or Socket Mode"),
    ]


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        ("display_information.name", None, "/display_information"),
        ("display_information.name", "x" * 36, "/display_information/name"),
        ("display_information.background_color", "red", "/display_information/background_color"),
        ("features.bot_user", None, "/settings/event_subscriptions/bot_events"),
        ("features.slash_commands", [{"command": "ticket", "description": "x"}], "/features/slash_commands/0/command"),
        (
            "features.slash_commands",
            [{"command": "/a", "description": "x"}] * 2,
            "/features/slash_commands/1/command",
        ),
        ("features.shortcuts", [{"name": "x", "type": "other"}], "/features/shortcuts/0/type"),
        ("features.shortcuts", M1["features"]["shortcuts"][:1] * 2, "/features/shortcuts/1/callback_id"),
        ("oauth_config.scopes.bot", ["chat:write", "chat:sing"], "/oauth_config/scopes/bot/1"),
        ("oauth_config.scopes.bot_optional", ["files:read"], "/oauth_config/scopes/bot_optional/0"),
        ("oauth_config.redirect_urls", ["http://app.example.test/"], "/oauth_config/redirect_urls/0"),
        ("oauth_config.redirect_urls", ["https://app.example.test/#a"], "/oauth_config/redirect_urls/0"),
        (
            "settings.event_subscriptions.bot_events",
            ["app_mention", "no"],
            "/settings/event_subscriptions/bot_events/1",
        ),
        ("settings.event_subscriptions.bot_events", ["pin_added"], "/settings/event_subscriptions/bot_events/0"),
        (
            "settings.event_subscriptions.bot_events",
            ["app_mention", "app_mention"],
            "/settings/event_subscriptions/bot_events/1",
        ),
        ("settings.event_subscriptions.user_events", ["app_mention"], "/settings/event_subscriptions/user_events/0"),
        ("settings.event_subscriptions.request_url", "ftp://x.test", "/settings/event_subscriptions/request_url"),
        ("settings.interactivity", {}, "/settings/interactivity"),
        ("_metadata.major_version", 3, "/_metadata/major_version"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(path: str, value: Any, pointer: str) -> None:
    assert pointer in [found for found, _ in errors(changed(path, value))]


def test_several_members_that_are_wrong_are_named_at_once() -> None:
    tree = changed("display_information.description", 7)
    tree["settings"]["socket_mode_enabled"] = "yes"
    assert {pointer for pointer, _ in errors(tree)} == {
        "/display_information/description",
        "/settings/socket_mode_enabled",
    }


@pytest.mark.parametrize("tree", [None, [], "text", 7, {}, {"display_information": None}])
def test_what_is_no_manifest_is_refused(tree: Any) -> None:
    assert errors(tree)


def test_a_scope_of_the_commands_is_needed() -> None:
    scopes = [scope for scope in M1["oauth_config"]["scopes"]["bot"] if scope != "commands"]
    assert ("/features/slash_commands", "commands and shortcuts need the bot scope commands") in errors(
        changed("oauth_config.scopes.bot", scopes)
    )


def test_a_command_over_http_needs_a_url() -> None:
    tree = changed("settings.event_subscriptions.request_url", "https://app.example.test/events")
    tree["settings"] |= {"socket_mode_enabled": False, "interactivity": {"is_enabled": False}}
    assert [pointer for pointer, _ in errors(tree)] == ["/features/slash_commands/0/url"]


def test_what_is_not_done_is_named() -> None:
    tree = changed("settings.token_rotation_enabled", True)
    tree["settings"]["org_deploy_enabled"] = False
    tree["workflows"] = {"one": {"title": "One"}}
    tree["functions"] = {}
    tree["features"]["sparkles"] = [1]
    tree["features"]["slash_commands"][0]["colour"] = "red"
    found = {each.pointer for each in describe(tree).warnings}
    assert found == {
        "/features/assistant_view",
        "/features/bot_user/always_online",
        "/features/slash_commands/0/colour",
        "/features/sparkles",
        "/settings/token_rotation_enabled",
        "/workflows",
    }
    assert describe(tree).tree == tree, "it is kept for the export"


# --- texts that are not well meant ---


def test_aliases_are_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if not n else f'b{n - 1}'}, *a]\n" for n in range(30))
    for text in (bomb, "display_information: &d {name: Desk}\nfeatures: *d\n"):
        with pytest.raises(ManifestError, match="aliases"):
            read_yaml(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        b"x" * (MAX_SIZE + 1),
        b"[" * 10_000,
        b"a: " + b"{b: " * 60 + b"1" + b"}" * 60,
        b"- x\n" * 30_000,
        b"!!python/object/apply:os.system ['true']",
        b"\xff\xfe\x00",
        b"a: b: c",
        b"? [1, 2]\n: x",
        b"{1: x}",
        b"2026-13-45",
        b"a: 2026-13-45",
    ],
)
def test_a_text_that_is_no_plain_small_tree_is_refused(text: bytes) -> None:
    with pytest.raises(ManifestError):
        read_yaml(text)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{", '{"a": 1e999}', "\ud800", "x" * (MAX_SIZE + 1)])
def test_json_that_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        read_json(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@st.composite
def bent(draw: st.DrawFn) -> dict[str, Any]:
    """M1 with some of its members replaced by anything."""
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(M1))
    for _ in range(draw(st.integers(1, 3))):
        inner: Any = tree
        while isinstance(inner, dict | list) and inner:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = draw(st.sampled_from(keys))
            if draw(st.booleans()) or not isinstance(inner[key], dict | list):
                inner[key] = draw(VALUES)
                break
            inner = inner[key]
    return tree


@settings(deadline=None, max_examples=300)
@given(bent() | VALUES)
def test_any_tree_is_a_manifest_or_is_refused_with_places_that_are_there(tree: Any) -> None:
    try:
        found = describe(tree)
    except ManifestError as error:
        refused = error.errors
        assert refused
        for each in refused:
            assert each.message
            assert each.pointer == "" or each.pointer.startswith("/")
    else:
        assert isinstance(found, Described)
        again = read_json(msgspec.json.encode(found.tree))
        assert again == found, "what is stored is what was read"


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200) | st.text(alphabet="{}[]&*!|>-:?,#\n ab1'\"%@", max_size=120).map(str.encode))
def test_any_bytes_are_a_manifest_or_are_refused(text: bytes) -> None:
    for read in (read_yaml, read_json):
        with pytest.raises(ManifestError):
            read(text)
