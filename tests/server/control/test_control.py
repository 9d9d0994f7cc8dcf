"""The control door: which requests it answers, and what its operations change."""

import asyncio
import json
import logging
import socket
import stat
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from stores import engine_beside

from controlled import Reply
from scene import Scene
from tautwire.protocol.errors import ConfigError
from tautwire.server.app import Server
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.control import rendezvous
from tautwire.server.control.operation import MAX_BODY, OPERATIONS, Nothing, Operation
from tautwire.server.log.writer import Writer
from tautwire.server.services.administration.team import TeamChange, change
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError

PATIENCE = 10.0


def place(data: Path) -> rendezvous.Place:
    return rendezvous.Place(**json.loads((data / "control.json").read_bytes()))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} if directory.exists() else set()


async def send(
    data: Path,
    path: str,
    body: bytes = b"",
    *,
    verb: str = "POST",
    headers: dict[str, str] | None = None,
) -> Reply:
    """Make a request to the control door of a server; without headers it has the secret."""
    found = place(data)
    given = {"Authorization": f"Bearer {found.secret}"} if headers is None else headers
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(found.socket)) as http,
        http.request(verb, f"http://localhost{path}", data=body, headers=given) as response,
    ):
        assert response.content_type == "application/json"
        return Reply(response.status, response.headers, json.loads(await response.read()))


async def operate(scene: Scene, operation: str, /, **arguments: Any) -> dict[str, Any]:
    """Carry out an operation that has to succeed."""
    reply = await send(scene.server.settings.data, f"/_control/v1/{operation}", json.dumps(arguments).encode())
    assert reply.status == 200, reply
    return reply.body


async def refusal(scene: Scene, operation: str, /, **arguments: Any) -> Reply:
    """Ask for an operation that has to be refused."""
    reply = await send(scene.server.settings.data, f"/_control/v1/{operation}", json.dumps(arguments).encode())
    assert reply.status in (400, 404), reply
    return reply


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of temporary files, with a short name."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        yield Path(directory)


@pytest.fixture
def data(scene: Scene) -> Path:
    return scene.server.settings.data


@pytest.fixture
def extra(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[Any]]], None]:
    """Serve a function as the operation ``test.run``."""

    def serve(function: Callable[[], Awaitable[Any]]) -> None:
        async def run(workspace: Workspace, args: Nothing) -> dict[str, Any]:
            return {"result": await function()}

        monkeypatch.setitem(OPERATIONS, "test.run", Operation("test.run", Nothing, run))

    return serve


# --- where it is ---


async def test_only_the_owner_can_use_the_socket_and_read_the_secret(scene: Scene, data: Path) -> None:
    assert {mode(path) for path in (data, Path(place(data).socket).parent)} == {0o700}
    assert {mode(path) for path in (data / "control.json", Path(place(data).socket))} == {0o600}


async def test_a_stop_removes_it_and_the_next_start_has_another_secret(scene: Scene, data: Path) -> None:
    before = place(data)

    await scene.server.stop()
    left = names(data) | names(Path(before.socket).parent)
    await scene.server.start()

    assert not {"control.sock", "control.json"} & left
    assert len(before.secret) >= 32
    assert place(data).secret != before.secret


async def test_what_a_killed_server_left_is_replaced(scene: Scene, data: Path) -> None:
    await scene.server.stop()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(data / "control.sock"))
    (data / "control.json").write_text('{"socket": ')

    await scene.server.start()

    assert (await operate(scene, "team.show"))["team"]["name"] == "Acme"


async def test_the_socket_of_another_server_is_left_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "control.sock"))
        other.listen()

        with pytest.raises(ConfigError, match="another server answers at"):
            rendezvous.Rendezvous(tmp_path, "secret").open()

        assert (tmp_path / "control.sock").exists()


async def test_a_socket_whose_path_would_be_too_long_is_among_the_temporary_files(
    tmp_path: Path, temporary: Path
) -> None:
    data = tmp_path / ("d" * 100)
    left = temporary / "tautwire-control-killed"
    left.mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(left / "control.sock"))
    data.mkdir(mode=0o700)
    (data / "control.json").write_text(json.dumps({"socket": str(left / "control.sock"), "secret": "old"}))

    async with Server(Settings(data=data, port=0, drain=0)):
        (name,) = names(temporary)  # the start has removed the other one
        own = temporary / name
        assert own != left
        assert mode(own) == 0o700
        assert place(data).socket == str(own / "control.sock")
        assert (await send(data, "/_control/v1/team.show")).status == 200

    assert names(temporary) == set()


async def test_a_directory_that_can_have_no_socket_is_refused_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("t" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with pytest.raises(ConfigError, match="TMPDIR"):
        rendezvous.Rendezvous(deep, "secret").open()

    assert names(deep) == set()


async def test_the_public_port_does_not_serve_it(scene: Scene, data: Path) -> None:
    url = scene.server.api_url.removesuffix("/api/")
    for path in ("/_control/v1/team.show", "/api/_control/v1/team.show"):
        async with scene.http.post(url + path, headers={"Authorization": f"Bearer {place(data).secret}"}) as response:
            assert "Acme" not in await response.text()


# --- which requests it answers ---


@pytest.mark.parametrize("path", ["/_control/v1/team.show", "/_control/v1/nothing", "/", "/_control/v1/user.add"])
@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}])
async def test_without_the_secret_every_request_gets_the_same_answer(
    data: Path, path: str, given: dict[str, str]
) -> None:
    for verb in ("GET", "POST"):
        reply = await send(data, path, b'{"name": "mallory"}', verb=verb, headers=given)
        assert (reply.status, reply.code) == (401, "not_authorized")
        assert "control.json" in reply.message


async def test_a_token_of_the_workspace_is_not_the_secret(scene: Scene, data: Path) -> None:
    reply = await send(data, "/_control/v1/team.show", headers=scene.bearer("alice"))

    assert reply.status == 401


@pytest.mark.parametrize("path", ["/", "/_control/v1/", "/_control/v1/team", "/team.show", "/_control/v2/team.show"])
async def test_an_unknown_path_is_not_found(data: Path, path: str) -> None:
    reply = await send(data, path)

    assert (reply.status, reply.code) == (404, "unknown_operation")
    assert path in reply.message


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_only_post_is_served(data: Path, verb: str) -> None:
    reply = await send(data, "/_control/v1/team.show", verb=verb)

    assert (reply.status, reply.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("name", ["watch", "journal", "openapi.json"])
async def test_streams_and_the_document_are_read_with_get(data: Path, name: str) -> None:
    reply = await send(data, f"/_control/v1/{name}")

    assert (reply.status, reply.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b"\xff\xfe", b'{"user": 1}', b"{}", b'{"user": "bob", "other": 1}', b"[" * 100_000],
)
async def test_a_body_that_is_not_an_object_of_the_arguments_is_refused(data: Path, body: bytes) -> None:
    reply = await send(data, "/_control/v1/user.show", body)

    assert (reply.status, reply.code) == (400, "invalid_arguments")


async def test_a_large_body_is_refused(data: Path) -> None:
    largest = json.dumps({"user": "x"}).encode().ljust(MAX_BODY)

    assert (await send(data, "/_control/v1/user.show", largest)).code == "unknown_user"
    assert (await send(data, "/_control/v1/user.show", largest + b" ")).status == 413


@pytest.mark.parametrize("data_sent", [b"\x00" * 100, b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nA: " + b"x" * 200_000])
async def test_what_is_not_http_ends_its_connection_only(scene: Scene, data: Path, data_sent: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(place(data).socket)
    async with asyncio.timeout(PATIENCE):
        writer.write(data_sent)
        try:
            answer = await reader.read()
        except ConnectionResetError:  # it closed while more was on its way
            answer = b""
    writer.close()

    assert answer.startswith(b"HTTP/1.1 4") or answer == b""
    assert (await operate(scene, "team.show"))["team"]["name"] == "Acme"


async def test_an_operation_that_fails_is_logged_and_says_so(
    data: Path, extra: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("a detail of the inside")

    extra(fail)

    reply = await send(data, "/_control/v1/test.run")

    assert (reply.status, reply.code) == (500, "internal_error")
    assert "inside" not in reply.message
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


async def test_a_store_that_fails_is_no_refusal(data: Path, extra: Callable[..., None]) -> None:
    async def fail() -> None:
        raise StoreError("the change could not be stored: disk full")

    extra(fail)

    reply = await send(data, "/_control/v1/test.run")

    assert (reply.status, reply.code) == (503, "store_failed")
    assert "disk full" in reply.message


async def test_a_request_in_progress_is_answered_before_a_stop(
    scene: Scene, data: Path, extra: Callable[..., None]
) -> None:
    arrived, proceed = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        arrived.set()
        await proceed.wait()
        return "done"

    extra(wait)
    request = asyncio.create_task(send(data, "/_control/v1/test.run"))
    async with asyncio.timeout(PATIENCE):
        await arrived.wait()
        stop = asyncio.create_task(scene.server.stop())
        await asyncio.sleep(0)
        proceed.set()
        reply = await request
        await stop

    assert reply.body == {"result": "done"}


async def test_no_log_has_the_secret_or_a_new_token(scene: Scene, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    token = (await operate(scene, "user.add", name="dave"))["token"]
    await send(data, "/_control/v1/team.show", headers={"Authorization": f"Bearer {place(data).secret}x"})

    assert "user.add" in caplog.text
    assert token not in caplog.text
    assert place(data).secret not in caplog.text


# --- users and bots ---


async def test_a_new_user_is_seen_by_all_and_can_connect(scene: Scene) -> None:
    carol = await scene.connect("carol")  # not a member of #general
    bob = await scene.connect("bob")

    added = await operate(scene, "user.add", name="dave", real_name="Dave Example", email="dave@example.test")
    scene.tokens["dave"] = added["token"]

    assert added["user"]["name"] == "dave"
    assert added["token"].startswith("xoxp-")
    seen = await carol.fence()
    assert [frame["type"] for frame in seen] == ["team_join"]
    assert (seen[0]["user"]["id"], seen[0]["user"]["is_bot"]) == (added["user"]["id"], False)
    assert "email" not in seen[0]["user"]["profile"]
    assert await bob.events() == ["team_join", "member_joined_channel", "channel_join"]
    dave = await scene.connect("dave")
    assert (await dave.say(scene.general, "hello"))["ok"]


async def test_a_new_bot_is_in_the_channels_that_were_named_only(scene: Scene) -> None:
    alice = await scene.connect("alice")

    added = await operate(scene, "bot.add", name="deploybot", channels=["#ops", scene.ops])
    scene.tokens["deploybot"] = added["token"]

    assert added["token"].startswith("xoxb-")
    events = await alice.fence()
    assert [frame.get("subtype", frame["type"]) for frame in events] == [
        "bot_added", "team_join", "member_joined_channel", "group_joined", "channel_join",
    ] or [frame.get("subtype", frame["type"]) for frame in events] == [
        "bot_added", "team_join", "member_joined_channel", "channel_join",
    ]  # fmt: skip
    assert events[0]["bot"]["user_id"] == added["bot"]["id"]
    assert (await operate(scene, "bot.show", user="deploybot"))["bot"]["channels"] == ["ops"]
    bot = await scene.connect("deploybot")
    assert (await bot.say(scene.ops, "up"))["ok"]


async def test_a_new_bot_does_not_become_away_by_itself(scene: Scene) -> None:
    for name, kind in (("dave", "user"), ("deploybot", "bot")):
        added = await operate(scene, f"{kind}.add", name=name)
        scene.tokens[name], scene.users[name] = added["token"], added[kind]["id"]
        await scene.connect(name)

    scene.clock.offset += scene.server.settings.auto_away + 1
    await scene.server_swept()

    presence = {
        name: (await scene.ok("alice", "users.getPresence", user=scene.users[name]))["presence"]
        for name in ("dave", "deploybot")
    }
    assert presence == {"dave": "away", "deploybot": "active"}


async def test_a_user_who_cannot_be_added_leaves_nothing_behind(scene: Scene) -> None:
    bob = await scene.connect("bob")
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    await bob.fence()
    cases = {
        "name_taken": {"name": "alice"},
        "invalid_name": {"name": "da ve"},
        "invalid_email": {"name": "dave", "email": "example.test"},
        "invalid_text": {"name": "dave", "real_name": "Dave\nExample"},
        "unknown_channel": {"name": "dave", "channels": ["opps"]},
        "method_not_supported_for_channel_type": {"name": "dave", "channels": [direct]},
    }

    for code, arguments in cases.items():
        assert (await refusal(scene, "user.add", **arguments)).code == code

    assert await bob.events() == []
    assert [user["name"] for user in (await operate(scene, "user.list"))["users"]] == ["alice", "bob", "carol"]


async def test_lists_come_in_pages_by_name(scene: Scene) -> None:
    names: list[str] = []
    after: str | None = ""
    while after is not None:
        answer = await operate(scene, "user.list", after=after, limit=2)
        names += [user["name"] for user in answer["users"]]
        after = answer["next"]

    assert names == ["alice", "bob", "carol"]
    assert [bot["name"] for bot in (await operate(scene, "bot.list"))["bots"]] == ["relaybot"]
    assert (await refusal(scene, "user.list", limit=0)).code == "invalid_arguments"


@pytest.mark.parametrize("text", ["alice", "@alice", "alice@example.test"])
async def test_users_are_found_by_name_and_address(scene: Scene, text: str) -> None:
    assert (await operate(scene, "user.show", user=text))["user"]["id"] == scene.users["alice"]


async def test_users_are_found_by_id(scene: Scene) -> None:
    assert (await operate(scene, "user.show", user=scene.users["bob"]))["user"]["name"] == "bob"


async def test_an_unknown_name_gets_the_closest_ones(scene: Scene) -> None:
    assert "did you mean alice?" in (await refusal(scene, "user.show", user="@alcie")).message
    assert "did you mean general?" in (await refusal(scene, "channel.show", channel="#Genral")).message
    assert "list" in (await refusal(scene, "user.show", user="zzzzzz")).message
    assert len((await refusal(scene, "user.show", user="z" * 200_000)).message) < 500


async def test_an_ambiguous_address_gets_the_ids(scene: Scene) -> None:
    other = await operate(scene, "user.add", name="dave", email="alice@example.test")

    reply = await refusal(scene, "user.show", user="alice@example.test")

    assert reply.code == "ambiguous_user"
    assert scene.users["alice"] in reply.message
    assert other["user"]["id"] in reply.message


async def test_a_bot_is_not_a_person(scene: Scene) -> None:
    assert "tautwire bot" in (await refusal(scene, "user.show", user="relaybot")).message
    assert "tautwire user" in (await refusal(scene, "bot.show", user="alice")).message
    assert (await refusal(scene, "bot.show", user="slackbot")).code == "unknown_user"


# --- channels ---


async def test_a_new_channel_has_its_members(scene: Scene) -> None:
    bob = await scene.connect("bob")

    added = (await operate(scene, "channel.add", name="plans", private=True, members=["alice", "bob", "alice"]))[
        "channel"
    ]

    assert (added["private"], added["member_count"], added["creator"]) == (True, 2, scene.users["alice"])
    assert "group_joined" in await bob.events()
    assert (await bob.say(added["id"], "hello"))["ok"]


async def test_a_new_public_channel_is_not_a_second_general_one(scene: Scene) -> None:
    channel = (await operate(scene, "channel.add", name="random", members=["bob"]))["channel"]

    assert (channel["private"], channel["general"]) == (False, False)
    shown = (await operate(scene, "channel.list"))["channels"]
    assert [(each["name"], each["general"]) for each in shown] == [("general", True), ("ops", False), ("random", False)]


async def test_a_channel_that_cannot_be_added_says_why(scene: Scene) -> None:
    cases = {
        "name_taken": {"name": "general", "members": ["bob"]},
        "invalid_name_specials": {"name": "Plans", "members": ["bob"]},
        "no_members": {"name": "plans"},
        "unknown_user": {"name": "plans", "members": ["bob", "bop"]},
    }

    for code, arguments in cases.items():
        assert (await refusal(scene, "channel.add", **arguments)).code == code

    assert [each["name"] for each in (await operate(scene, "channel.list"))["channels"]] == ["general", "ops"]


async def test_an_invitation_adds_all_or_none(scene: Scene) -> None:
    bob = await scene.connect("bob")

    assert (await refusal(scene, "channel.invite", channel="ops", users=["bob", "nemo"])).code == "unknown_user"
    assert await bob.events() == []
    answer = await operate(scene, "channel.invite", channel="ops", users=["bob", "alice"])

    assert answer["channel"]["member_count"] == 3
    assert "group_joined" in await bob.events()
    names = [member["name"] for member in (await operate(scene, "channel.members", channel="ops"))["members"]]
    assert names == ["alice", "bob", "relaybot"]


async def test_a_removed_member_gets_nothing_more(scene: Scene) -> None:
    alice, relaybot = await scene.connect("alice"), await scene.connect("relaybot")

    answer = await operate(scene, "channel.remove", channel="ops", user="relaybot")
    await alice.say(scene.ops, "secret")

    assert answer["channel"]["member_count"] == 1
    assert await relaybot.events() == ["group_left"]
    assert {"channel_leave", "member_left_channel"} <= set(await alice.events())
    assert (await refusal(scene, "channel.remove", channel="ops", user="relaybot")).code == "not_in_channel"
    assert (await refusal(scene, "channel.remove", channel="general", user="bob")).code == "cant_kick_from_general"


async def test_a_direct_message_is_not_a_channel(scene: Scene) -> None:
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]

    assert (await refusal(scene, "channel.show", channel=direct)).code == "not_a_channel"
    reply = await refusal(scene, "channel.invite", channel=direct, users=["carol"])
    assert reply.code == "method_not_supported_for_channel_type"


# --- team ---


async def test_a_changed_team_is_known_at_once_everywhere(scene: Scene) -> None:
    bob = await scene.connect("bob")

    icon = "https://acme.test/icon.png"
    answer = await operate(scene, "team.change", name="Acme Two", domain="acme-two", icon=icon)

    assert answer["team"] == {"id": scene.directory.team["id"], "name": "Acme Two", "domain": "acme-two", "icon": icon}
    events = await bob.fence()
    assert [frame["type"] for frame in events] == ["team_rename", "team_domain_change"]
    assert (events[0]["name"], events[1]["domain"]) == ("Acme Two", "acme-two")
    assert (await scene.ok("bob", "auth.test"))["team"] == "Acme Two"
    assert (await scene.grant("bob"))["team"]["domain"] == "acme-two"
    assert (await scene.ok("bob", "rtm.start"))["team"]["icon"]["image_132"] == icon


async def test_a_team_that_another_node_changed_is_known_here(scene: Scene) -> None:
    bob = await scene.connect("bob")
    engine = engine_beside(scene.server.settings)
    writer = Writer(engine, clock=Clock())
    try:
        await writer.write(partial(change, wanted=TeamChange(name="From Elsewhere"), url=""))
    finally:
        await writer.close()
        engine.close()

    assert (await bob.until("team_rename"))["name"] == "From Elsewhere"
    assert (await scene.grant("bob"))["team"]["name"] == "From Elsewhere"


async def test_a_changed_team_is_there_after_a_restart(scene: Scene) -> None:
    await operate(scene, "team.change", name="Acme Two")

    await scene.server.stop()
    await scene.server.start()

    assert (await operate(scene, "team.show"))["team"]["name"] == "Acme Two"
    assert scene.server.workspace.team.name == "Acme Two"


async def test_a_team_that_stays_as_it_is_leaves_no_event(scene: Scene) -> None:
    bob = await scene.connect("bob")

    await operate(scene, "team.change", name="Acme", domain="acme")

    assert await bob.events() == []


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("invalid_name", {"name": " "}),
        ("invalid_text", {"name": "x\x00"}),
        ("invalid_domain", {"domain": "Acme"}),
        ("invalid_icon", {"icon": "javascript:alert(1)"}),
        ("invalid_icon", {"icon": "http://["}),
    ],
)
async def test_a_team_is_not_changed_to_what_no_client_can_show(
    scene: Scene, code: str, arguments: dict[str, str]
) -> None:
    assert (await refusal(scene, "team.change", **arguments)).code == code
    assert (await operate(scene, "team.show"))["team"]["name"] == "Acme"


async def test_what_a_killed_client_asked_for_does_no_harm(scene: Scene, data: Path) -> None:
    found = place(data)
    for part in (1, 40, 200):
        request = (
            f"POST /_control/v1/user.add HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {found.secret}\r\n"
            f"Content-Length: 1000\r\n\r\n" + '{"name": "mallory"'
        ).encode()
        _, writer = await asyncio.open_unix_connection(found.socket)
        writer.write(request[: -part or None])
        await writer.drain()
        writer.transport.abort()

    assert [user["name"] for user in (await operate(scene, "user.list"))["users"]] == ["alice", "bob", "carol"]


# --- deactivation, tokens and apps ---


async def test_a_deactivated_user_is_out_at_once_and_comes_back_with_the_same_token(scene: Scene) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")

    answer = await operate(scene, "user.deactivate", user="bob")

    assert answer["user"]["deactivated"] is True
    await bob.ended()
    assert await scene.error("bob", "auth.test") == "account_inactive"
    assert (await alice.until("user_change"))["user"]["deleted"] is True
    assert (await refusal(scene, "channel.invite", channel="ops", users=["bob"])).code == "user_not_found"
    assert (await refusal(scene, "channel.add", name="plans", members=["bob"])).code == "user_deactivated"
    assert (await refusal(scene, "token.issue", user="bob")).code == "user_disabled"
    assert (await refusal(scene, "user.deactivate", user="relaybot")).code == "wrong_kind"

    assert (await operate(scene, "user.reactivate", user="bob"))["user"]["deactivated"] is False
    await scene.connect("bob")


async def test_an_issued_token_connects_until_it_is_revoked(scene: Scene) -> None:
    issued = await operate(scene, "token.issue", user="carol")
    scene.tokens["carol's"] = issued["token"]
    socket_ = await scene.connect("carol's")

    revoked = await operate(scene, "token.revoke", token=issued["details"]["id"])

    await socket_.ended()
    assert revoked["details"]["revoked"] is not None
    assert await scene.error("carol's", "rtm.connect") == "token_revoked"
    await scene.connect("carol")  # another token of the same user


async def test_a_token_can_be_named_by_its_text_which_no_error_repeats(scene: Scene) -> None:
    unknown = scene.tokens["bob"][:-3] + "xyz"

    await operate(scene, "token.revoke", token=scene.tokens["bob"])
    reply = await refusal(scene, "token.revoke", token=unknown)

    assert await scene.error("bob", "auth.test") == "token_revoked"
    assert reply.code == "unknown_token"
    assert unknown not in reply.message


async def test_a_rotated_token_is_replaced(scene: Scene) -> None:
    (old,) = (await operate(scene, "token.list", user="bob"))["tokens"]

    new = await operate(scene, "token.rotate", token=old["id"])
    scene.tokens["bob's"] = new["token"]

    assert await scene.error("bob", "auth.test") == "token_revoked"
    assert (await scene.ok("bob's", "auth.test"))["user_id"] == scene.users["bob"]
    assert new["details"]["scopes"] == old["scopes"]
    assert (await refusal(scene, "token.rotate", token=old["id"])).code == "token_revoked"


async def test_a_token_with_a_lifetime_expires(scene: Scene) -> None:
    issued = await operate(scene, "token.issue", user="bob", lifetime=100)
    scene.tokens["bob's"] = issued["token"]
    await scene.ok("bob's", "auth.test")

    scene.clock.step += 101  # the wall clock alone: idle connections stay open

    assert issued["details"]["expires"] - issued["details"]["created"] == 100
    assert await scene.error("bob's", "auth.test") == "token_expired"


async def test_tokens_are_listed_without_their_texts(scene: Scene) -> None:
    await operate(scene, "token.revoke", token=scene.tokens["carol"])

    everything = await operate(scene, "token.list", revoked=True)
    live = await operate(scene, "token.list")
    pages: list[str] = []
    after: str | None = ""
    while after is not None:
        answer = await operate(scene, "token.list", after=after, limit=1)
        pages += [token["holder"] for token in answer["tokens"]]
        after = answer["next"]

    assert {token["holder"] for token in everything["tokens"]} == {"alice", "bob", "carol", "relaybot"}
    assert {token["holder"] for token in live["tokens"]} == {"alice", "bob", "relaybot"}
    assert sorted(pages) == ["alice", "bob", "relaybot"]
    assert not any(token in json.dumps(everything) for token in scene.tokens.values())


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("one_holder", {}),
        ("one_holder", {"user": "bob", "app": "relaybot"}),
        ("unknown_app", {"app": "relayboat"}),
        ("invalid_arguments", {"user": "bob", "scopes": ["a,b"]}),
        ("invalid_arguments", {"user": "bob", "lifetime": 0}),
        ("invalid_arguments", {"user": "bob", "lifetime": 10**30}),
    ],
)
async def test_a_token_that_cannot_be_issued_says_why(scene: Scene, code: str, arguments: dict[str, Any]) -> None:
    assert (await refusal(scene, "token.issue", **arguments)).code == code


async def test_a_new_app_has_a_bot_tokens_and_secrets(scene: Scene) -> None:
    alice = await scene.connect("alice")

    added = await operate(scene, "app.add", name="deploy", bot="deploybot", scopes=["chat:write"], app_token=True)
    scene.tokens["deploybot"] = added["bot_token"]

    assert added["app_token"].startswith("xapp-")
    assert len(added["signing_secret"]) == 32
    assert await alice.events() == ["bot_added", "team_join"]
    assert (await scene.ok("deploybot", "auth.test"))["user"] == "deploybot"
    shown = await operate(scene, "app.show", app="deploy")
    assert shown["app"]["client_id"] == added["client_id"]
    assert shown["bot"]["name"] == "deploybot"
    assert sorted(token["kind"] for token in shown["tokens"]) == ["app", "bot"]
    assert [app["name"] for app in (await operate(scene, "app.list"))["apps"]] == ["deploy", "relaybot"]
    assert added["client_secret"] not in json.dumps(shown)


async def test_an_app_is_given_a_request_url_and_loses_it(scene: Scene) -> None:
    added = await operate(scene, "app.add", name="deploy")

    directed = await operate(scene, "app.request_url", app="deploy", url="http://10.0.0.1/events")
    shown = await operate(scene, "app.show", app="deploy")
    ended = await operate(scene, "app.request_url", app="deploy")

    assert (directed["request_url"], directed["signing_secret"]) == ("http://10.0.0.1/events", added["signing_secret"])
    assert (shown["request_url"], shown["request_state"]) == ("http://10.0.0.1/events", "unverified")
    assert ended["request_url"] is None
    assert (await operate(scene, "app.show", app="deploy"))["request_url"] is None
    refused = await refusal(scene, "app.request_url", app="deploy", url="ftp://10.0.0.1/")
    assert refused.code == "invalid_request_url"
    await operate(scene, "bot.add", name="helper")
    assert len((await operate(scene, "app.request_url", app="helper", url="http://[::1]/"))["signing_secret"]) == 32


async def test_an_app_that_cannot_be_added_leaves_nothing_behind(scene: Scene) -> None:
    cases = {
        "name_taken": {"name": "deploy", "bot": "alice"},
        "invalid_name": {"name": "de ploy"},
        "invalid_text": {"name": "deploy", "real_name": "\x00"},
    }

    for code, arguments in cases.items():
        assert (await refusal(scene, "app.add", **arguments)).code == code

    assert (await refusal(scene, "app.add", name="relaybot", bot="other")).code == "name_taken"
    assert (await refusal(scene, "bot.add", name="relaybot")).code == "name_taken"
    assert [app["name"] for app in (await operate(scene, "app.list"))["apps"]] == ["relaybot"]


async def test_a_deleted_app_takes_its_tokens_and_its_bot_along(scene: Scene) -> None:
    bot = await scene.connect("relaybot")

    await operate(scene, "app.delete", app="relaybot")

    await bot.ended()
    assert await scene.error("relaybot", "auth.test") in ("account_inactive", "token_revoked")
    assert (await operate(scene, "app.list"))["apps"] == []
    assert (await operate(scene, "bot.show", user="relaybot"))["bot"]["deactivated"] is True
    assert (await refusal(scene, "app.delete", app="relaybot")).code == "unknown_app"
    assert (await refusal(scene, "bot.reactivate", user="relaybot")).code == "app_not_found"
