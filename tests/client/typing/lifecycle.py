"""What the types of a client's life promise. Checked, never run; a ``type: ignore`` marks an error there must be."""

from typing import assert_type

from tautwire import BlockingRTMClient, ClientState, Ready, RTMClient

client = RTMClient()
blocking = BlockingRTMClient()


@client.on_start
async def begin() -> None: ...


@client.on_ready
async def ready(ready: Ready) -> None:
    assert_type(ready.is_first, bool)


@client.every(60, at_once=True)
async def job() -> int:
    return 1


@blocking.on_stop
def stop() -> None: ...


@blocking.every(0.5)
def blocking_job() -> str:
    return ""


async def decorated_functions_stay_what_they_were() -> None:
    assert_type(await job(), int)
    assert_type(blocking_job(), str)
    assert_type(await client.wait_ready(timeout=5), Ready)
    assert_type(blocking.wait_ready(timeout=5), Ready)


def states(state: ClientState) -> None: ...


client.add_state_handler(states)
client.every("60")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
