"""files.upload through the gateway: three calls of today at the upstream, the old answer for the bot."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk import WebClient

from crooked import refused
from stage import OpenStage, Stage
from tautwire.gateway.proxy import uploads
from tautwire.gateway.upstream import api, pace
from uploading import PICTURE, download, upload


@pytest.mark.parametrize("token_first", [None, True, False])
async def test_a_file_is_uploaded_as_it_was(open_stage: OpenStage, token_first: bool | None) -> None:
    stage = await open_stage(upstream={"body_limit": 2**22}, server={"body_limit": 2**22})
    answer = await upload(
        stage, token_first=token_first, channels="general", initial_comment="look at this", title="A title"
    )
    assert answer["ok"], answer
    file = answer["file"]
    assert (file["name"], file["title"], file["size"]) == ("a picture.png", "A title", len(PICTURE))
    assert file["channels"] == [stage.general]
    (message,) = await stage.upstream.history("alice", stage.general, limit=1)
    assert (message["text"], message["files"][0]["id"]) == ("look at this", file["id"])
    assert await download(stage, file["url_private"]) == (200, PICTURE)
    methods = [method for method, _ in stage.line.calls]
    assert "files.upload" not in methods
    assert {"files.getUploadURLExternal", "files.completeUploadExternal"} <= set(methods)
    assert not list((stage.data / "uploads").iterdir())


async def test_the_token_of_the_app_does_not_go_with_the_bytes(stage: Stage) -> None:
    stage.line.tokens.clear()
    seen: list[tuple[str, str]] = []
    stage.line.sees = lambda request, _: seen.append((request.path, request.headers.get("Authorization", "")))
    assert (await upload(stage))["ok"]
    (sent,) = [token for path, token in seen if path.startswith("/files-upload/")]
    assert sent == ""


async def test_a_text_becomes_a_snippet(stage: Stage) -> None:
    answer = await stage.ok(
        "files.upload", content="print(1)\n", filename="one.py", filetype="python", channels=stage.general
    )
    assert (answer["file"]["mode"], answer["file"]["filetype"]) == ("snippet", "python")
    plain = await stage.ok("files.upload", content="just ünicode", channels=f"#general,{stage.ops}", title="Words")
    file = plain["file"]
    assert (file["mode"], file["title"], file["size"]) == ("snippet", "Words", len("just ünicode".encode()))
    assert len(file["shares"]["public"]) + len(file["shares"]["private"]) == 2


async def test_a_file_goes_into_a_thread(stage: Stage) -> None:
    ts = await stage.post("alice", stage.general, "the plan?")
    assert (await upload(stage, channels=stage.general, thread_ts=ts))["ok"]
    replies = await stage.upstream.ok("alice", "conversations.replies", channel=stage.general, ts=ts)
    assert replies["messages"][-1]["files"][0]["name"] == "a picture.png"


async def test_a_file_without_a_channel_is_private(stage: Stage) -> None:
    file = (await upload(stage))["file"]
    assert (file["channels"], file.get("shares", {})) == ([], {})


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "no_file_data"),
        ({"content": "x", "channels": "nowhere"}, "channel_not_found"),
        ({"content": "x" * 1_001}, "post_contents_too_large"),
        ({"content": "x", "channels": "lounge"}, "not_in_channel"),
    ],
)
async def test_a_bad_upload_is_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], error: str
) -> None:
    monkeypatch.setattr(uploads, "MAX_CONTENT", 1_000)
    assert (await stage.request("files.upload", **given))["error"] == error


async def test_a_file_that_is_too_large_is_refused(open_stage: OpenStage) -> None:
    stage = await open_stage(server={"file_limit": 1_024})
    for data in (b"x" * 1_025, b"x" * 200_000):
        assert (await upload(stage, data=data))["error"] == "file_upload_size_restricted"
    assert stage.line.count("files.getUploadURLExternal") == 0
    assert not list((stage.data / "uploads").iterdir())
    assert (await upload(stage, data=b"x" * 1_024))["ok"]


async def test_all_files_that_wait_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.proxy.spool.MAX_SPOOLED", 100_000)
    assert (await upload(stage))["error"] == "service_unavailable"
    assert (await upload(stage, data=b"x" * 50_000))["ok"]
    assert stage.gateway.relay.spool.size == 0


async def test_a_file_that_the_upstream_does_not_take_is_an_error(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(method: str, _: dict[str, str]) -> web.Response | None:
        return web.Response(status=507) if method.startswith("/files-upload/") else None

    stage.line.before = full
    assert (await upload(stage))["error"] == "storage_limit_reached"

    async def elsewhere(method: str, _: dict[str, str]) -> web.Response | None:
        if method != "files.getUploadURLExternal":
            return None
        return web.json_response({"ok": True, "upload_url": "https://files.example.test/x", "file_id": "F1"})

    stage.line.before = elsewhere
    assert (await upload(stage))["error"] == "service_unavailable"


def taking(piece: int, pause: float) -> Callable[[web.Request], Awaitable[bytes]]:
    """Return what reads the bytes of a file in pieces, with a pause behind each."""

    async def take(request: web.Request) -> bytes:
        if not request.path.startswith("/files-upload/"):
            return await request.read()
        found = bytearray()
        while data := await request.content.read(piece):
            found += data
            await asyncio.sleep(pause)
        return bytes(found)

    return take


async def test_a_file_may_take_longer_than_an_answer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LONG", aiohttp.ClientTimeout(sock_read=0.2))
    stage.line.takes = taking(100_000, 0.1)
    assert (await upload(stage, data=b"x" * 1_000_000))["file"]["size"] == 1_000_000


async def test_an_upstream_that_takes_a_file_too_slowly_keeps_no_place(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "PATIENCE", 0.2)
    monkeypatch.setattr(pace, "RATE", 100_000_000)
    stage.line.takes = taking(1, 0.01)
    assert (await upload(stage, data=b"x" * 1_000_000))["error"] == "service_unavailable"
    assert stage.gateway.relay.spool.size == 0


async def test_a_file_that_is_shared_late_is_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack answers before the file is shared; the old method answered after it."""
    monkeypatch.setattr(uploads, "PAUSE", 0.01)

    async def early(method: str, _: dict[str, str]) -> web.Response | None:
        if method == "files.completeUploadExternal":
            return web.json_response({"ok": True, "files": [{"id": "F1", "title": "t"}]})
        if method == "files.info":
            shares = {"public": {stage.general: [{"ts": "1.2"}]}} if stage.line.count(method) == 3 else {}
            file = {"id": "F1", "url_private": "https://files.example.test/F1", "shares": shares}
            return web.json_response({"ok": True, "file": file})
        return None

    stage.line.before = early
    file = (await stage.ok("files.upload", content="x", channels=stage.general))["file"]
    assert file["shares"]["public"] == {stage.general: [{"ts": "1.2"}]}
    assert file["channels"] == [stage.general]
    assert file["url_private"] == "https://files.example.test/F1", "it is not a host of the upstream"


async def test_without_the_scope_for_it_the_file_is_what_is_known(stage: Stage) -> None:
    async def blind(method: str, _: dict[str, str]) -> web.Response | None:
        if method == "files.info":
            return refused("missing_scope", needed="files:read")
        if method == "files.completeUploadExternal":
            return web.json_response({"ok": True, "files": [{"id": "F1", "title": "t"}]})
        return None

    stage.line.before = blind
    file = (await stage.ok("files.upload", content="x", channels=stage.general))["file"]
    assert file == {"id": "F1", "title": "t", "channels": [stage.general], "groups": [], "ims": []}


async def test_slack_sdk_uploads_as_before_and_after(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"some notes\n" * 1_000)
    client = WebClient(stage.gateway.local_token.reveal(), base_url=stage.gateway.api_url)

    def run() -> list[Any]:
        return [
            client.api_call("files.upload", files={"file": str(path)}, data={"channels": stage.general}).data,
            client.files_upload_v2(file=str(path), channel=stage.general).data,
        ]

    old, new = await asyncio.to_thread(run)
    assert old["file"]["size"] == new["file"]["size"] == 11_000
    for file in (old["file"], new["file"]):
        assert (await download(stage, file["url_private_download"]))[1] == path.read_bytes()


async def test_a_file_in_another_call_is_passed_on(stage: Stage) -> None:
    """The gateway knows no method that takes a file but files.upload; the upstream may."""
    found: list[bytes] = []

    async def take(method: str, _: dict[str, str]) -> web.Response | None:
        return web.json_response({"ok": True, "taken": True}) if method == "files.remote.add" else None

    stage.line.before = take
    stage.line.sees = lambda request, body: found.append(body) if "remote" in request.path else None
    form = aiohttp.FormData({"title": "Remote"})
    form.add_field("indexable_file_contents", b"words to index", filename="words.txt")
    headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
    url = stage.gateway.api_url + "files.remote.add"
    async with stage.upstream.http.post(url, data=form, headers=headers) as response:
        assert json.loads(await response.read()) == {"ok": True, "taken": True}
    (body,) = found
    assert b"words to index" in body
    assert b'name="title"' in body
    assert stage.gateway.local_token.reveal().encode() not in body


async def test_what_a_crash_has_left_is_deleted(stage: Stage) -> None:
    await stage.gateway.stop()
    left = stage.data / "uploads" / "left"
    left.write_bytes(b"x")
    await stage.start()
    assert not left.exists()
