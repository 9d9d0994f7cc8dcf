"""A change of a running server's workspace: by the server's own writer, or by another one on the same database."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import TypeVar

from scene import Scene
from tautwire.server.log.entry import Entry
from tautwire.server.log.transaction import Transaction, Unit

T = TypeVar("T")


class Change:
    """Runs units; when it returns, the server has applied the entries."""

    def __init__(self, scene: Scene, *, is_elsewhere: bool) -> None:
        self._scene = scene
        self._is_elsewhere = is_elsewhere

    async def __call__(self, unit: Unit[T]) -> T:
        writer = self._scene.server.workspace.writer
        if not self._is_elsewhere:
            return await writer.write(unit)
        result, _ = await asyncio.to_thread(write_elsewhere, self._scene, unit)
        await writer.write(lambda tx: None)  # the server finds out with its next batch
        return result


def write_elsewhere(scene: Scene, unit: Unit[T]) -> tuple[T, Sequence[Entry]]:
    """Run a unit with a writer of its own; return its result and its entries, of which the server knows nothing yet."""
    engine = scene.server.workspace.writer._committer._engine
    with closing(engine.session()) as session:
        transaction = Transaction(session, scene.clock)
        transaction.begin()
        result = transaction.attempt(unit)
        return result, transaction.commit()
