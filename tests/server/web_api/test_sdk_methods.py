"""slack_sdk's WebClient, sync and async, calls each of the methods that people call first by its own name for it."""

import asyncio
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from samples import place, sample
from scene import Scene
from tautwire.server.web_api.methods.retired import ALIASES

NAMES = {
    "conversations.archive": set(), "conversations.close": set(), "conversations.info": {"channel"},
    "conversations.invite": {"channel"}, "conversations.kick": set(), "conversations.rename": {"channel"},
    "conversations.setPurpose": {"channel", "purpose"}, "conversations.setTopic": {"channel", "topic"},
    "conversations.unarchive": set(), "emoji.list": {"emoji", "cache_ts"}, "team.info": {"team"},
    "usergroups.list": {"usergroups"}, "users.conversations": {"channels", "response_metadata"},
    "users.info": {"user"}, "users.list": {"members", "cache_ts", "response_metadata"},
    "users.lookupByEmail": {"user"}, "users.prefs.get": {"prefs"}, "users.profile.get": {"profile"},
    "users.profile.set": {"profile", "username"}, "users.setActive": set(),
}  # fmt: skip
"""The methods, and the members of their answers beside ``ok``."""

MORE = {
    "setTopic": {"topic": "owls"},
    "setPurpose": {"purpose": "to talk of owls"},
    "info": {"include_locale": True},
    "list": {"limit": 1},
}
"""Arguments that the SDK insists on, or that it encodes in a way of its own."""

Arguments = dict[str, Any]


def function_of(client: Any, name: str) -> Any:
    """Return the SDK's function for a method; a few have none."""
    function = getattr(client, name.replace(".", "_"), None)
    return function or (lambda **arguments: client.api_call(name, json=arguments))


async def call(scene: Scene, client: Any, name: str) -> Any:
    arguments: Arguments = await sample(scene, "alice", name, await place(scene, name))
    family, _, verb = name.rpartition(".")
    arguments |= MORE.get(verb, {}) if family in ("users", "conversations", "channels", "groups") else {}
    if isinstance(client, AsyncWebClient):
        return (await function_of(client, name)(**arguments)).data
    return (await asyncio.to_thread(function_of(client, name), **arguments)).data


@pytest.mark.parametrize("kind", [WebClient, AsyncWebClient])
@pytest.mark.parametrize("name", NAMES)
async def test_the_sdk_calls_a_method_and_reads_the_documented_answer(
    scene: Scene, name: str, kind: type[WebClient | AsyncWebClient]
) -> None:
    client = kind(token=scene.tokens["alice"], base_url=scene.server.api_url)

    answer = await call(scene, client, name)

    assert answer.keys() - {"ok"} == NAMES[name]


@pytest.mark.filterwarnings("ignore:.* is deprecated:UserWarning")
@pytest.mark.parametrize("name", [alias.name for alias in ALIASES])
async def test_the_sdk_calls_a_retired_method(scene: Scene, name: str) -> None:
    client = WebClient(token=scene.tokens["alice"], base_url=scene.server.api_url)

    assert (await call(scene, client, name))["ok"] is True
