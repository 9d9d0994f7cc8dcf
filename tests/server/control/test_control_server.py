"""The control door on its unix socket: what it leaves behind."""

from pathlib import Path

import pytest

from scene import Scene
from tautwire.server.control.server import ControlServer


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_a_stop_that_fails_leaves_neither_the_secret_nor_the_socket(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = ControlServer(scene.server.workspace, tmp_path, "secret")
    before = names_in(tmp_path)
    await control.start()
    assert names_in(tmp_path) > before
    stop = control._server.stop

    async def fail() -> None:
        await stop()
        raise OSError("the end failed")

    monkeypatch.setattr(control._server, "stop", fail)
    with pytest.raises(OSError, match="the end failed"):
        await control.stop()
    assert names_in(tmp_path) == before
