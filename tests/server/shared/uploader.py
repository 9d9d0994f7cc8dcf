"""Uploads as the tests make them: step by step, so that each step can be done wrong."""

import io
from typing import Any

from scene import Answer, Scene

PNG = bytes.fromhex("89504e470d0a1a0a0000000d494844520000000300000002080200000012162b4d")


async def reserve(scene: Scene, who: str, size: int, name: str = "notes.txt", **arguments: Any) -> dict[str, Any]:
    """Ask for an upload URL."""
    return await scene.ok(who, "files.getUploadURLExternal", filename=name, length=size, **arguments)


async def put(scene: Scene, url: str, data: Any, **options: Any) -> int:
    """Send bytes to an upload URL; return the status."""
    data = io.BytesIO(data) if isinstance(data, bytes) else data
    async with scene.http.post(url, data=data, **options) as response:
        await response.read()
        return response.status


async def store(scene: Scene, who: str, data: bytes, name: str = "notes.txt", **arguments: Any) -> str:
    """Upload bytes that nobody sees yet; return the id of the file."""
    reserved = await reserve(scene, who, len(data), name, **arguments)
    assert await put(scene, reserved["upload_url"], data) == 200
    return str(reserved["file_id"])


async def share(
    scene: Scene, who: str, channel: str, data: bytes = b"hello", name: str = "notes.txt", **arguments: Any
) -> dict[str, Any]:
    """Upload a file into a channel; return its object."""
    file = await store(scene, who, data, name)
    answer = await scene.ok(who, "files.completeUploadExternal", files=[{"id": file}], channel_id=channel, **arguments)
    (found,) = answer["files"]
    shared: dict[str, Any] = found
    return shared


async def fetch(scene: Scene, who: str | None, url: str, verb: str = "GET", **headers: str) -> Answer:
    """Ask for a file; the body of the answer is under ``bytes``."""
    given = dict(headers) if who is None else {**scene.bearer(who), **headers}
    async with scene.http.request(verb, url, headers=given) as response:
        return Answer(response.status, response.headers, {"bytes": await response.read()})
