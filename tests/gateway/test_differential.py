"""What a bot gets through the gateway is what it gets from the native RTM of our server."""

import re
from pathlib import Path

import pytest

from differential import NATIVE_ONLY, compare
from stage import OpenStage


@pytest.mark.parametrize(
    ("events", "seed"),
    [("socket_mode", None), ("socket_mode", 1), ("socket_mode", 2), ("socket_mode", 3), ("http", None), ("http", 1)],
    ids=lambda value: value if isinstance(value, str) else "good day" if value is None else f"bad day {value}",
)
async def test_the_frames_are_the_same(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, events: str, seed: int | None
) -> None:
    await compare(await open_stage(events=events), monkeypatch, events, seed)


def test_the_page_has_the_frames_that_only_native_rtm_has() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "gateway.md").read_text()
    section = page.partition("## What cannot be emulated")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`([a-z_]+)`", section))
    assert {name for name in NATIVE_ONLY if "." not in name} <= listed
