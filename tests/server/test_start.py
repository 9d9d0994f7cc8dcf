"""Starting a server: what it finds again, what it refuses and how clearly, and who may read its files."""

import asyncio
import contextlib
import socket
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from scene import PATIENCE, SEED, OpenScene, Scene, TurnedClock, eventually
from tautwire.protocol.errors import ConfigError, TautwireError
from tautwire.server import served
from tautwire.server.app import Server
from tautwire.server.asgi import AsgiServer
from tautwire.server.config import Settings
from tautwire.server.services.seed import SeedError
from tautwire.server.store.engine import StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.tasks import cancel


async def restart(scene: Scene) -> None:
    await scene.server.stop()
    await scene.server.start()


async def started(data: Path, **settings: Any) -> Server:
    """Start a server that is expected not to."""
    server = Server(Settings(data=data, port=0, drain=0, **settings))
    await server.start()
    return server


def seed_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "seed.yaml"
    path.write_text(text)
    return path


# --- what is found again ---


async def test_everything_is_there_after_a_restart(scene: Scene) -> None:
    before = scene.directory
    ts = await scene.post("alice", scene.general, "question")
    await scene.post("bob", scene.general, "answer", thread_ts=ts)
    await scene.ok("bob", "reactions.add", channel=scene.general, timestamp=ts, name="tada")
    await scene.ok("bob", "conversations.mark", channel=scene.general, ts=ts)
    town = (await scene.ok("carol", "conversations.create", name="town"))["channel"]["id"]
    direct = (await scene.ok("carol", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    await scene.ok("relaybot", "conversations.leave", channel=scene.ops)

    async def everything() -> list[Any]:
        return [
            await scene.ok("bob", method, **arguments)
            for method, arguments in (
                ("auth.test", {}),
                ("users.info", {"user": scene.users["alice"]}),
                ("conversations.list", {"types": "public_channel,private_channel,im,mpim"}),
                ("conversations.info", {"channel": scene.general}),
                ("conversations.history", {"channel": scene.general}),
                ("conversations.replies", {"channel": scene.general, "ts": ts}),
                ("conversations.members", {"channel": town}),
                ("conversations.info", {"channel": direct}),
            )
        ]

    seen = [{name: value for name, value in answer.items() if name != "url"} for answer in await everything()]
    await restart(scene)
    after = await scene.server.directory()

    assert (after.team, after.users) == (before.team, before.users)
    assert after.channels == before.channels | {"town": town}
    assert [{n: v for n, v in answer.items() if n != "url"} for answer in await everything()] == seen
    assert await scene.error("relaybot", "conversations.info", channel=scene.ops) == "channel_not_found"
    carol = await scene.connect("carol")
    await scene.ok("bob", "conversations.join", channel=town)
    assert await carol.events() == ["member_joined_channel", "channel_join"]


async def test_timestamps_grow_though_somebody_sets_the_clock_back(scene: Scene) -> None:
    bob = await scene.connect("bob")
    stamps: list[str] = []
    events: list[str] = []
    for _ in range(3):
        stamps.append(await scene.post("alice", scene.general, "x"))
        await scene.ok("alice", "chat.update", channel=scene.general, ts=stamps[-1], text="y")
        await scene.ok("alice", "reactions.add", channel=scene.general, timestamp=stamps[-1], name="tada")
        frames = await bob.fence()
        stamps.append(frames[1]["ts"])
        events += [frame["event_ts"] for frame in frames[1:]]
        await restart(scene)
        scene.clock.step -= 3_600
        bob = await scene.connect("bob")
    assert stamps == sorted(set(stamps))
    assert events == sorted(set(events))


async def test_a_clock_beyond_what_timestamps_can_hold_is_named_and_can_be_set_right(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten digits of seconds end in the year 2286."""
    alice = await scene.connect("alice")
    first = await scene.post("alice", scene.general, "before")
    scene.clock.step = 9e9
    assert await scene.error("alice", "chat.postMessage", channel=scene.general, text="x") == "service_unavailable"
    assert (await alice.say(scene.general, "x"))["error"]["code"] == 4
    await scene.ok("alice", "rtm.start")
    assert any("set the clock" in reason for reason in scene.server.health.faults.values())
    assert "set the clock" in caplog.text
    caplog.clear()

    scene.clock.step = 0
    assert await scene.post("alice", scene.general, "after") > first
    assert scene.server.health.is_ready


async def test_a_seed_adds_what_is_missing_and_leaves_the_rest(open_scene: OpenScene, tmp_path: Path) -> None:
    scene = await open_scene()
    await scene.server.stop()
    more = SEED.replace("  - {name: carol}\n", "  - {name: carol}\n  - {name: dave}\n") + "  - {name: new}\n"
    again = await open_scene(seed=more)

    assert {name: again.tokens[name] for name in scene.tokens} == scene.tokens
    assert again.directory.channels | scene.directory.channels == again.directory.channels
    members = (await again.ok("dave", "conversations.members", channel=again.directory.channels["new"]))["members"]
    assert len(members) == 5


async def test_without_a_seed_there_is_a_sample(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=None)
    assert {"alice", "bob", "relaybot"} <= set(scene.users)
    assert scene.tokens["relaybot"].startswith("xoxb-")
    assert scene.tokens["alice"].startswith("xoxp-")
    await scene.post("alice", "general", "hi")


# --- what is kept secret ---


@pytest.mark.only_on("sqlite")
async def test_the_files_are_for_their_owner_alone_and_hold_no_token(scene: Scene) -> None:
    await scene.connect("alice")
    await scene.post("alice", scene.general, "x")
    directory = scene.server.settings.data
    files = {path.name: path for path in directory.iterdir()}

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {"tautwire.db", "tokens.json", "lock"} <= set(files)
    for path in files.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    for name, token in scene.tokens.items():
        assert token.encode() in files["tokens.json"].read_bytes(), name
        for path in files.values():
            if path.name != "tokens.json" and not path.is_socket():
                data = path.read_bytes()
                assert token.encode() not in data
                assert token.rpartition("-")[2].encode() not in data


async def test_files_that_were_readable_by_others_are_not_any_more(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await (await started(data)).stop()
    for name in ("tokens.json", "tautwire.db"):
        (data / name).chmod(0o644)
    async with Server(Settings(data=data, port=0, drain=0, seed=seed_file(tmp_path, SEED))):
        assert stat.S_IMODE((data / "tokens.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((data / "tautwire.db").stat().st_mode) == 0o600


async def test_the_sample_workspace_is_not_served_to_the_world(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(ConfigError, match="sample") as refused:
            await started(tmp_path / "data", host=host)
        assert host in str(refused.value)
        assert "--seed" in str(refused.value)


async def test_a_seeded_workspace_may_be_served_to_the_world(tmp_path: Path) -> None:
    server = await started(tmp_path / "data", host="0.0.0.0", seed=seed_file(tmp_path, SEED))
    await server.stop()


async def test_a_sample_that_was_seeded_later_is_still_a_sample(tmp_path: Path) -> None:
    await (await started(tmp_path / "data")).stop()
    with pytest.raises(ConfigError, match="sample"):
        await started(tmp_path / "data", host="0.0.0.0", seed=seed_file(tmp_path, SEED))


# --- what is refused ---


@pytest.mark.only_on("sqlite")
async def test_two_servers_do_not_share_a_directory(scene: Scene) -> None:
    with pytest.raises(StoreError, match="another server"):
        await started(scene.server.settings.data)
    await scene.ok("alice", "auth.test")
    await scene.server.stop()
    await (await started(scene.server.settings.data)).stop()


async def test_a_port_that_is_taken(scene: Scene, tmp_path: Path) -> None:
    server = Server(Settings(data=tmp_path / "other", port=scene.server.port))
    with pytest.raises(ConfigError, match="--port"):
        await server.start()
    await (await started(tmp_path / "other")).stop()


async def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
        await started(tmp_path / "data", host="192.0.2.1", seed=seed_file(tmp_path, SEED))


async def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    await (await started(tmp_path / "data")).stop()
    with sqlite3.connect(tmp_path / "data" / "tautwire.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="99"):
        await started(tmp_path / "data")


@pytest.mark.parametrize("name", ["tautwire.db", "tokens.json"])
async def test_a_file_that_is_something_else(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_text("this is not what you are looking for, it is something else" * 100)
    with pytest.raises(TautwireError, match=name):
        await started(data)


async def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(StoreError, match="data"):
        await started(tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("users: [", "flow node"),
        ("", "object"),
        ("- 1", "object"),
        ("users: alice", "users"),
        ("users: [{name: alice, nickname: al}]", "nickname"),
        ("users: [{real_name: Alice}]", "name"),
        ("users: [{name: alice smith}]", r"users\[0\]\.name"),
        ("users: [{name: alice}, {name: alice}]", "alice"),
        ("users: [{name: alice}]\nbots: [{name: alice}]", "alice"),
        ("users: [{name: slackbot}]", "slackbot"),
        ("users: [{name: alice}]\nchannels: [{name: town, members: [bob]}]", "bob"),
        ("channels: [{name: Town}]", "Town"),
        ("channels: [{name: a.b}]", r"a\.b"),
        ("channels: [{name: town}, {name: town}]", "town"),
        ("channels: [{name: town, private: perhaps}]", "private"),
        ("team: {name: Acme, domain: 'not a domain'}", "domain"),
        ("teams: {name: Acme}", "teams"),
    ],
)
async def test_a_seed_that_is_wrong_says_where(tmp_path: Path, text: str, words: str) -> None:
    path = seed_file(tmp_path, text)
    with pytest.raises(SeedError, match=words) as refused:
        await started(tmp_path / "data", seed=path)
    assert str(path) in str(refused.value)
    assert not (tmp_path / "data" / "tautwire.db").exists(), "nothing is made before the seed is right"


async def test_a_member_given_twice_is_a_member_once(open_scene: OpenScene) -> None:
    scene = await open_scene(seed="users: [{name: alice}]\nchannels: [{name: general, members: [alice, alice]}]")
    assert (await scene.ok("alice", "conversations.members", channel=scene.general))["members"] == [
        scene.users["alice"]
    ]


async def test_a_seed_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match=r"nothing\.yaml"):
        await started(tmp_path / "data", seed=tmp_path / "nothing.yaml")


async def test_a_server_that_could_not_start_leaves_nothing_behind(tmp_path: Path, clock: TurnedClock) -> None:
    """Neither the lock, nor the port, nor a thread."""
    server = Server(Settings(data=tmp_path / "data", port=0, host="0.0.0.0"), clock=clock)
    for _ in range(3):
        with pytest.raises(ConfigError):
            await server.start()
    with pytest.raises(ConfigError, match="not running"):
        _ = server.port
    await server.stop()
    await (await started(tmp_path / "data")).stop()


async def test_a_start_that_is_cancelled_while_the_database_is_opened_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_open = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def open_late(*arguments: Any) -> Any:
        loop.call_soon_threadsafe(begun.set)
        may_open.wait(PATIENCE)
        return open_engine(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(served, "open_engine", open_late)
        starting = asyncio.create_task(started(tmp_path / "data"))
        await begun.wait()
        await cancel(starting)
    may_open.set()

    async def again() -> Server:
        while True:
            try:
                return await started(tmp_path / "data")
            except StoreError:  # until the thread has opened it, and it is closed
                await asyncio.sleep(0.01)

    async with asyncio.timeout(PATIENCE):
        server = await again()
    await server.stop()


@pytest.mark.parametrize("which", [0, 1])
async def test_a_start_that_is_cancelled_while_it_begins_to_listen_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """The first to listen is the control API on its socket, the second the public server."""
    tasks, listening = asyncio.all_tasks(), list[socket.socket]()
    start = AsgiServer.start

    async def start_and_cancel(server: AsgiServer, listener: socket.socket) -> None:
        listening.append(listener)
        if len(listening) == which + 1:
            asyncio.get_running_loop().call_soon(starting.cancel)
        await start(server, listener)

    monkeypatch.setattr(AsgiServer, "start", start_and_cancel)
    starting = asyncio.create_task(started(tmp_path / "data"))
    await asyncio.wait({starting})
    assert starting.cancelled()
    assert len(listening) == which + 1
    await eventually(lambda: asyncio.all_tasks() == tasks)
    assert {each.fileno() for each in listening} == {-1}
    assert not [each for each in (tmp_path / "data").iterdir() if each.is_socket()]


# --- what is missing, and what others could do ---


@pytest.mark.parametrize("loss", ["missing", "empty"])
async def test_a_lost_database_beside_its_tokens_is_no_new_workspace(tmp_path: Path, loss: str) -> None:
    data = tmp_path / "data"
    await (await started(data)).stop()
    tokens = (data / "tokens.json").read_text()
    for path in data.glob("tautwire.db*"):
        path.unlink()
    if loss == "empty":
        (data / "tautwire.db").touch()

    with pytest.raises(ConfigError, match=r"missing or empty.*--new"):
        await started(data)

    assert (data / "tokens.json").read_text() == tokens


async def test_a_new_workspace_that_is_asked_for_keeps_the_old_tokens_aside(tmp_path: Path) -> None:
    data = tmp_path / "data"
    kept = []
    for _ in range(3):
        server = await started(data, new=True)
        await server.stop()
        kept.append((data / "tokens.json").read_text())
        for path in data.glob("tautwire.db*"):
            path.unlink()
    await (await started(data, new=True)).stop()

    assert [(data / f"tokens.{number}.json").read_text() for number in (1, 2, 3)] == kept
    assert (data / "tokens.json").read_text() not in kept


async def test_a_second_server_is_refused_though_the_lock_file_was_deleted(tmp_path: Path) -> None:
    server = await started(tmp_path / "data")
    (tmp_path / "data" / "lock").unlink()

    with pytest.raises(StoreError, match="another server"):
        await started(tmp_path / "data")

    await server.stop()


async def test_a_directory_that_others_can_read_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    await (await started(tmp_path / "data")).stop()
    assert "chmod 700" in caplog.text

    caplog.clear()
    await (await started(tmp_path / "private")).stop()
    assert "chmod" not in caplog.text


@pytest.mark.parametrize("name", ["tokens.new", "lock"])
async def test_a_link_in_the_place_of_a_file_is_not_written_through(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (data / name).symlink_to(victim)

    try:
        await (await started(data)).stop()
    except StoreError:
        assert name == "lock"

    assert victim.read_text() == "precious"


async def test_a_database_that_is_damaged_after_a_crash_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    await (await started(data)).stop()
    database = data / "tautwire.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'message'").fetchone()
    content = bytearray(database.read_bytes())
    content[(page - 1) * 4096 : (page - 1) * 4096 + 64] = b"\xff" * 64
    database.write_bytes(content)
    (data / "tautwire.db-wal").write_bytes(b"what a crash left")

    with pytest.raises(StoreError, match="damaged"):
        await started(data)

    assert "not stopped cleanly" in caplog.text


async def test_tokens_that_cannot_be_stored_are_said_to_be_so_and_nobody_is_made(tmp_path: Path) -> None:
    (tmp_path / "tokens.new").mkdir()
    server = Server(Settings(data=tmp_path, port=0))
    with pytest.raises(ConfigError, match=r"tokens cannot be written to .*tokens\.json"):
        await server.start()
    (tmp_path / "tokens.new").rmdir()
    async with server:
        assert (await server.directory()).users["alice"]["token"]
