"""A gateway that keeps its bots in PostgreSQL: a schema for each, and one gateway at a time."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from stores import Store

from scene import eventually
from several import Several
from tautwire.gateway import bots as bots_module
from tautwire.gateway.gateway import Gateway
from tautwire.server.config import Settings
from tautwire.server.store.engine import StoreError
from tautwire.server.store.postgres.address import read_address

pytestmark = pytest.mark.only_on("postgres")


@pytest.fixture
async def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Several]:
    monkeypatch.setattr(bots_module, "RETRY", 0.05)
    monkeypatch.setattr("tautwire.server.store.postgres.engine.LOCK_PATIENCE", 0.2)
    async with Several.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
def database(store: Store, tmp_path: Path) -> str:
    url = store.url(tmp_path)
    assert url is not None
    return url


def schemas(database: str) -> set[str]:
    """Return the schemas of a gateway, without the part of the name that is the gateway's."""
    address = read_address(database)
    with psycopg.connect(address.url) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace").fetchall()
    return {row[0].removeprefix(address.schema) for row in rows if row[0].startswith(address.schema)}


async def test_a_bot_goes_on_where_it_was(several: Several, database: str) -> None:
    await several.start(several.settings("desk"), database=database)
    token = several.gateway.local_token.reveal()
    grant = await several.request(token, "rtm.connect", resume="")
    await several.gateway.stop()
    await several.upstream.post("alice", several.upstream.general, "meanwhile")
    await several.start(several.settings("desk"), database=database)
    assert several.gateway.local_token.reveal() == token
    figures = several.gateway.relay.intake.figures
    await eventually(lambda: figures.stored + figures.caught_up > 0)
    again = await several.request(token, "rtm.connect", resume=grant["position"])
    assert again["resume"] == "resumed"
    socket = await several.dial(again)
    assert (await socket.until("message"))["text"] == "meanwhile"
    assert not (several.data / "tautwire.db").exists()


async def test_each_bot_has_a_schema(several: Several, database: str) -> None:
    await several.start({"desk": several.settings("desk"), "porter": several.settings("porter")}, database=database)
    assert schemas(database) == {"_desk", "_porter"}
    desk, porter = await several.connect(several.token("desk")), await several.connect(several.token("porter"))
    await several.upstream.post("alice", several.upstream.general, "hello")
    for socket in (desk, porter):
        assert (await socket.until("message"))["text"] == "hello"


async def test_a_second_gateway_is_refused(several: Several, database: str, tmp_path: Path) -> None:
    await several.start(several.settings("desk"), database=database)
    second = Gateway(several.settings("desk"), Settings(data=tmp_path / "second", port=0, database=database))
    with pytest.raises(StoreError, match="another server uses PostgreSQL"):
        await second.start()
    await several.connect(several.gateway.local_token.reveal())


async def test_a_bot_that_another_gateway_has_is_taken_over_when_that_ends(
    several: Several, database: str, tmp_path: Path
) -> None:
    await several.start({"desk": several.settings("desk")}, database=database)
    bots = {"desk": several.settings("desk"), "porter": several.settings("porter")}
    given = {"data": tmp_path / "second", "port": 0, "database": database, "drain": 0.01}
    async with Gateway(bots, Settings(**given)) as second:
        assert second.bots.get("porter") is not None
        assert second.bots.get("desk") is None
        assert "another server uses PostgreSQL" in second.bots.fault("desk")
        await several.gateway.stop()
        await eventually(lambda: second.bots.get("desk") is not None)
        await eventually(lambda: second.health.is_ready)
