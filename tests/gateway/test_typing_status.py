"""Typing of a bot as the status of a thread: only if it is wanted, seldom, and taken away again."""

import pytest
from aiohttp import web

from crooked import refused
from scene import Socket, eventually
from stage import OpenStage, Stage
from tautwire.gateway import typing_status as module


def calls(stage: Stage) -> list[tuple[str, str]]:
    """Return thread and status of the calls so far."""
    return [
        (arguments["thread_ts"], arguments["status"])
        for method, arguments in stage.line.calls
        if method == module.METHOD
    ]


async def asked(stage: Stage, **arguments: str) -> tuple[Socket, str]:
    """Connect a bot, and let it see a question."""
    socket = await stage.connect()
    ts = await stage.post("alice", stage.general, "a question", **arguments)
    await stage.received(socket, "a question")
    return socket, ts


async def test_typing_is_shown_in_the_thread_of_the_last_message(open_stage: OpenStage) -> None:
    stage = await open_stage(typing_status=True)
    socket, ts = await asked(stage)
    for _ in range(3):
        await socket.send(type="typing", channel=stage.general)
    await eventually(lambda: calls(stage) == [(ts, module.STATUS)])
    await socket.fence()
    assert len(calls(stage)) == 1, "it is shown already"
    assert (await socket.say(stage.general, "an answer"))["ok"]
    await eventually(lambda: calls(stage) == [(ts, module.STATUS), (ts, "")])


async def test_a_frame_may_name_the_thread(open_stage: OpenStage) -> None:
    stage = await open_stage(typing_status=True)
    first = await stage.post("alice", stage.general, "first")
    socket, second = await asked(stage)
    await socket.send(type="typing", channel=stage.general, thread_ts=first)
    await eventually(lambda: calls(stage) == [(first, module.STATUS)])
    await socket.send(type="typing", channel=stage.general)
    await eventually(lambda: len(calls(stage)) == 3)
    assert set(calls(stage)[1:]) == {(first, ""), (second, module.STATUS)}


async def test_it_ends_when_no_frame_comes(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.05)
    stage = await open_stage(typing_status=True)
    socket, ts = await asked(stage)
    await socket.send(type="typing", channel=stage.general)
    await eventually(lambda: calls(stage) == [(ts, module.STATUS), (ts, "")])


async def test_it_is_shown_again_while_frames_come(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.0)
    stage = await open_stage(typing_status=True)
    socket, ts = await asked(stage)
    for _ in range(2):
        await socket.send(type="typing", channel=stage.general)
    await eventually(lambda: calls(stage) == [(ts, module.STATUS)] * 2)


async def test_without_the_setting_or_a_thread_nothing_is_shown(stage: Stage) -> None:
    socket, _ = await asked(stage)
    await socket.send(type="typing", channel=stage.general)
    await socket.send(type="typing", channel=stage.ops)
    await socket.fence()
    assert calls(stage) == []


async def test_threads_are_bounded(open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SHOWN", 1)
    monkeypatch.setattr(module, "MAX_CHANNELS", 1)
    stage = await open_stage(typing_status=True)
    socket, ts = await asked(stage)
    await stage.post("alice", stage.ops, "in another")
    await stage.received(socket, "in another")
    typing = stage.gateway.relay.typing
    assert list(typing._threads) == [stage.ops]
    await socket.send(type="typing", channel=stage.ops)
    await socket.send(type="typing", channel=stage.general, thread_ts=ts)
    await socket.fence()
    assert list(typing._shown) == [stage.ops]


async def test_an_error_is_logged_once(open_stage: OpenStage, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        return refused("internal_error") if method == module.METHOD else None

    stage = await open_stage(typing_status=True)
    stage.line.before = refuse
    socket, _ = await asked(stage)
    for number in (1, 2):
        await socket.send(type="typing", channel=stage.general)
        await eventually(lambda number=number: len(calls(stage)) >= 2 * number - 1)  # type: ignore[misc]
        await socket.say(stage.general, "an answer")
        await eventually(lambda number=number: len(calls(stage)) >= 2 * number)  # type: ignore[misc]
    assert sum("typing_status" in record.getMessage() for record in caplog.records) == 1
