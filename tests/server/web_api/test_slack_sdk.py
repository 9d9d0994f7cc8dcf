"""Every served method, called through slack_sdk's blocking and async clients as their users call them.

Two tables: the members of each answer, and an argument that is refused with its error. A method without a row in the
first one fails a test, and so does one that names errors and has no row in the second.
"""

import asyncio
import itertools
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from catalogue import COMMON_ERRORS, OTHER_ERRORS
from catalogue import METHODS as DOCUMENTED
from installing import MANIFEST, Desk, configurator
from samples import caller_of, place, sample
from scene import Scene
from tautwire.server.taps.envelope import Context
from tautwire.server.web_api.method import METHODS
from tautwire.server.web_api.methods.retired import ALIASES

NUMBERS: Final = itertools.count()

MEMBERS: Final[Mapping[str, str]] = {
    "api.test": "",
    "apps.connections.open": "url",
    "apps.event.authorizations.list": "authorizations cursor_next response_metadata",
    "apps.manifest.create": "app_id app_token credentials oauth_authorize_url",
    "apps.manifest.delete": "",
    "apps.manifest.export": "manifest",
    "apps.manifest.update": "app_id permissions_updated",
    "apps.manifest.validate": "errors warnings",
    "apps.uninstall": "uninstalled",
    "assistant.threads.setStatus": "",
    "assistant.threads.setSuggestedPrompts": "",
    "assistant.threads.setTitle": "",
    "auth.revoke": "revoked",
    "auth.teams.list": "response_metadata teams",
    "auth.test": "is_enterprise_install team team_id url user user_id",
    "bots.info": "bot",
    "chat.appendStream": "channel ts",
    "chat.delete": "channel ts",
    "chat.deleteScheduledMessage": "",
    "chat.getPermalink": "channel permalink",
    "chat.meMessage": "channel ts",
    "chat.postEphemeral": "message_ts",
    "chat.postMessage": "channel message ts",
    "chat.scheduleMessage": "channel message post_at scheduled_message_id",
    "chat.scheduledMessages.list": "response_metadata scheduled_messages",
    "chat.startStream": "channel ts",
    "chat.stopStream": "channel message ts",
    "chat.unfurl": "",
    "chat.update": "channel message text ts",
    "conversations.archive": "",
    "conversations.close": "",
    "conversations.create": "channel",
    "conversations.history": "channel_actions_count channel_actions_ts has_more messages pin_count",
    "conversations.info": "channel",
    "conversations.invite": "channel",
    "conversations.join": "channel",
    "conversations.kick": "",
    "conversations.leave": "",
    "conversations.list": "channels response_metadata",
    "conversations.mark": "",
    "conversations.members": "members response_metadata",
    "conversations.open": "channel",
    "conversations.rename": "channel",
    "conversations.replies": "has_more messages",
    "conversations.setPurpose": "channel purpose",
    "conversations.setTopic": "channel topic",
    "conversations.unarchive": "",
    "emoji.list": "cache_ts emoji",
    "files.completeUploadExternal": "files",
    "files.delete": "",
    "files.getUploadURLExternal": "file_id upload_url",
    "files.info": "comments file paging",
    "files.list": "files paging",
    "files.revokePublicURL": "file",
    "files.sharedPublicURL": "comments file",
    "files.upload": "file",
    "oauth.v2.access": (
        "access_token app_id authed_user bot_user_id enterprise is_enterprise_install scope team token_type"
    ),
    "pins.add": "",
    "pins.list": "items",
    "pins.remove": "",
    "reactions.add": "",
    "reactions.get": "channel message type",
    "reactions.list": "items paging response_metadata",
    "reactions.remove": "",
    "rtm.connect": "self team url",
    "rtm.start": (
        "bots cache_ts cache_ts_version cache_version can_manage_shared_channels channels dnd groups ims "
        "latest_event_ts read_only_channels self subteams team url users"
    ),
    "search.all": "files messages posts query",
    "search.messages": "messages query",
    "team.info": "team",
    "usergroups.list": "usergroups",
    "users.conversations": "channels response_metadata",
    "users.getPresence": "presence",
    "users.info": "user",
    "users.list": "cache_ts members response_metadata",
    "users.lookupByEmail": "user",
    "users.prefs.get": "prefs",
    "users.profile.get": "profile",
    "users.profile.set": "profile username",
    "users.setActive": "",
    "users.setPresence": "",
    "views.open": "view",
    "views.publish": "view",
    "views.push": "view",
    "views.update": "view",
}
"""Methods, and the members of their answers beside ``ok``. Source: wire/web-api-methods.md, wire/apps.md,
wire/views.md, wire/files.md. Those of retired methods are in ``test_retired``."""

HOPELESS: Final = {"usergroups.users.list"}
"""Methods that never succeed: there are no user groups."""

Refused = tuple[str, Any, str]
BAD: Final[Mapping[str, Refused]] = {
    "apps.event.authorizations.list": ("event_context", "NOPE", "invalid_event_context"),
    "apps.manifest.create": ("manifest", "{", "invalid_manifest"),
    "apps.manifest.delete": ("app_id", "A0NOPE", "app_not_found"),
    "apps.manifest.export": ("app_id", "NOPE", "invalid_app_id"),
    "apps.manifest.update": ("manifest", "[]", "invalid_manifest"),
    "apps.manifest.validate": ("manifest", '{"display_information": {}}', "invalid_manifest"),
    "apps.uninstall": ("client_secret", "NOPE", "bad_client_secret"),
    "assistant.threads.setStatus": ("thread_ts", "NOPE", "invalid_thread_ts"),
    "assistant.threads.setSuggestedPrompts": ("channel_id", "D0NOPE", "channel_not_found"),
    "assistant.threads.setTitle": ("channel_id", "D0NOPE", "channel_not_found"),
    "auth.teams.list": ("cursor", "NOPE", "invalid_cursor"),
    "bots.info": ("bot", "B0NOPE", "bot_not_found"),
    "chat.appendStream": ("ts", "1.1", "message_not_found"),
    "chat.delete": ("ts", "1.1", "message_not_found"),
    "chat.deleteScheduledMessage": ("scheduled_message_id", "Q0NOPE", "invalid_scheduled_message_id"),
    "chat.getPermalink": ("message_ts", "1.1", "message_not_found"),
    "chat.meMessage": ("channel", "C0NOPE", "channel_not_found"),
    "chat.postEphemeral": ("user", "U0NOPE", "user_not_in_channel"),
    "chat.postMessage": ("blocks", "[1", "invalid_blocks_format"),
    "chat.scheduleMessage": ("post_at", 1, "time_in_past"),
    "chat.scheduledMessages.list": ("channel", "C0NOPE", "invalid_channel"),
    "chat.startStream": ("recipient_user_id", "U0NOPE", "user_not_found"),
    "chat.stopStream": ("channel", "C0NOPE", "channel_not_found"),
    "chat.unfurl": ("ts", "1.1", "cannot_find_message"),
    "chat.update": ("ts", "1.1", "message_not_found"),
    "conversations.archive": ("channel", "C0NOPE", "channel_not_found"),
    "conversations.close": ("channel", "D0NOPE", "channel_not_found"),
    "conversations.create": ("name", "No Such Name", "invalid_name_specials"),
    "conversations.history": ("cursor", "NOPE", "invalid_cursor"),
    "conversations.info": ("channel", "C0NOPE", "channel_not_found"),
    "conversations.invite": ("users", "U0NOPE", "user_not_found"),
    "conversations.join": ("channel", "C0NOPE", "channel_not_found"),
    "conversations.kick": ("user", "U0NOPE", "user_not_found"),
    "conversations.leave": ("channel", "C0NOPE", "channel_not_found"),
    "conversations.list": ("types", "channels", "invalid_types"),
    "conversations.mark": ("ts", "NOPE", "invalid_timestamp"),
    "conversations.members": ("channel", "C0NOPE", "channel_not_found"),
    "conversations.open": ("users", "U0NOPE", "user_not_found"),
    "conversations.rename": ("name", "a.b", "invalid_name_specials"),
    "conversations.replies": ("ts", "1.1", "thread_not_found"),
    "conversations.setPurpose": ("purpose", "x" * 251, "too_long"),
    "conversations.setTopic": ("topic", "x" * 251, "too_long"),
    "conversations.unarchive": ("channel", "C0NOPE", "channel_not_found"),
    "files.completeUploadExternal": ("files", [{"id": "F0NOPE"}], "file_not_found"),
    "files.delete": ("file", "F0NOPE", "file_not_found"),
    "files.getUploadURLExternal": ("length", 2**40, "file_upload_size_restricted"),
    "files.info": ("file", "F0NOPE", "file_not_found"),
    "files.list": ("types", "NOPE", "unknown_type"),
    "files.revokePublicURL": ("file", "F0NOPE", "file_not_found"),
    "files.sharedPublicURL": ("file", "F0NOPE", "file_not_found"),
    "files.upload": ("channels", "C0NOPE", "channel_not_found"),
    "oauth.v2.access": ("code", "NOPE", "invalid_code"),
    "pins.add": ("timestamp", "NOPE", "bad_timestamp"),
    "pins.list": ("channel", "C0NOPE", "channel_not_found"),
    "pins.remove": ("timestamp", "NOPE", "bad_timestamp"),
    "reactions.add": ("name", "no such emoji", "invalid_name"),
    "reactions.get": ("timestamp", "NOPE", "bad_timestamp"),
    "reactions.list": ("user", "U0NOPE", "user_not_found"),
    "reactions.remove": ("name", "tada", "no_reaction"),
    "search.all": ("query", " ", "no_query"),
    "search.messages": ("query", " ", "no_query"),
    "team.info": ("team", "T0NOPE", "team_not_found"),
    "usergroups.users.list": ("usergroup", "S0NOPE", "no_such_subteam"),
    "users.conversations": ("cursor", "NOPE", "invalid_cursor"),
    "users.getPresence": ("user", "U0NOPE", "user_not_found"),
    "users.info": ("user", "U0NOPE", "user_not_found"),
    "users.list": ("cursor", "NOPE", "invalid_cursor"),
    "users.lookupByEmail": ("email", "nobody@example.test", "users_not_found"),
    "users.profile.get": ("user", "U0NOPE", "user_not_found"),
    "users.profile.set": ("profile", {"status_text": "x" * 101}, "too_long"),
    "users.setPresence": ("presence", "here", "invalid_presence"),
    "views.open": ("trigger_id", "NOPE", "invalid_trigger_id"),
    "views.publish": ("user_id", "U0NOPE", "invalid_arguments"),
    "views.push": ("view", {"type": "home", "blocks": []}, "invalid_arguments"),
    "views.update": ("view_id", "V0NOPE", "not_found"),
}
"""Of each method that names errors, an argument, a bad value of it, and the error."""

OLD: Final = {alias.name: alias for alias in ALIASES}
KINDS: Final = pytest.mark.parametrize("kind", [WebClient, AsyncWebClient])
DEPRECATIONS: Final = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore:BasicAuth is deprecated:DeprecationWarning"
)

Kind = type[WebClient | AsyncWebClient]
Arguments = dict[str, Any]


class Prepared(NamedTuple):
    """Who calls a method, and with what."""

    who: str
    arguments: Arguments


async def prepare(scene: Scene, name: str) -> Prepared:
    """Return a call that succeeds. Some need an app or more before it."""
    if name.startswith("apps.manifest."):
        return await _prepare_manifest(scene, name)
    if name in ("apps.connections.open", "apps.event.authorizations.list", "apps.uninstall", "oauth.v2.access"):
        return await _prepare_app(scene, name)
    who = caller_of(name)
    arguments: Arguments = await sample(scene, who, name, await place(scene, name)) if METHODS[name].access else {}
    match name.partition(".")[0], name.rpartition(".")[2]:
        case (("channels" | "groups" | "conversations"), ("setTopic" | "setPurpose" as verb)):
            arguments[verb.removeprefix("set").lower()] = "owls"
        case _, "create":
            arguments["name"] = f"new-{next(NUMBERS)}"
        case "conversations", "join":
            town = await scene.ok("bob", "conversations.create", name=f"town-{next(NUMBERS)}")
            arguments["channel"] = town["channel"]["id"]
        case _, "getPresence":
            arguments["user"] = scene.users["bob"]
        case _, "startStream":
            arguments["thread_ts"] = await scene.post("bob", scene.general, "x")
    return Prepared(who, arguments)


async def _prepare_manifest(scene: Scene, name: str) -> Prepared:
    who = await configurator(scene)
    number = next(NUMBERS)
    tree = {
        **MANIFEST,
        "display_information": {"name": f"Desk {number}"},
        "features": {"bot_user": {"display_name": f"deskbot{number}"}},
    }
    text = json.dumps(tree)
    if name in ("apps.manifest.create", "apps.manifest.validate"):
        return Prepared(who, {"manifest": text})
    app = (await scene.ok(who, "apps.manifest.create", manifest=text))["app_id"]
    return Prepared(who, {"app_id": app, "manifest": text} if name == "apps.manifest.update" else {"app_id": app})


async def _prepare_app(scene: Scene, name: str) -> Prepared:
    number = next(NUMBERS)
    tree = json.loads(json.dumps(MANIFEST))
    tree["display_information"]["name"], tree["features"]["bot_user"]["display_name"] = f"D{number}", f"d{number}"
    desk = await Desk.made_in(scene, tree)
    client = {"client_id": desk.made.secrets.client_id, "client_secret": desk.made.secrets.client_secret}
    if name == "oauth.v2.access":
        return Prepared("alice", {**client, "code": (await desk.consented()).code})
    if name == "apps.connections.open":
        return Prepared("desk app", {"app_token": scene.tokens["desk app"]})
    await desk.installed()
    if name == "apps.uninstall":
        return Prepared("deskbot", client)
    team = str(scene.directory.team["id"])
    context = msgspec.json.encode(Context(et="message", tid=team, aid=desk.id, eid="Ev1", cid=scene.general))
    return Prepared("desk app", {"event_context": f"4-{urlsafe_b64encode(context).decode()}"})


async def call(scene: Scene, kind: Kind, name: str, prepared: Prepared, /, **other: Any) -> Arguments:
    """Call a method by the client's own function for it; a few have none."""
    client = kind(scene.tokens[prepared.who], scene.server.api_url)
    function: Callable[..., Any] | None = getattr(client, name.replace(".", "_"), None)
    arguments = prepared.arguments | other
    if function is None:

        def function(**given: Any) -> Any:
            return client.api_call(name, json=given)

    if isinstance(client, AsyncWebClient):
        return dict((await function(**arguments)).data)
    return dict((await asyncio.to_thread(function, **arguments)).data)


def test_every_served_method_has_its_rows() -> None:
    assert MEMBERS.keys() | HOPELESS | OLD.keys() == METHODS.keys()
    with_errors = {name for name, method in METHODS.items() if method.errors and name not in OLD}
    assert with_errors - {"apps.connections.open"} == BAD.keys()  # which has the error of a GET only


def test_every_refusal_is_a_documented_one() -> None:
    for name, (argument, _, error) in BAD.items():
        assert argument in METHODS[name].arguments.__struct_fields__, name
        assert error in {*METHODS[name].errors, "invalid_arguments"}, name
    strange = {
        name: error
        for name, (_, _, error) in BAD.items()
        if error not in {*DOCUMENTED.get(name, {"errors": []})["errors"], *COMMON_ERRORS, *OTHER_ERRORS}
    }
    assert strange == {}


@KINDS
@DEPRECATIONS
@pytest.mark.parametrize("name", sorted(MEMBERS))
async def test_a_method_answers_with_the_documented_members(scene: Scene, name: str, kind: Kind) -> None:
    answer = await call(scene, kind, name, await prepare(scene, name))

    assert answer["ok"] is True
    assert answer.keys() - {"ok", "warning"} == {*MEMBERS[name].split()}


@KINDS
@DEPRECATIONS
@pytest.mark.parametrize("name", sorted(OLD))
async def test_a_retired_method_is_called(scene: Scene, name: str, kind: Kind) -> None:
    assert (await call(scene, kind, name, await prepare(scene, name)))["ok"] is True


@KINDS
@DEPRECATIONS
@pytest.mark.parametrize("name", sorted(BAD))
async def test_a_bad_argument_is_refused_with_the_documented_error(scene: Scene, name: str, kind: Kind) -> None:
    argument, value, error = BAD[name]
    prepared = await prepare(scene, name)

    with pytest.raises(SlackApiError) as caught:
        await call(scene, kind, name, prepared, **{argument: value})

    answer = caught.value.response
    assert (answer.status_code, answer["ok"], answer["error"]) == (200, False, error)


async def test_a_stream_of_slack_sdk_arrives_as_one_message(scene: Scene) -> None:
    """``chat_stream`` buffers, begins with what it has, and stops with the rest."""
    client = AsyncWebClient(scene.tokens["relaybot"], scene.server.api_url)
    question = await scene.post("alice", scene.general, "question")
    stream = await client.chat_stream(
        channel=scene.general,
        thread_ts=question,
        recipient_user_id=scene.users["alice"],
        recipient_team_id=scene.directory.team["id"],
        buffer_size=8,
    )
    for part in ("An ", "answer ", "in ", "**parts**."):
        await stream.append(markdown_text=part)
    await stream.stop()

    replies = await scene.ok("alice", "conversations.replies", channel=scene.general, ts=question)
    (answer,) = [message for message in replies["messages"] if message["ts"] != question]
    assert answer["text"] == "An answer in *parts*."
    assert answer["streaming_state"] == "completed"
