"""The control API on the port of the server: who reaches it, and how it is described."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controlled import PATH, SECRET, ask, operate, root
from scene import OpenScene, Scene
from tautwire.protocol.errors import ConfigError
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.control.openapi import document
from tautwire.server.control.operation import MAX_BODY, OPERATIONS, Operation
from tautwire.server.services.access import logins
from tautwire.server.services.nesting import MAX_DEPTH

OTHERS = [f"{SECRET}x", SECRET[:-1], "x", "é" * 40, "xoxb-1", ""]


@pytest.fixture
async def controlled(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


# --- where it is ---


async def test_it_is_not_there_unless_asked_for(scene: Scene) -> None:
    secret = json.loads((scene.server.settings.data / "control.json").read_bytes())["secret"]

    for path in (f"{PATH}team.show", f"{PATH}openapi.json", "/nothing"):
        async with scene.http.post(root(scene) + path, headers={"Authorization": f"Bearer {secret}"}) as response:
            assert (response.status, await response.text()) == (404, "Not Found")
    assert scene.directory.control is None


async def test_the_secret_is_new_at_each_start_and_is_what_the_directory_says(open_scene: OpenScene) -> None:
    scene = await open_scene(control=True)
    before = (await scene.server.directory()).control
    await scene.server.stop()
    await scene.server.start()
    after = (await scene.server.directory()).control

    assert before is not None
    assert after is not None
    assert len(before.secret) >= 32
    assert before.secret != after.secret
    assert after.url == f"{root(scene)}{PATH}"
    assert json.loads((scene.server.settings.data / "control.json").read_bytes())["secret"] == after.secret
    for secret, status in ((before.secret, 401), (after.secret, 200)):
        reply = await ask(scene, f"{PATH}team.show", headers={"Authorization": f"Bearer {secret}"})
        assert reply.status == status


async def test_the_sample_workspace_has_it_unless_it_is_off(tmp_path: Path) -> None:
    for name, setting, is_there in (("one", None, True), ("two", False, False)):
        async with Server(Settings(data=tmp_path / name, port=0, drain=0, control=setting)) as server:
            assert ((await server.directory()).control is not None) == is_there


async def test_a_given_secret_opens_one_workspace_only(tmp_path: Path) -> None:
    for name in ("one", "two"):
        async with Server(Settings(data=tmp_path / name, port=0, drain=0)):
            pass
    server = Server(Settings(data=tmp_path, port=0, drain=0, control=True, control_secret=SECRET))

    with pytest.raises(ConfigError, match="control_secret opens one workspace"):
        await server.start()


async def test_each_of_several_workspaces_has_its_own_secret(tmp_path: Path) -> None:
    for name in ("one", "two"):
        async with Server(Settings(data=tmp_path / name, port=0, drain=0)):
            pass
    async with Server(Settings(data=tmp_path, port=0, drain=0, control=True)) as server:
        found = {}
        for each in (await server.directories()).values():
            assert each.control is not None
            opened = server.host.find_controlled(each.control.secret.encode())
            assert opened is not None
            found[each.team["id"]] = opened.team.id

        assert len(found) == 2
        assert all(team == opened for team, opened in found.items())
        assert server.host.find_controlled(b"x" * 43) is None


@pytest.mark.parametrize("secret", ["short", "x" * 201, "a secret with blanks", "sécret-of-sixteen-", "x" * 16 + "\n"])
def test_a_secret_that_cannot_be_one_is_refused_and_not_repeated(tmp_path: Path, secret: str) -> None:
    with pytest.raises(ConfigError, match="control_secret must be 16 to 200") as caught:
        Settings(data=tmp_path, control_secret=secret)

    assert secret not in str(caught.value)


# --- who may use it ---


@pytest.mark.parametrize("path", [f"{PATH}team.show", f"{PATH}nothing", PATH, f"{PATH}openapi.json"])
@pytest.mark.parametrize("verb", ["GET", "POST", "OPTIONS"])
async def test_without_the_secret_every_request_gets_the_same_answer(controlled: Scene, path: str, verb: str) -> None:
    given = [{}, {"Authorization": SECRET}, {"Authorization": f"Basic {SECRET}"}, controlled.bearer("alice")]
    for headers in (*given, *({"Authorization": f"Bearer {other}"} for other in OTHERS)):
        reply = await ask(controlled, path, b"{", verb=verb, headers=headers)

        assert (reply.status, reply.code) == (401, "not_authorized")
        assert "control.json" in reply.message


async def test_the_secret_is_no_token_of_the_web_api(controlled: Scene) -> None:
    answer = await controlled.request("POST", "auth.test", headers={"Authorization": f"Bearer {SECRET}"})

    assert answer.body["error"] == "invalid_auth"


async def test_a_web_page_is_refused(controlled: Scene) -> None:
    headers = {"Authorization": f"Bearer {SECRET}", "Origin": "http://127.0.0.1:8065"}

    reply = await ask(controlled, f"{PATH}team.show", headers=headers)

    assert (reply.status, reply.code) == (403, "origin_refused")


async def test_an_address_with_many_wrong_secrets_has_to_wait_and_the_secret_goes_on(open_scene: OpenScene) -> None:
    scene = await open_scene(control=True, control_secret=SECRET, rate_limits=True)
    wrong = {"Authorization": "Bearer wrong"}

    replies = [await ask(scene, f"{PATH}team.show", headers=wrong) for _ in range(logins.RATE.burst)]
    while (reply := await ask(scene, f"{PATH}team.show", headers=wrong)).status != 429:
        replies.append(reply)  # the rate gives one back each second

    assert {reply.status for reply in replies} == {401}
    assert int(reply.headers["Retry-After"]) >= 1
    assert (await operate(scene, "team.show"))["team"]["name"] == "Acme"


async def test_no_log_has_the_secret(controlled: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await operate(controlled, "say", user="alice", channel="general", text="hello")
    await ask(controlled, f"{PATH}{SECRET}")
    await ask(controlled, f"{PATH}team.show", headers={"Authorization": f"Bearer {SECRET}x"})

    assert "an operator's say is done" in caplog.text
    assert "failed logins from 127.0.0.1, the last for the control API: not_authorized" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in repr(controlled.server.settings)


# --- which requests it answers ---


async def test_the_operations_of_the_socket_are_served(controlled: Scene) -> None:
    added = await operate(controlled, "user.add", name="dave")
    controlled.tokens["dave"] = added["token"]

    assert (await controlled.ok("dave", "auth.test"))["user_id"] == added["user"]["id"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b"\xff\xfe", b'{"user": 1}', b"{}", b"[" * 100_000, b'{"user": "alice"}'],
)
async def test_a_body_that_is_not_an_object_of_the_arguments_is_refused(controlled: Scene, body: bytes) -> None:
    for operation in ("say", "react", "dm", "presence"):
        reply = await ask(controlled, PATH + operation, body)
        assert (reply.status, reply.code) == (400, "invalid_arguments")


async def test_a_large_body_is_refused(controlled: Scene) -> None:
    reply = await ask(controlled, f"{PATH}say", b" " * (MAX_BODY + 1))

    assert (reply.status, reply.code) == (413, "body_too_large")


async def test_a_body_that_does_not_arrive_is_given_up(controlled: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.server.control.door.PATIENCE", 0.05)
    head = f"POST {PATH}team.show HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 10\r\n\r\n"

    reader, writer = await asyncio.open_connection("127.0.0.1", controlled.server.port)
    writer.write(head.encode() + b"{")
    async with asyncio.timeout(10):
        line = await reader.readline()
    writer.close()

    assert line.startswith(b"HTTP/1.1 408 ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
LIKELY = st.sampled_from(["alice", "bob", "@carol", "general", "#ops", "1.1", "1700000000.000001", "away", "x", "\0"])


def bodies(operation: Operation) -> st.SearchStrategy[bytes]:
    """Objects with the arguments of an operation, right and wrong ones, and garbage."""
    fields = [field for field in operation.arguments.__struct_fields__ if field != "timeout"]
    at_once = {"timeout": st.just(0)} if "timeout" in operation.arguments.__struct_fields__ else {}
    value = LIKELY | LIKELY | st.lists(LIKELY, max_size=3) | JSON
    named = st.fixed_dictionaries(dict[str, Any](at_once), optional=dict.fromkeys(fields, value))
    full = st.fixed_dictionaries(dict.fromkeys(fields, LIKELY) | at_once)
    return (named | full).map(json.dumps).map(str.encode) | st.binary(min_size=1, max_size=50)


REQUESTS = st.sampled_from(sorted(OPERATIONS)).flatmap(lambda name: st.tuples(st.just(name), bodies(OPERATIONS[name])))


async def test_no_request_makes_the_server_fail(controlled: Scene) -> None:
    requests: list[tuple[str, bytes]] = []

    @settings(max_examples=300, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(REQUESTS)
    def gather(request: tuple[str, bytes]) -> None:
        requests.append(request)

    gather()
    statuses = [(await ask(controlled, PATH + name, body)).status for name, body in requests]

    assert set(statuses) == {200, 400, 404}
    assert (await operate(controlled, "team.show"))["team"]


# --- the description ---


async def test_the_document_is_served_to_those_with_the_secret(controlled: Scene) -> None:
    reply = await ask(controlled, f"{PATH}openapi.json", verb="GET")

    assert reply.status == 200
    assert reply.body == json.loads(json.dumps(document()))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_each_operation_is_described_with_a_schema(name: str) -> None:
    whole = document()
    described = whole["paths"][PATH + name]["post"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    arguments = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]

    assert described["operationId"] == name
    assert described["summary"].endswith(".")
    assert set(arguments["properties"]) == set(OPERATIONS[name].arguments.__struct_fields__)
    assert arguments["additionalProperties"] is False
    assert {"200", "400", "401", "404"} <= set(described["responses"])


def test_every_reference_of_the_document_leads_somewhere() -> None:
    whole = document()
    names = {part.partition('"')[0] for part in json.dumps(whole).split('"#/components/schemas/')[1:]}

    assert names
    assert names <= set(whole["components"]["schemas"])
    assert all("." not in name for name in whole["components"]["schemas"])


async def test_answers_have_the_members_that_are_described(controlled: Scene) -> None:
    said = await operate(controlled, "say", user="alice", channel="general", text="hello")
    schemas = document()["components"]["schemas"]

    assert set(said) == set(schemas["Said"]["properties"])
    assert set(await operate(controlled, "position")) == set(schemas["Position"]["properties"])
    assert set(await operate(controlled, "join", user="bob", channel="general")) == set(schemas["Done"]["properties"])


@pytest.mark.parametrize("levels", [MAX_DEPTH, 900, 100_000])
async def test_arguments_that_are_nested_too_deeply_are_refused(controlled: Scene, levels: int) -> None:
    deep = "[" * levels + "]" * levels
    body = f'{{"user": "alice", "channel": "general", "text": "x", "attachments": [{{"a": {deep}}}]}}'
    reply = await ask(controlled, f"{PATH}say", body.encode())
    assert (reply.status, reply.code) == (400, "invalid_arguments")
    assert await controlled.history("alice", controlled.general) == []


async def test_a_token_has_scopes_that_there_are(controlled: Scene) -> None:
    for scopes in (["chat:write"], ["chat:write:bot", "post"], ["admin.users:read", "hosting:read"]):
        issued = await operate(controlled, "token.issue", user="alice", scopes=scopes)
        assert set(issued["details"]["scopes"]) == set(scopes)

    misspelt = await ask(controlled, PATH + "token.issue", b'{"user": "alice", "scopes": ["identify", "chat:writ"]}')
    assert (misspelt.status, misspelt.code) == (400, "unknown_scope")
    assert misspelt.message.startswith("there is no scope 'chat:writ': did you mean chat:write or ")
    strange = await ask(controlled, PATH + "token.issue", b'{"user": "alice", "scopes": ["zzz"]}')
    assert strange.message == "there is no scope 'zzz': docs/reference/wire/apps.md lists all"
