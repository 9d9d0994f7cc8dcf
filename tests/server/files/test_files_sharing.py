"""Who hears of files and who sees them, in RTM, in lists and as an app; and what becomes of them."""

import asyncio

import pytest

from appside import APP_SEED, AppSide
from scene import PATIENCE, OpenScene, Scene
from tautwire.server.services.files.uploads import Announced
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.files import find_file
from uploader import PNG, fetch, put, reserve, share, store


async def counts(scene: Scene) -> tuple[int, int]:
    """Return the number of files and of pieces that are stored."""

    def count(query: Query) -> tuple[int, int]:
        rows = [query.one(f"SELECT count(*) FROM {table}") for table in ("file", "file_chunk")]
        return rows[0][0], rows[1][0]  # type: ignore[index]

    return await scene.server.workspace.reader.read(count)


async def cleared(scene: Scene, files: int) -> None:
    """Let the server clear away, and see that it keeps ``files`` rows and no bytes."""
    scene.clock.offset += 31
    async with asyncio.timeout(PATIENCE):
        while await counts(scene) != (files, 0):
            await scene.server_swept()


async def test_a_file_in_a_public_channel_is_told_to_its_members(scene: Scene) -> None:
    alice, bob, carol = [await scene.connect(name) for name in ("alice", "bob", "carol")]
    file = await share(scene, "alice", scene.general, initial_comment="look")

    created, public, message, shared = await alice.fence()
    assert (created["type"], created["file_id"], created["file"]) == ("file_created", file["id"], {"id": file["id"]})
    assert await bob.fence() == [public, message, shared]
    assert public["type"] == "file_public"
    assert (message["subtype"], message["text"], message["upload"]) == ("file_share", "look", True)
    assert message["files"][0]["id"] == file["id"]
    assert message["files"][0]["url_private"] == file["url_private"]
    assert (shared["type"], shared["channel_id"], shared["user_id"]) == (
        "file_shared", scene.general, scene.users["alice"],
    )  # fmt: skip
    assert await carol.fence() == []


async def test_a_file_in_a_private_channel_is_for_its_members(scene: Scene) -> None:
    bob, bot = await scene.connect("bob"), await scene.connect("relaybot")
    file = await share(scene, "alice", scene.ops, b"secret")

    assert await bob.fence() == []
    assert await bot.events() == ["file_share", "file_shared"]
    for who, status in (("alice", 200), ("relaybot", 200), ("bob", 403), ("carol", 403), (None, 401)):
        for url in (file["url_private"], file["url_private_download"]):
            assert (await fetch(scene, who, url)).status == status, who
    assert await scene.error("bob", "files.info", file=file["id"]) == "file_not_found"
    assert (await scene.ok("bob", "files.list"))["files"] == []
    assert await scene.error("bob", "files.delete", file=file["id"]) == "file_not_found"


async def test_a_public_channel_shows_its_files_to_people_but_not_to_bots_outside(scene: Scene) -> None:
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    file = await share(scene, "alice", town)

    assert (await fetch(scene, "carol", file["url_private"])).status == 200
    assert (await fetch(scene, "relaybot", file["url_private"])).status == 403
    assert [each["id"] for each in (await scene.ok("carol", "files.list"))["files"]] == [file["id"]]
    assert (await scene.ok("relaybot", "files.list"))["files"] == []


async def test_a_file_that_is_shared_nowhere_is_its_uploaders(scene: Scene) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    file = await store(scene, "alice", b"mine")
    assert await scene.error("bob", "files.completeUploadExternal", files=[{"id": file}]) == "file_not_found"
    (found,) = (await scene.ok("alice", "files.completeUploadExternal", files=[{"id": file}]))["files"]

    assert found["shares"] == {}
    assert (await fetch(scene, "alice", found["url_private"])).body["bytes"] == b"mine"
    assert (await fetch(scene, "bob", found["url_private"])).status == 403
    await scene.ok("alice", "files.delete", file=file)
    assert await alice.events() == ["file_created", "file_deleted"]
    assert await bob.events() == [], "even its end is told to the uploader only"


async def test_a_member_who_leaves_sees_its_files_no_more(scene: Scene) -> None:
    file = await share(scene, "alice", scene.ops)
    await scene.ok("relaybot", "conversations.leave", channel=scene.ops)

    assert (await fetch(scene, "relaybot", file["url_private"])).status == 403


async def test_nothing_is_seen_of_a_file_before_it_is_complete(scene: Scene) -> None:
    reserved = await reserve(scene, "alice", 5)
    url = f"{scene.server.api_url.removesuffix('/api/')}/files-pri/{scene.directory.team['id']}-{reserved['file_id']}/x"
    files = [{"id": reserved["file_id"]}]
    for sends in (False, True):
        if sends:
            assert await put(scene, reserved["upload_url"], b"hello") == 200
        else:
            error = await scene.error("alice", "files.completeUploadExternal", files=files, channel_id=scene.general)
            assert error == "file_not_found"
        assert (await fetch(scene, "alice", url)).status == 403
        assert await scene.error("alice", "files.info", file=reserved["file_id"]) == "file_not_found"
        assert (await scene.ok("alice", "files.list"))["files"] == []
    await scene.ok("alice", "files.completeUploadExternal", files=files, channel_id=scene.general)
    assert (await fetch(scene, "bob", url)).body["bytes"] == b"hello"
    assert await scene.error("alice", "files.completeUploadExternal", files=files) == "file_not_found"


async def test_a_share_that_fails_changes_nothing(scene: Scene) -> None:
    alice = await scene.connect("alice")
    file = await store(scene, "alice", b"hello")

    async def error(**arguments: object) -> str:
        return await scene.error("alice", "files.completeUploadExternal", **{"files": [{"id": file}]} | arguments)

    town = (await scene.ok("carol", "conversations.create", name="town"))["channel"]["id"]
    await alice.fence()
    assert await error(channel_id=town) == "not_in_channel"
    assert await error(channels=f"{scene.general},C0NONE") == "channel_not_found"
    assert await error(channel_id=scene.general, thread_ts="1700000000.000001") == "invalid_thread_ts"
    assert await error(channels=",".join([scene.general] * 21)) == "channels_limit_exceeded"
    assert await error(files=[{"id": file}, {"id": "F0NONE"}]) == "file_not_found"
    assert await error(files=[]) == "invalid_arguments"
    assert await error(files="[1]") == "invalid_arguments"
    assert await alice.fence() == []
    await scene.ok("alice", "files.completeUploadExternal", files=[{"id": file}], channel_id=scene.general)


async def test_a_file_in_a_thread_and_in_two_channels(scene: Scene) -> None:
    ts = await scene.post("bob", scene.general, "question")
    file = await share(scene, "alice", scene.general, PNG, "owl.png", thread_ts=ts)
    replies = (await scene.ok("bob", "conversations.replies", channel=scene.general, ts=ts))["messages"]
    assert replies[1]["files"][0]["original_w"] == 3
    assert (file["mimetype"], file["original_h"]) == ("image/png", 2)

    other = await store(scene, "alice", b"both")
    found = (
        await scene.ok(
            "alice", "files.completeUploadExternal", files=[{"id": other}], channels=f"{scene.general},{scene.ops}"
        )
    )["files"][0]
    assert (found["channels"], found["groups"]) == ([scene.general], [scene.ops])
    seen = (await scene.ok("bob", "files.info", file=other))["file"]
    assert (seen["channels"], seen["groups"]) == ([scene.general], []), "the private channel is not named to others"
    assert set(seen["shares"]) == {"public"}


async def test_files_go_to_people_by_their_id(scene: Scene) -> None:
    bob = await scene.connect("bob")
    file = await share(scene, "alice", scene.users["bob"])

    assert [frame["type"] for frame in await bob.fence()][-2:] == ["message", "file_shared"]
    assert len(file["ims"]) == 1
    assert (await fetch(scene, "bob", file["url_private"])).status == 200


async def test_deleting_a_file_leaves_tombstones_and_no_bytes(scene: Scene) -> None:
    file = await share(scene, "alice", scene.general, b"x" * 600_000, initial_comment="look")
    empty = await share(scene, "alice", scene.general)
    bob = await scene.connect("bob")
    assert await scene.error("bob", "files.delete", file=file["id"]) == "cant_delete_file"
    for each in (file, empty):
        await scene.ok("alice", "files.delete", file=each["id"])

    first, changed, second, deleted = await bob.fence()
    assert (first["type"], second["type"]) == ("file_deleted", "file_deleted")
    assert changed["subtype"] == "message_changed"
    assert changed["message"]["files"] == [{"id": file["id"], "mode": "tombstone"}]
    assert deleted["subtype"] == "message_deleted"
    assert (await fetch(scene, "alice", file["url_private"])).status == 403
    assert await scene.error("alice", "files.info", file=file["id"]) == "file_deleted"
    assert await scene.error("alice", "files.delete", file=file["id"]) == "file_deleted"
    await cleared(scene, 2)
    assert await scene.error("alice", "files.info", file=file["id"]) == "file_deleted"


async def test_the_last_message_takes_its_file_with_it(scene: Scene) -> None:
    file = await store(scene, "alice", b"both")
    channels = f"{scene.general},{scene.ops}"
    await scene.ok("alice", "files.completeUploadExternal", files=[{"id": file}], channels=channels)
    bot = await scene.connect("relaybot")
    for channel, told in ((scene.ops, "file_unshared"), (scene.general, "file_deleted")):
        (message,) = [each for each in await scene.history("alice", channel) if "files" in each]
        await scene.ok("alice", "chat.delete", channel=channel, ts=message["ts"])
        assert told in await bot.events()
    assert await scene.error("alice", "files.info", file=file) == "file_deleted"
    await cleared(scene, 1)


async def test_the_comment_of_a_file_can_be_edited(scene: Scene) -> None:
    file = await share(scene, "alice", scene.general, initial_comment="lok")
    (message,) = [each for each in await scene.history("alice", scene.general) if "files" in each]
    answer = await scene.ok("alice", "chat.update", channel=scene.general, ts=message["ts"], text="look")

    assert (answer["text"], answer["message"]["files"][0]["id"]) == ("look", file["id"])


async def test_a_public_url_needs_no_token_until_it_is_revoked(scene: Scene) -> None:
    file = await share(scene, "alice", scene.ops)
    bot = await scene.connect("relaybot")
    assert await scene.error("bob", "files.sharedPublicURL", file=file["id"]) == "file_not_found"
    found = (await scene.ok("alice", "files.sharedPublicURL", file=file["id"]))["file"]
    url = found["permalink_public"]
    assert (await fetch(scene, None, url)).body["bytes"] == b"hello"
    assert (await fetch(scene, None, url.replace(url.split("-")[-1][:4], "0000"))).status == 403

    after = (await scene.ok("alice", "files.revokePublicURL", file=file["id"]))["file"]
    assert not after["public_url_shared"]
    assert (await fetch(scene, None, url)).status == 403
    again = (await scene.ok("alice", "files.sharedPublicURL", file=file["id"]))["file"]
    assert again["permalink_public"] != url
    assert await bot.events() == ["file_change"] * 3


async def test_an_app_gets_the_events_of_files_in_its_channels(open_scene: OpenScene) -> None:
    seed = APP_SEED.replace(
        "[app_mention, message.channels", "[app_mention, file_shared, file_created, message.channels", 1
    )
    scene = await open_scene(seed=seed)
    desk = AppSide(scene)
    socket = await desk.connect()
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    await share(scene, "alice", town)
    file = await share(scene, "alice", scene.general, initial_comment=f"<@{desk.bot}> look")

    events = await socket.until(lambda event: event["type"] == "file_shared")
    assert [event["type"] for event in events] == ["message", "app_mention", "file_shared"]
    assert events[0]["files"][0]["id"] == file["id"]
    assert events[0]["channel_type"] == "channel"
    assert (events[2]["file_id"], events[2]["channel_id"]) == (file["id"], scene.general)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"user": "alice"}, ["a", "b"]), ({"user": "bob"}, ["c"]), ({"types": "images"}, ["b"]),
        ({"types": "images,zips"}, ["b"]), ({"types": "all"}, ["a", "b", "c"]), ({"types": "spaces"}, []),
        ({"ts_to": "1"}, []), ({"ts_from": "1"}, ["a", "b", "c"]),
    ],
)  # fmt: skip
async def test_the_list_of_files_can_be_narrowed(scene: Scene, arguments: dict[str, str], expected: list[str]) -> None:
    for who, name, data in (("alice", "a", b"a"), ("alice", "b", PNG), ("bob", "c", b"c")):
        await share(scene, who, scene.general, data, name)
    if "user" in arguments:
        arguments = {"user": scene.users[arguments["user"]]}

    found = await scene.ok("alice", "files.list", **arguments)
    assert sorted(file["name"] for file in found["files"]) == expected
    assert found["paging"]["total"] == len(expected)
    assert await scene.error("alice", "files.list", types="songs") == "unknown_type"
    assert await scene.error("alice", "files.list", channel="C0NONE") == "channel_not_found"
    assert await scene.error("alice", "files.list", user="U0NONE") == "user_not_found"
    assert await scene.error("alice", "files.list", page=101) == "over_pagination_limit"


async def test_uploads_that_are_not_completed_are_cleared_away(scene: Scene) -> None:
    for number in range(200):
        await reserve(scene, "alice", 5, f"{number}.txt")
    await store(scene, "bob", b"x" * 300_000)
    assert (await counts(scene))[1] == 2
    scene.clock.offset += 31
    async with asyncio.timeout(PATIENCE):
        while (await counts(scene))[0] != 101:  # those of alice that had to make room
            await scene.server_swept()

    scene.clock.offset += 3_601
    await cleared(scene, 0)


async def test_files_upload_that_is_not_shared_leaves_nothing(scene: Scene) -> None:
    for fields in ({"channels": "C0NONE"}, {"channels": scene.general, "thread_ts": "1700000000.000001"}):
        assert not (await scene.call("alice", "files.upload", content="x" * 300_000, **fields))["ok"]
    await cleared(scene, 0)


async def test_the_secrets_of_urls_are_not_in_a_repr(scene: Scene) -> None:
    file = await share(scene, "alice", scene.general)
    await scene.ok("alice", "files.sharedPublicURL", file=file["id"])
    record = await scene.server.workspace.reader.read(lambda query: find_file(query, file["id"]))
    assert record is not None
    assert record.public
    assert record.public not in repr(record)
    reserved = await scene.server.workspace.files.reserve(scene.users["alice"], Announced("a", 1))
    assert reserved.secret not in repr(reserved)
