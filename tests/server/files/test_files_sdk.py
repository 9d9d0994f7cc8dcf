"""Files through slack_sdk's clients, as programs send and receive them."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from scene import Scene

ADVISES = pytest.mark.filterwarnings("ignore:client.files_upload.*may cause some issues")
"""The SDK advises users of files_upload to call files_upload_v2."""


def clients(scene: Scene) -> tuple[WebClient, AsyncWebClient]:
    token, base = scene.tokens["relaybot"], scene.server.api_url
    return WebClient(token, base), AsyncWebClient(token, base)


async def download(url: str, token: str) -> bytes:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http,
        http.get(url, raise_for_status=True) as response,
    ):
        return await response.read()


async def test_files_upload_v2_shares_a_file_that_can_be_downloaded(scene: Scene) -> None:
    blocking, async_ = clients(scene)
    data = bytes(range(256)) * 3_000
    bob = await scene.connect("bob")
    first = await async_.files_upload_v2(
        channel=scene.general, content=data, filename="Data Set.bin", title="The data", initial_comment="look"
    )
    second = await asyncio.to_thread(blocking.files_upload_v2, channel=scene.general, content=data, filename="b.bin")

    file = first["file"]
    assert (file["title"], file["name"], file["size"]) == ("The data", "Data Set.bin", len(data))
    assert await download(file["url_private"], scene.tokens["relaybot"]) == data
    assert await download(second["file"]["url_private_download"], scene.tokens["bob"]) == data
    shared = [frame for frame in await bob.fence() if frame.get("subtype") == "file_share"]
    assert [(frame["text"], frame["files"][0]["title"]) for frame in shared] == [("look", "The data"), ("", "b.bin")]


async def test_several_files_in_one_call_are_one_message(scene: Scene, tmp_path: Path) -> None:
    _, async_ = clients(scene)
    (tmp_path / "one.txt").write_text("one")
    uploads = [
        {"file": str(tmp_path / "one.txt"), "title": "first"},
        {"content": "two", "filename": "two.py", "snippet_type": "python"},
    ]
    answer = await async_.files_upload_v2(file_uploads=uploads, channel=scene.general)

    assert [file["title"] for file in answer["files"]] == ["first", "two.py"]
    (message,) = [each for each in await scene.history("alice", scene.general) if "files" in each]
    assert [file["name"] for file in message["files"]] == ["one.txt", "two.py"]
    info = await async_.files_info(file=answer["files"][1]["id"])
    assert (info["content"], info["file"]["mode"], info["file"]["filetype"]) == ("two", "snippet", "python")


@ADVISES
@pytest.mark.parametrize("size", [5, 700_000, 3_000_000])
async def test_files_upload_takes_a_file_of_any_size(scene: Scene, tmp_path: Path, size: int) -> None:
    """The largest is beyond the limit of bodies: it is not held in memory."""
    blocking, async_ = clients(scene)
    data = bytes(range(250)) * (size // 250) + b"x" * (size % 250)
    (tmp_path / "report.pdf").write_bytes(data)
    for answer in (
        await async_.files_upload(file=str(tmp_path / "report.pdf"), channels=scene.general, initial_comment="here"),
        await asyncio.to_thread(
            blocking.files_upload, file=str(tmp_path / "report.pdf"), channels="#general", title="T"
        ),
    ):
        file = answer["file"]
        assert file["channels"] == [scene.general]
        assert list(file["shares"]["public"]) == [scene.general]
        assert file["name"] == "report.pdf"
        assert await download(file["url_private"], scene.tokens["alice"]) == data


@ADVISES
async def test_content_is_a_snippet(scene: Scene) -> None:
    _, async_ = clients(scene)
    answer = await async_.files_upload(content="line\n" * 8, filetype="python", channels=scene.general)

    file = answer["file"]
    assert (file["mode"], file["editable"], file["filetype"], file["lines"]) == ("snippet", True, "python", 8)
    assert (file["preview"].count("\n"), file["lines_more"], file["preview_is_truncated"]) == (4, 3, True)


async def test_files_are_listed_and_deleted(scene: Scene) -> None:
    blocking, async_ = clients(scene)
    ids = [
        (await async_.files_upload_v2(channel=channel, content=name, filename=name))["file"]["id"]
        for channel, name in ((scene.general, "a.txt"), (scene.ops, "b.txt"), (scene.general, "c.zip"))
    ]
    listed = await async_.files_list()
    assert {file["id"] for file in listed["files"]} == set(ids)
    assert listed["paging"] == {"count": 100, "total": 3, "page": 1, "pages": 1}
    here = await asyncio.to_thread(blocking.files_list, channel=scene.general, types="zips")
    assert [file["id"] for file in here["files"]] == ids[2:]
    page = await async_.files_list(count=2, page=2)
    assert (len(page["files"]), page["paging"]["pages"]) == (1, 2)

    await async_.files_delete(file=ids[0])
    assert len((await async_.files_list())["files"]) == 2
    with pytest.raises(SlackApiError) as caught:
        await async_.files_info(file=ids[0])
    assert caught.value.response["error"] == "file_deleted"
