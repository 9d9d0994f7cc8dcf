"""The bytes on their way in and out, and what strangers try."""

import asyncio
import io
import json
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from stores import sqlite_of

from scene import PATIENCE, OpenScene, Scene, eventually
from tautwire.server import incoming
from tautwire.server.services.files import intake, uploads
from uploader import fetch, put, reserve, share, store

CHUNK = intake.CHUNK


async def complete(scene: Scene, who: str, file: str) -> str:
    """Complete a file; return the error, or nothing."""
    answer = await scene.call(who, "files.completeUploadExternal", files=[{"id": file}], channel_id=scene.general)
    return str(answer.get("error", ""))


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
async def test_all_sizes_around_a_piece_come_back_whole(scene: Scene, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    file = await share(scene, "alice", scene.general, data)

    answer = await fetch(scene, "bob", file["url_private"])
    assert answer.body["bytes"] == data
    assert int(answer.headers["Content-Length"]) == size == file["size"]


@pytest.mark.parametrize("sent", [b"", b"hell", b"hello!", b"x" * 2_000_000])
async def test_a_file_of_another_size_than_announced_is_refused(scene: Scene, sent: bytes) -> None:
    reserved = await reserve(scene, "alice", 5)

    assert await put(scene, reserved["upload_url"], sent) == 400
    assert await complete(scene, "alice", reserved["file_id"]) == "file_not_found"
    assert await put(scene, reserved["upload_url"], b"hello") == 404, "it is used"


async def test_an_upload_url_is_for_one_file_once_and_for_an_hour(scene: Scene) -> None:
    one, two, late = [await reserve(scene, "alice", 5) for _ in range(3)]
    secret = one["upload_url"].rpartition(one["file_id"])[2]
    swapped = two["upload_url"].rpartition(two["file_id"])[0] + two["file_id"] + secret
    assert await put(scene, swapped, b"hello") == 404
    assert await put(scene, one["upload_url"][:-1], b"hello") == 404
    assert await put(scene, one["upload_url"], b"hello") == 200
    assert await put(scene, one["upload_url"], b"other") == 404
    assert await complete(scene, "bob", one["file_id"]) == "file_not_found", "only the uploader completes it"
    assert await complete(scene, "alice", one["file_id"]) == ""
    scene.clock.offset += uploads.LIFETIME
    await scene.server_swept()  # it closes the idle connections of the client
    assert await put(scene, late["upload_url"], b"hello") == 404


async def test_two_uploads_to_one_url_at_a_time_make_one_file(scene: Scene) -> None:
    reserved = await reserve(scene, "alice", 600_000)
    statuses = await asyncio.gather(
        *(put(scene, reserved["upload_url"], letter * 600_000) for letter in (b"a", b"b", b"c"))
    )

    assert sorted(statuses) == [200, 404, 404]
    file = (await scene.ok("alice", "files.completeUploadExternal", files=[{"id": reserved["file_id"]}]))["files"][0]
    assert len(set((await fetch(scene, "alice", file["url_private"])).body["bytes"])) == 1


def form_of(*parts: tuple[str, str | None, bytes], end: bytes = b"--xx--\r\n") -> dict[str, object]:
    """Return a multipart request with these parts: name, file name, content."""
    body = b""
    for name, filename, content in parts:
        named = f'; filename="{filename}"' if filename is not None else ""
        body += f'--xx\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"
    return {"data": body + end, "headers": {"Content-Type": "multipart/form-data; boundary=xx"}}


@pytest.mark.parametrize(
    "request_",
    [
        {"data": b"hello", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},  # Python, Ruby
        {"data": b"hello", "headers": {"Content-Type": ""}},  # Java
        form_of(("body", "Untitled", b"hello")),  # Node
        form_of(("file", "notes.txt", b"hello"), end=b"--xx--\r\n--xx--\r\n"),  # Go
        form_of(("comment", None, b"field"), ("file", "a", b"hello"), ("more", "b", b"ignored")),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_the_bytes_come_raw_or_as_multipart(scene: Scene, request_: dict[str, object], is_chunked: bool) -> None:
    async def pieces(data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), 7):
            yield data[start : start + 7]

    reserved = await reserve(scene, "alice", 5)
    data = request_["data"]
    assert isinstance(data, bytes)
    request_ = request_ | {"data": pieces(data)} if is_chunked else request_
    async with scene.http.post(reserved["upload_url"], **request_) as response:  # type: ignore[arg-type]
        assert (response.status, await response.text()) == (200, "OK - 5")
    (file,) = (await scene.ok("alice", "files.completeUploadExternal", files=[{"id": reserved["file_id"]}]))["files"]
    assert (await fetch(scene, "alice", file["url_private"])).body["bytes"] == b"hello"
    assert file["name"] == "notes.txt", "the name is that of the first step"


@pytest.mark.parametrize(
    "request_",
    [
        form_of(("file", "a", b"hello"), end=b""),
        form_of(("file", None, b"hello")),
        {"data": b"hello", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": b"hello", "headers": {"Content-Type": f"multipart/form-data; boundary={'x' * 1_000}"}},
        {"data": b"nothing of it", "headers": {"Content-Type": "multipart/form-data; boundary=xx"}},
        form_of(*[("a", "b", b"")] * 300),
    ],
)
async def test_broken_multipart_is_refused(scene: Scene, request_: dict[str, object]) -> None:
    reserved = await reserve(scene, "alice", 5)
    async with scene.http.post(reserved["upload_url"], **request_) as response:  # type: ignore[arg-type]
        assert response.status == 400
    assert await complete(scene, "alice", reserved["file_id"]) == "file_not_found"


async def test_an_upload_that_breaks_off_leaves_nothing(scene: Scene) -> None:
    reserved = await reserve(scene, "alice", 10 * CHUNK)
    parts = urlsplit(reserved["upload_url"])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {10 * CHUNK}\r\n\r\n"
    writer.write(head.encode() + b"x" * (3 * CHUNK))
    await writer.drain()
    files = scene.server.workspace.files
    await eventually(lambda: files.arriving == 1)
    writer.close()
    await writer.wait_closed()
    del reader
    await eventually(lambda: files.arriving == 0)

    assert await complete(scene, "alice", reserved["file_id"]) == "file_not_found"
    assert await put(scene, reserved["upload_url"], b"x" * 10 * CHUNK) == 404


async def test_an_upload_that_is_too_slow_is_ended(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "SILENCE", 0.05)
    reserved = await reserve(scene, "alice", 5)

    async def slow() -> AsyncIterator[bytes]:
        yield b"he"
        await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(put(scene, reserved["upload_url"], slow()))
    await eventually(lambda: scene.server.workspace.files.arriving == 1 or task.done())
    await eventually(lambda: scene.server.workspace.files.arriving == 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await complete(scene, "alice", reserved["file_id"]) == "file_not_found"


async def test_only_so_many_files_arrive_at_a_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_ARRIVING", 0)
    reserved = await reserve(scene, "alice", 5)

    assert await put(scene, reserved["upload_url"], b"hello") == 503
    monkeypatch.undo()
    assert await put(scene, reserved["upload_url"], b"hello") == 200, "the URL was not used up"


async def test_the_limits_of_a_file_and_of_all_files(open_scene: OpenScene) -> None:
    scene = await open_scene(file_limit=10_000, files_limit=25_000)

    async def error(length: int, **arguments: str) -> str:
        return await scene.error("alice", "files.getUploadURLExternal", filename="x", length=length, **arguments)

    assert await error(10_001) == "file_upload_size_restricted"
    assert await error(0) == "missing_argument"
    assert await error(-5) == "missing_argument"
    assert await error(5, alt_txt="x" * 1_001) == "alt_txt_too_large"
    waiting = [await reserve(scene, "alice", 10_000) for _ in range(4)]
    statuses = [await put(scene, each["upload_url"], b"x" * 10_000) for each in waiting]
    assert statuses == [200, 200, 507, 507], "what is announced does not count before it comes"
    assert await error(5_001) == "storage_limit_reached"
    await store(scene, "bob", b"x" * 5_000)


@pytest.mark.parametrize("size", [10_500, 100_000])
async def test_files_upload_keeps_the_limit_of_a_file(open_scene: OpenScene, size: int) -> None:
    scene = await open_scene(file_limit=10_000)
    form = aiohttp.FormData()
    form.add_field("file", b"x" * size, filename="x")

    answer = await scene.request("POST", "files.upload", data=form, headers=scene.bearer("alice"))
    assert answer.body["error"] == "file_upload_size_restricted"


async def test_a_nearly_full_disk_takes_messages_but_no_files(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = await reserve(scene, "alice", 2 * CHUNK)
    monkeypatch.setattr(intake, "FREE", 2**60)
    files = scene.server.workspace.files
    monkeypatch.setattr(files, "_disk", scene.server.settings.data)

    assert await put(scene, reserved["upload_url"], b"x" * 2 * CHUNK) == 507
    assert await scene.error("alice", "files.getUploadURLExternal", filename="x", length=5) == "storage_limit_reached"
    await scene.post("alice", scene.general, "still here")


@pytest.mark.parametrize(
    ("given", "name", "in_url"),
    [
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\Windows\\cmd.exe", "cmd.exe", "cmd.exe"),
        ("a\0b\r\nSet-Cookie: x.txt", "abSet-Cookie: x.txt", "abset-cookie_x.txt"),
        ("x" * 1_000 + ".txt", "x" * 251 + ".txt", "x" * 96 + ".txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe", "invoicefdp.exe"),
        ("..", "file", "file"),
        ("/", "file", "file"),
        ('Quote"s; filename=evil.html', 'Quote"s; filename=evil.html', "quote_s_filename_evil.html"),
        ("Füße 😀.png", "Füße 😀.png", "f_e_.png"),
    ],
)
async def test_names_do_no_harm(scene: Scene, given: str, name: str, in_url: str) -> None:
    file = await share(scene, "alice", scene.general, name=given)

    assert file["name"] == name
    assert file["url_private"].rpartition("/")[2] == in_url
    answer = await fetch(scene, "bob", file["url_private_download"])
    assert answer.body["bytes"] == b"hello"
    kind, plain, full = answer.headers["Content-Disposition"].split('"')
    assert kind == "attachment; filename="
    assert '"' not in plain
    assert ";" not in full[2:]


@pytest.mark.parametrize(
    ("name", "data", "media_type", "kind"),
    [
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "image/svg+xml", "attachment"),
        ("a.html", b"<script>1</script>", "text/html; charset=utf-8", "attachment"),
        ("a.js", b"1", "text/javascript; charset=utf-8", "attachment"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "image/png", "inline"),
        ("page.html", b"GIF89a<script>", "image/gif", "inline"),
        ("a", b"plain", "text/plain; charset=utf-8", "inline"),
        ("a", b"\0\1", "application/octet-stream", "attachment"),
    ],
)
async def test_a_browser_runs_nothing_of_a_file(
    scene: Scene, name: str, data: bytes, media_type: str, kind: str
) -> None:
    file = await share(scene, "alice", scene.general, data, name)

    headers = (await fetch(scene, "bob", file["url_private"])).headers
    assert headers["Content-Type"] == media_type
    assert headers["Content-Disposition"].partition(";")[0] == kind
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=10-", 206, 10, -1),
        ("bytes=-5", 206, -5, -1),
        (f"bytes={CHUNK - 2}-{CHUNK + 1}", 206, CHUNK - 2, CHUNK + 1),
        ("bytes=5-999999999999", 206, 5, -1),
        ("bytes=-999999999999", 206, 0, -1),
        ("bytes=9-3", 200, 0, -1),
        ("bytes=0-1,5-6", 200, 0, -1),
        ("bytes=-", 200, 0, -1),
        ("lines=1-2", 200, 0, -1),
        ("bytes=" + "9" * 5_000 + "-", 200, 0, -1),
        ("bytes=99999999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
    ],
)
async def test_a_part_of_a_file_is_sent(scene: Scene, wanted: str, status: int, first: int, last: int) -> None:
    data = bytes(number % 251 for number in range(2 * CHUNK + 77))
    file = await share(scene, "alice", scene.general, data)

    answer = await fetch(scene, "bob", file["url_private"], Range=wanted)
    assert answer.status == status
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(data)}"
        return
    first, last = first % len(data), last % len(data)
    assert answer.body["bytes"] == data[first : last + 1]
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    other = await fetch(scene, "bob", file["url_private"], Range=wanted, **{"If-Range": '"another"'})
    assert (other.status, other.body["bytes"]) == (200, data)


async def test_head_has_the_headers_and_no_bytes(scene: Scene) -> None:
    file = await share(scene, "alice", scene.general)

    answer = await fetch(scene, "bob", file["url_private"], "HEAD")
    assert (answer.status, answer.headers["Content-Length"], answer.body["bytes"]) == (200, "5", b"")
    assert (await fetch(scene, "bob", file["url_private"], "POST")).status == 405


async def test_only_a_token_that_may_read_files_opens_one(open_scene: OpenScene) -> None:
    scene = await open_scene(enforce_scopes=True)
    url = f"{scene.server.api_url.removesuffix('/api/')}/files-pri/{scene.directory.team['id']}-F0NONE/x"
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer xoxb-wrong"}, 401),
        ({"Authorization": f"Basic {scene.tokens['alice']}"}, 401),
        (scene.bearer("alice"), 403),
    ):
        assert (await fetch(scene, None, url, **headers)).status == status
        assert (await fetch(scene, None, f"{url}?t={scene.tokens['alice']}")).status == 401
    for path in ("/files-pri/", "/files-pri/T-F", "/files-pub/x", "/files-upload/", "/files-pri/..%2f..%2fetc/passwd"):
        base = scene.server.api_url.removesuffix("/api/")
        assert (await fetch(scene, "alice", base + path)).status in (403, 405)


async def test_the_token_may_come_behind_the_file(scene: Scene) -> None:
    """@slack/client 3 sends it so. Source: wire/files.md#upload-in-three-steps."""
    for order in (("token", "file"), ("file", "token")):
        form = aiohttp.FormData()
        for name in order:
            if name == "file":
                form.add_field("file", b"hello", filename="notes.txt")
            else:
                form.add_field("token", scene.tokens["alice"])
        form.add_field("channels", "general")
        answer = await scene.request("POST", "files.upload", data=form)
        assert answer.body["ok"], answer.body
        assert answer.body["file"]["channels"] == [scene.general]
        assert scene.tokens["alice"] not in json.dumps(answer.body)


async def test_a_stranger_stores_nothing(scene: Scene) -> None:
    for token in (None, "xoxb-wrong"):
        for size, error in ((10, "invalid_auth" if token else "not_authed"), (2_000_000, "request_too_large")):
            form = aiohttp.FormData()
            form.add_field("file", io.BytesIO(b"x" * size), filename="x")
            if token:
                form.add_field("token", token)
            answer = await scene.request("POST", "files.upload", data=form)
            assert answer.body["error"] == error
    assert scene.server.workspace.files.arriving == 0
    assert (await scene.ok("alice", "files.list"))["files"] == []


async def test_a_stranger_cannot_keep_a_body_open(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever length is announced: what comes slowly is given the time of any body."""
    monkeypatch.setattr(incoming, "GRACE", 0.2)
    monkeypatch.setattr(incoming, "SLOWEST", 2**40)
    parts = urlsplit(scene.server.api_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = "POST /api/files.upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=xx\r\n"
    writer.write(f"{head}Content-Length: {2**50}\r\n\r\n--xx\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
    writer.close()

    assert b"request_timeout" in answer


@pytest.mark.parametrize("fields", [{}, {"content": ""}, {"title": "no file"}])
async def test_an_upload_without_data_is_refused(scene: Scene, fields: dict[str, str]) -> None:
    assert await scene.error("alice", "files.upload", **fields) == "no_file_data"


async def test_posts_are_acked_while_a_file_arrives(scene: Scene) -> None:
    """And a file that is downloaded slowly holds nothing up either."""
    size = 40 * CHUNK
    reserved = await reserve(scene, "alice", size)
    gate = asyncio.Event()

    async def halves() -> AsyncIterator[bytes]:
        yield b"x" * (size // 2)
        await gate.wait()
        yield b"x" * (size // 2)

    upload = asyncio.create_task(put(scene, reserved["upload_url"], halves()))
    await eventually(lambda: scene.server.workspace.files.arriving == 1)
    for number in range(20):
        await scene.post("bob", scene.general, f"{number}")
    gate.set()
    assert await asyncio.wait_for(upload, PATIENCE) == 200


@pytest.mark.only_on("sqlite")
async def test_a_disk_that_fills_up_during_an_upload_costs_the_file_alone(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    reserved = await reserve(scene, "alice", 4 * CHUNK)
    connection = sqlite_of(scene.server.workspace.writer)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2 * CHUNK // 4_096}")

    assert await put(scene, reserved["upload_url"], b"x" * 4 * CHUNK) == 507
    assert await complete(scene, "alice", reserved["file_id"]) == "file_not_found"
    await scene.post("bob", scene.general, "still here")
    assert "could not be stored" in caplog.text
    caplog.clear()


async def test_the_room_of_the_disk_is_asked_for_beside_the_loop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A disk that hangs must hold up no other caller."""
    asked = list[int]()
    usage = shutil.disk_usage

    def observed(path: Path) -> object:
        asked.append(threading.get_ident())
        return usage(path)

    monkeypatch.setattr(intake.shutil, "disk_usage", observed)
    monkeypatch.setattr(scene.server.workspace.files, "_disk", tmp_path)
    await share(scene, "alice", scene.general, b"x" * (2 * CHUNK))
    assert len(asked) == 3
    assert threading.get_ident() not in asked
