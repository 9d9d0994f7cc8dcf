"""Files in backups: they are in the database, so a backup that is taken beside the server has them."""

import asyncio
from contextlib import closing
from pathlib import Path

from scene import Scene
from tautwire.server.log.epochs import begin_epoch
from tautwire.server.store.backup import back_up, restore
from tautwire.server.store.engines import open_engine
from uploader import fetch, share, store


async def test_a_restored_workspace_has_its_files(scene: Scene, tmp_path: Path) -> None:
    data = bytes(range(256)) * 2_500
    file = await share(scene, "alice", scene.general, data, "a.bin")
    half = await store(scene, "alice", b"never completed")
    settings = scene.server.settings

    def copy() -> None:
        with closing(open_engine(settings.data, settings.database, read_only=True)) as engine:
            back_up(engine, tmp_path / "file.bak")
        restore(tmp_path / "file.bak", tmp_path / "new", None, begin_epoch)

    await asyncio.to_thread(copy)
    async with Scene.opened(tmp_path / "new", scene.clock, seed=None) as other:
        other.tokens = scene.tokens
        path = file["url_private"].partition("/files-pri/")[2]
        url = f"{other.server.api_url.removesuffix('/api/')}/files-pri/{path}"
        assert (await fetch(other, "bob", url)).body["bytes"] == data
        assert (await fetch(other, "carol", url)).status == 200
        listed = await other.ok("alice", "files.list")
        assert [each["id"] for each in listed["files"]] == [file["id"]]
        answer = await other.ok("alice", "files.completeUploadExternal", files=[{"id": half}])
        assert answer["files"][0]["size"] == 15
