"""Ports of programs under test that serve HTTP: a free one, and the wait until a program listens."""

import asyncio
import socket


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def wait_until_listening(port: int, within: float) -> None:
    """Return as soon as connections to a port are accepted; raise ``TimeoutError`` after ``within`` seconds."""
    async with asyncio.timeout(within):
        while not await _listens(port):  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(0.1)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
