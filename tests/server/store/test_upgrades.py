"""A workspace of each older version is served by this one, with all that it had."""

from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from stores import Store

from old_workspaces import ALICE, BOT, FIRST, PORTABLE, REPLY, build
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.store.check import check
from tautwire.server.store.engines import open_engine
from tautwire.server.store.migrations import NEWEST

VERSIONS = [*range(1, NEWEST)]


async def call(http: aiohttp.ClientSession, server: Server, token: str, method: str, **form: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(server.api_url + method, data=form, headers=headers) as response:
        answer: dict[str, Any] = await response.json()
    assert answer["ok"], answer
    return answer


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_workspace_of_an_older_version_is_served_with_all_that_it_had(
    store: Store, version: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if store.kind == "postgres" and version < PORTABLE:
        return  # PostgreSQL came with that version
    build(store, request.getfixturevalue("cluster") if store.kind == "postgres" else None, tmp_path, version)

    async with (
        Server(Settings(data=tmp_path, port=0, database=store.url(tmp_path))) as server,
        aiohttp.ClientSession() as http,
    ):
        assert (await call(http, server, ALICE, "auth.test"))["user_id"] == "U1"
        assert (await call(http, server, BOT, "auth.test"))["bot_id"] == "B2"
        history = (await call(http, server, ALICE, "conversations.history", channel="C1"))["messages"]
        assert [(each["text"], each["reactions"]) for each in history] == [
            ("hello", [{"name": "tada", "users": ["U2"], "count": 1}])
        ]
        thread = (await call(http, server, BOT, "conversations.replies", channel="C1", ts=FIRST))["messages"]
        assert [(each["ts"], each["text"]) for each in thread] == [(FIRST, "hello"), (REPLY, "hi alice")]
        members = await call(http, server, ALICE, "conversations.members", channel="C1")
        assert sorted(members["members"]) == ["U1", "U2"]
        if version >= 9:
            pins = await call(http, server, ALICE, "pins.list", channel="C1")
            assert [item["message"]["ts"] for item in pins["items"]] == [FIRST]
        if version >= 10:
            user = (await call(http, server, ALICE, "users.info", user="U1"))["user"]
            assert user["profile"]["title"] == "Captain"
        posted = await call(http, server, BOT, "chat.postMessage", channel="C1", text="after the upgrade")
        assert posted["ts"] > REPLY

    with closing(open_engine(tmp_path, store.url(tmp_path), read_only=True)) as engine:
        report = check(engine)
    assert (report.schema, report.problems) == (NEWEST, [])
