"""Files through the control API: what a user uploads there is what the Web API would have stored."""

import base64

import pytest

from controlled import SECRET, operate, refusal
from scene import OpenScene, Scene
from uploader import fetch


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def test_a_user_uploads_a_file_that_others_see(scene: Scene) -> None:
    bob = await scene.connect("bob")
    data = bytes(range(256)) * 20
    done = await operate(
        scene, "upload", user="alice", channel="general", name="a.bin", base64=base64.b64encode(data).decode(),
        title="Data", comment="look",
    )  # fmt: skip

    message = await bob.until(lambda frame: frame.get("subtype") == "file_share")
    assert (message["text"], message["files"][0]["title"]) == ("look", "Data")
    assert (await fetch(scene, "bob", done["file"]["url_private"])).body["bytes"] == data
    seen = await operate(scene, "files.get", user="bob", file=done["file"]["id"])
    assert base64.b64decode(seen["base64"]) == data
    assert not seen["is_cut"]
    waited = await operate(scene, "wait", channel="general", contains="look", after=done["position"])
    assert waited["message"]["files"][0]["id"] == done["file"]["id"]


async def test_a_file_goes_into_a_thread(scene: Scene) -> None:
    said = await operate(scene, "say", user="bob", channel="general", text="question")
    await operate(scene, "upload", user="alice", channel="general", name="a.txt", text="answer", ts=said["ts"])

    replies = await scene.ok("bob", "conversations.replies", channel=scene.general, ts=said["ts"])
    assert replies["messages"][1]["files"][0]["name"] == "a.txt"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"text": ""}, "no_file_data"),
        ({"text": "a", "base64": "YQ=="}, "no_file_data"),
        ({"base64": "not base64"}, "invalid_base64"),
        ({"text": "a", "channel": "ops", "user": "bob"}, "channel_not_found"),
        ({"text": "a", "ts": "1700000000.000001"}, "invalid_thread_ts"),
        ({"text": "a", "user": "nemo"}, "unknown_user"),
    ],
)
async def test_what_cannot_be_uploaded(scene: Scene, arguments: dict[str, str], code: str) -> None:
    given = {"user": "alice", "channel": "general", "name": "a.txt"} | arguments
    assert await refusal(scene, "upload", **given) == code
    assert (await scene.ok("alice", "files.list"))["files"] == []


async def test_a_file_is_not_shown_to_one_who_may_not_see_it(scene: Scene) -> None:
    done = await operate(scene, "upload", user="alice", channel="ops", name="a.txt", text="secret")

    assert await refusal(scene, "files.get", user="bob", file=done["file"]["id"]) == "file_not_found"
