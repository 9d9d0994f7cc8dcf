"""Workspaces that are made, reset, restored and deleted while the server runs."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandboxed import Farm, Sandbox, opened
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.sandboxes import snapshots
from tautwire.server.sandboxes.place import Place
from tautwire.server.served import ServedWorkspace
from tautwire.server.store.engine import StoreError
from tautwire.server.tasks import cancel


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    async with opened(tmp_path / "data") as farm:
        yield farm


@pytest.fixture
async def box(farm: Farm) -> Sandbox:
    return await farm.create(name="first")


def folder(farm: Farm) -> Path:
    return farm.server.settings.data / "sandboxes"


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def read_all(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Return the frames up to the end of a connection."""
    return [json.loads(message.data) async for message in socket]


async def texts(box: Sandbox) -> list[str]:
    history = await box.call("ann", "conversations.history", channel=box.general)
    assert history["ok"], history
    return [each["text"] for each in reversed(history["messages"])]


# --- who may do what ---


async def test_the_secret_of_the_host_is_in_its_file_while_the_server_runs(tmp_path: Path) -> None:
    file = tmp_path / "data" / "host.json"
    async with opened(tmp_path / "data", host_secret="a-host-secret-of-the-tests") as farm:
        assert json.loads(file.read_bytes()) == {"url": farm.url, "secret": "a-host-secret-of-the-tests"}
        assert file.stat().st_mode & 0o777 == 0o600
        assert "a-host-secret" not in repr(farm.server.settings)
    assert not file.exists()


async def test_it_is_off_without_the_control_api(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as farm:
        await farm.create()
    async with Server(Settings(data=tmp_path / "data", port=0, drain=0, control=False)) as server:
        assert (await server.directory()).host is None
        assert not (tmp_path / "data" / "host.json").exists()
        assert len(server.host) == 1


async def test_a_workspace_opens_itself_and_no_other(farm: Farm, box: Sandbox) -> None:
    other = await farm.create(name="second")

    assert (await box.do("workspaces.snapshot", name="a"))["name"] == "a"
    assert (await box.do("workspaces.diff", from_snapshot="seed"))["changes"]["count"] == 0
    assert (await box.do("workspaces.reset", workspace=box.id))["workspace"]["id"] == box.id
    for operation in ("reset", "snapshots", "restore", "diff"):
        extra = {"name": "a"} if operation == "restore" else {}
        reply = await box.ask(f"workspaces.{operation}", workspace=other.id, **extra)
        assert (reply.status, reply.code) == (400, "host_secret_needed")
    for operation, arguments in (("create", {}), ("list", {}), ("delete", {"workspace": box.id})):
        reply = await box.ask(f"workspaces.{operation}", **arguments)
        assert (reply.status, reply.code) == (400, "host_secret_needed")


async def test_the_host_opens_workspaces_and_nothing_in_them(farm: Farm, box: Sandbox) -> None:
    assert await farm.refusal("say", user="ann", channel="general", text="x") == "workspace_secret_needed"
    assert await farm.refusal("workspaces.reset") == "workspace_needed"
    assert await farm.refusal("workspaces.reset", workspace="T0000000000") == "workspace_not_found"


async def test_wrong_secrets_are_counted_by_address(tmp_path: Path) -> None:
    async with opened(tmp_path / "data", rate_limits=True) as farm:
        for secret in (farm.secret + "x", farm.secret[:-1], "é", "x" * 5000):
            assert (await farm.ask("workspaces.list", b"", secret)).status == 401
        while (reply := await farm.ask("workspaces.list", b"", "wrong")).status == 401:
            pass
        assert (reply.status, reply.code) == (429, "ratelimited")
        assert await farm.names() == ["Sample"]


async def test_the_workspace_of_the_data_directory_is_not_reset_restored_or_deleted(farm: Farm) -> None:
    (own,) = (await farm.do("workspaces.list"))["workspaces"]
    assert (own["is_sandbox"], own["created"]) == (False, None)
    assert await farm.refusal("workspaces.reset", workspace=own["id"]) == "not_created_here"
    assert await farm.refusal("workspaces.restore", workspace=own["id"], name="x") == "not_created_here"
    assert await farm.refusal("workspaces.delete", workspace=own["id"]) == "not_created_here"
    await farm.do("workspaces.snapshot", workspace=own["id"], name="x")
    found = await farm.do("workspaces.diff", workspace=own["id"], from_snapshot="x")
    assert found["changes"]["count"] == 0


# --- create and list ---


async def test_a_new_workspace_has_what_its_seed_says(farm: Farm, box: Sandbox) -> None:
    test = await box.call("ann", "auth.test")
    assert (test["team"], test["team_id"], test["user"]) == ("Trial", box.id, "ann")
    assert set(box.made["users"]) == {"ann", "ben", "helper"}
    assert set(box.made["channels"]) == {"general", "plans"}
    assert box.made["apps"]["helper"]["app_token"].startswith("xapp-")
    assert await farm.names() == ["Sample", "first"]
    listed = (await farm.do("workspaces.list"))["workspaces"][1]
    assert listed == box.made["workspace"]


async def test_without_a_seed_it_is_the_sample_with_tokens_of_its_own(farm: Farm) -> None:
    one, two = [Sandbox(farm, await farm.do("workspaces.create")) for _ in range(2)]
    assert set(one.made["users"]) == {"alice", "bob", "relaybot"}
    assert one.token("alice") != two.token("alice")
    assert one.id != two.id


async def test_a_token_opens_its_own_workspace_only(farm: Farm, box: Sandbox) -> None:
    other = await farm.create()
    await other.say("ann", "here")
    assert (await other.call_with(box.token("ann"), "conversations.history", channel=other.general))["error"] == (
        "channel_not_found"
    )
    await farm.do("workspaces.delete", workspace=box.id)
    assert (await other.call_with(box.token("ann"), "auth.test"))["error"] == "invalid_auth"
    assert await texts(other) == ["here"]


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "/", "~", "{}", "ä ö", "x" * 80])
async def test_names_are_no_paths(farm: Farm, name: str) -> None:
    box = await farm.create(name=name)
    await box.do("workspaces.snapshot", name=name)
    assert [each["name"] for each in (await box.do("workspaces.snapshots"))["snapshots"]] == [name]

    assert names_in(folder(farm)) == sorted([box.id, "lock"])
    assert all(path.parent == folder(farm) / box.id / "snapshots" for path in folder(farm).rglob("*snapshots/*"))
    await box.do("workspaces.restore", name=name)
    reply = await box.ask("workspaces.restore", name=name[:79] + "?")
    assert (reply.status, reply.code) == (404, "snapshot_not_found")


@pytest.mark.parametrize("name", ["", "x" * 81, "a\nb", "a\0b", 5])
async def test_a_name_that_cannot_be_shown_is_refused(farm: Farm, name: object) -> None:
    assert await farm.refusal("workspaces.create", name=name) == "invalid_arguments"
    assert await farm.names() == ["Sample"]


@pytest.mark.parametrize(
    "seed",
    [
        {"users": [{"name": "ann"}, {"name": "ann"}]},
        {"users": [{"name": "slackbot"}]},
        {"channels": [{"name": "general", "members": ["who"]}]},
        {"apps": [{"name": "x", "request_url": "ftp://example.test"}]},
    ],
)
async def test_a_seed_that_does_not_fit_together_is_refused_and_leaves_nothing(farm: Farm, seed: Any) -> None:
    assert await farm.refusal("workspaces.create", seed=seed) == "invalid_seed"
    assert await farm.refusal("workspaces.create", seed={"users": "ann"}) == "invalid_arguments"
    assert await farm.names() == ["Sample"]


async def test_a_seed_of_ten_megabytes_is_refused(farm: Farm) -> None:
    users = [{"name": f"user{number}", "real_name": "x" * 1000} for number in range(10_000)]
    reply = await farm.ask("workspaces.create", json.dumps({"seed": {"users": users}}).encode())
    assert (reply.status, reply.code) == (413, "body_too_large")


async def test_there_may_be_so_many_and_no_more_whatever_comes_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "data", max_workspaces=3) as farm:
        replies = await asyncio.gather(*(farm.ask("workspaces.create", b'{"ephemeral": true}') for _ in range(40)))
        assert sorted(reply.status for reply in replies) == [200] * 3 + [400] * 37
        assert {reply.code for reply in replies if reply.status == 400} == {"too_many_workspaces"}
        assert len(farm.server.host) == 4
        await farm.do("workspaces.delete", workspace=(await farm.do("workspaces.list"))["workspaces"][1]["id"])
        await farm.create()


async def test_a_creation_that_fails_leaves_nothing(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(place: Place) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Place, "keep", fail)
        reply = await farm.ask("workspaces.create", b"{}")
        assert (reply.status, reply.code) == (503, "store_failed")

    assert names_in(folder(farm)) == ["lock"]
    assert await farm.names() == ["Sample"]
    assert not farm.server.health.faults
    await farm.create()


# --- reset, snapshot, restore ---


async def test_a_reset_brings_back_the_seed_and_keeps_ids_and_tokens(farm: Farm, box: Sandbox) -> None:
    await box.say("ann", "soon gone")
    issued = (await box.do("token.issue", user="ben"))["token"]
    assert (await box.call_with(issued, "auth.test"))["ok"]

    await box.do("workspaces.reset")

    assert await texts(box) == []
    assert (await box.call("helper", "auth.test"))["team_id"] == box.id
    assert (await box.call_with(issued, "auth.test"))["error"] == "invalid_auth"
    assert (await box.do("workspaces.diff", from_snapshot="seed"))["changes"]["count"] == 0
    await box.say("ann", "again")
    assert await texts(box) == ["again"]


async def test_connections_end_with_goodbye_and_cannot_resume(box: Sandbox) -> None:
    grant = await box.call("ann", "rtm.connect", resume="")
    socket = await box.farm.http.ws_connect(grant["url"])
    assert (await socket.receive_json())["type"] == "hello"
    link = await box.link("helper")
    before = (await box.do("position"))["position"]
    await box.say("ben", "one")

    ends = [asyncio.create_task(read_all(each)) for each in (socket, link)]
    await box.do("workspaces.reset")

    seen, _ = await asyncio.gather(*ends)
    assert "goodbye" in [frame["type"] for frame in seen]
    assert (socket.close_code, link.close_code) == (1001, 1001)
    after = (await box.do("position"))["position"]
    assert before.split(".")[0] != after.split(".")[0]
    assert (await box.ask("wait", after=before, timeout=0)).code == "unknown_position"
    fresh = await box.connect("ann")
    await box.say("ben", "two")
    assert (await fresh.receive_json())["text"] == "two"
    await fresh.close()


async def test_a_restore_brings_back_a_snapshot_and_what_came_later_can_be_compared(box: Sandbox) -> None:
    await box.say("ann", "one")
    kept = await box.do("workspaces.snapshot", name="half way")
    await box.say("ann", "two")
    await box.do("workspaces.snapshot", name="later")

    returned = await box.do("workspaces.restore", name="half way")

    assert await texts(box) == ["one"]
    assert returned["position"] != kept["position"]
    lost = await box.changes(from_snapshot="later")
    assert [each["text"] for each in lost["messages"]["deleted"]] == ["two"]
    assert lost["count"] == 1
    found = await box.do("workspaces.snapshots")
    assert [each["name"] for each in found["snapshots"]] == ["half way", "later"]
    await box.do("workspaces.restore", name="later")
    assert await texts(box) == ["one", "two"]
    await box.do("workspaces.restore", name="seed")
    assert await texts(box) == []


async def test_a_position_before_a_restore_is_no_position_of_the_log_after_it(box: Sandbox) -> None:
    await box.do("workspaces.snapshot", name="start")
    for number in range(5):
        await box.say("ann", str(number))
    late = (await box.do("position"))["position"]
    await box.do("workspaces.restore", name="start")
    for number in range(9):
        await box.say("ann", f"other {number}")

    grant = await box.call("ann", "rtm.connect", resume=late)
    assert grant["resume"] == "resync"


async def test_snapshots_are_bounded_in_number_and_bytes(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_SNAPSHOTS", 2)
    for name in ("a", "b", "a"):
        await box.do("workspaces.snapshot", name=name)
    assert (await box.ask("workspaces.snapshot", name="c")).code == "too_many_snapshots"
    assert (await box.ask("workspaces.snapshot", name="seed")).code == "name_taken"
    monkeypatch.setattr(snapshots, "MAX_BYTES", 100_000)
    assert (await box.ask("workspaces.snapshot", name="b")).code == "snapshots_too_large"
    files = names_in(folder(box.farm) / box.id / "snapshots")
    assert len(files) == 3, "two and their list"


async def test_a_restore_that_fails_goes_on_as_before(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.say("ann", "still here")

    def fail(place: Place, source: Path) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Place, "put", fail)
        reply = await box.ask("workspaces.reset")
        assert (reply.status, reply.code) == (503, "store_failed")
    assert await texts(box) == ["still here"]
    await box.do("workspaces.reset")
    assert await texts(box) == []


async def test_a_state_that_cannot_be_opened_is_mended_by_a_reset(
    box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    await box.do("workspaces.snapshot", name="torn")
    (file,) = (folder(box.farm) / box.id / "snapshots").glob("*.db")
    file.write_bytes(b"nonsense" * 1000)
    assert (await box.ask("workspaces.diff", from_snapshot="torn")).status == 503
    assert (await box.ask("workspaces.restore", name="torn")).status == 503
    assert (await box.call("ann", "conversations.list"))["error"] == "service_unavailable"
    await box.do("workspaces.reset")
    assert await texts(box) == []


async def test_calls_during_resets_are_answered_or_refused_for_the_moment(box: Sandbox) -> None:
    """No call with a valid token is told that the token is wrong, or gets no answer."""
    ended = asyncio.Event()

    async def hammer(name: str) -> set[str]:
        errors = set()
        while not ended.is_set():
            for method, arguments in (("chat.postMessage", {"channel": box.general, "text": "x"}), ("users.list", {})):
                answer = await box.call(name, method, **arguments)
                errors.add("" if answer["ok"] else answer["error"])
        return errors

    tasks = [asyncio.create_task(hammer(name)) for name in ("ann", "ben", "helper")]
    for _ in range(10):
        await box.do("workspaces.reset")
    ended.set()
    assert set().union(*await asyncio.gather(*tasks)) <= {"", "service_unavailable"}


# --- delete, and all at once ---


async def test_a_deleted_workspace_is_gone(farm: Farm, box: Sandbox) -> None:
    socket = await box.connect("ann")
    await farm.do("workspaces.delete", workspace=box.id)

    assert json.loads((await socket.receive()).data)["type"] == "goodbye"
    assert names_in(folder(farm)) == ["lock"]
    assert (await box.call("ann", "auth.test"))["error"] == "invalid_auth"
    assert (await box.ask("position")).status == 401
    assert await farm.refusal("workspaces.delete", workspace=box.id) == "workspace_not_found"


async def test_operations_on_one_workspace_take_turns(farm: Farm) -> None:
    for _ in range(5):
        box = await farm.create()
        steps = ["reset", "snapshot", "restore", "diff", "delete", "reset", "delete", "snapshot"]
        extra: dict[str, dict[str, str]] = {
            "snapshot": {"name": "a"}, "restore": {"name": "a"}, "diff": {"from_snapshot": "seed"}
        }  # fmt: skip
        bodies = [json.dumps({"workspace": box.id} | extra.get(step, {})).encode() for step in steps]
        replies = await asyncio.gather(
            *(farm.ask(f"workspaces.{step}", body) for step, body in zip(steps, bodies, strict=True))
        )
        assert {reply.status for reply in replies} <= {200, 404}
        deleted = [reply.status for step, reply in zip(steps, replies, strict=True) if step == "delete"]
        assert sorted(deleted) == [200, 404]
    assert names_in(folder(farm)) == ["lock"]
    assert await farm.names() == ["Sample"]


# --- restart ---


async def test_a_restart_brings_back_what_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as farm:
        kept, gone = await farm.create(name="kept"), await farm.create(name="gone")
        await farm.create(name="passing", ephemeral=True)
        await kept.say("ann", "before")
        await kept.do("workspaces.snapshot", name="then")
        await farm.do("workspaces.delete", workspace=gone.id)
    assert names_in(tmp_path / "data" / "sandboxes") == sorted([kept.id, "lock"])

    async with opened(tmp_path / "data") as farm:
        assert await farm.names() == ["Sample", "kept"]
        listed = (await farm.do("workspaces.list"))["workspaces"][1]
        kept.farm = farm
        kept.made["api_url"] = farm.server.api_url
        assert listed["control"]["secret"] == kept.made["control"]["secret"]
        assert await texts(kept) == ["before"]
        await kept.say("ann", "after")
        assert [each["text"] for each in (await kept.changes(from_snapshot="then"))["messages"]["posted"]] == ["after"]
        await kept.do("workspaces.reset")
        assert await texts(kept) == []
        assert len(await farm.server.directories()) == 1, "the line of serve --json keeps its form"


async def test_a_start_that_is_cancelled_ends_when_all_sandboxes_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "data") as farm:
        for name in ("one", "two"):
            await farm.create(name=name)
    begun, ended = list[Path](), list[Path]()
    both, may_end = asyncio.Event(), asyncio.Event()

    async def start(served: ServedWorkspace, *_: Any) -> None:
        begun.append(served.data)
        if len(begun) == 2:
            both.set()
        try:
            await asyncio.Event().wait()
        finally:
            if served.data == begun[1]:
                await may_end.wait()
            ended.append(served.data)

    start_any = ServedWorkspace.start

    async def start_or_wait(served: ServedWorkspace, *content: Any) -> None:
        await (start if served.data.parent.name == "sandboxes" else start_any)(served, *content)

    monkeypatch.setattr(ServedWorkspace, "start", start_or_wait)
    starting = asyncio.create_task(Server(Settings(data=tmp_path / "data", port=0)).start())
    await both.wait()
    asyncio.get_running_loop().call_later(0.3, may_end.set)  # longer than the end of a server takes
    await cancel(starting)
    assert sorted(ended) == sorted(begun)


async def test_what_a_killed_server_left_half_made_is_removed_at_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as farm:
        kept = await farm.create(name="kept")
        half = await farm.create(name="half")
    place = tmp_path / "data" / "sandboxes"
    (place / half.id / "sandbox.json").unlink()  # so far a deletion comes, and so far a creation, before a kill
    (place / "T0000000001").mkdir()

    async with opened(tmp_path / "data") as farm:
        assert await farm.names() == ["Sample", "kept"]
        assert names_in(place) == sorted([kept.id, "lock"])


async def test_one_that_cannot_be_opened_is_a_fault_and_the_others_are_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path / "data") as farm:
        torn, kept = await farm.create(name="torn"), await farm.create(name="kept")
    (tmp_path / "data" / "sandboxes" / torn.id / "tautwire.db").write_bytes(b"nonsense" * 1000)

    async with opened(tmp_path / "data") as farm:
        assert await farm.names() == ["Sample", "kept"]
        assert torn.id in farm.server.health.faults["store"]
        kept.farm = farm
        kept.made["api_url"] = farm.server.api_url
        assert (await kept.call("ann", "auth.test"))["ok"]


async def test_a_copy_and_a_damaged_manifest_are_faults_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path / "data") as farm:
        kept, torn = await farm.create(name="kept"), await farm.create(name="torn")
    place = tmp_path / "data" / "sandboxes"
    shutil.copytree(place / kept.id, place / "copy")
    (place / torn.id / "sandbox.json").write_bytes(b"\xff{")

    async with opened(tmp_path / "data") as farm:
        assert await farm.names() == ["Sample", "kept"]
        faults = farm.server.health.faults["store"]
        assert "a copy of another directory" in faults
        assert f"{torn.id}: not served: sandbox.json cannot be read" in faults
    assert names_in(place) == sorted([kept.id, torn.id, "copy", "lock"]), "what may be mended is not removed"


async def test_two_servers_do_not_share_the_folder(tmp_path: Path, farm: Farm, box: Sandbox) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sandboxes").symlink_to(folder(farm), target_is_directory=True)
    with pytest.raises(StoreError, match="another server uses"):
        async with opened(tmp_path / "other"):
            pass


async def test_an_app_exchanges_its_code_while_another_sandbox_is_reset(farm: Farm, box: Sandbox) -> None:
    second = await farm.create(name="second")
    app = await second.do("app.add", name="desk")
    resetting = farm.server.host.get(box.id)
    assert resetting is not None
    await farm.server.host.discard(resetting)  # as far as a reset has got

    wish = {"client_id": app["client_id"], "client_secret": app["client_secret"], "code": "no"}
    assert (await second.call_with("", "oauth.v2.access", **wish))["error"] == "invalid_code"
    unknown = await second.call_with("", "oauth.v2.access", **wish | {"client_id": "1.2"})
    assert unknown["error"] == "service_unavailable", "it may be an app of the one that is reset"
