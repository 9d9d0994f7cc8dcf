"""What a server meets when it starts, or is while it runs: its port, its database, its settings."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tautwire.cli.control import ControlError, NotRunningError, call
from tautwire.cli.doctor.findings import failed, ok, warning
from tautwire.cli.running.status import duration, workspaces_in
from tautwire.gateway.setup.doctor import Finding
from tautwire.protocol.errors import ConfigError, TautwireError
from tautwire.server.config import Settings
from tautwire.server.http.server import listen
from tautwire.server.services.seed import read_seed
from tautwire.server.store.engine import StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.migrations import NEWEST
from tautwire.server.store.sqlite import FILE


def ask_running(data: Path) -> dict[str, Any] | Finding | None:
    """Return the status of the server of a data directory, None if none runs, or why it does not say."""
    if not data.is_dir():
        return None
    try:
        return call(workspaces_in(data)[0], "status")
    except NotRunningError as error:
        return None if error.code == "not_running" else failed("server", str(error))
    except ControlError as error:
        return failed("server", f"a server runs and does not tell its status: {error}")


def check_running(status: dict[str, Any], installed: str) -> Iterator[Finding]:
    """Say how the running server is."""
    yield ok("server", f"it runs, up {duration(status['uptime'])}, at {status['api_url']}")
    if status["version"] != installed:
        yield warning("server", f"it runs version {status['version']}, installed is {installed}: restart it")
    for name, reason in status["faults"].items():
        yield failed("server", f"fault {name}: {reason}; what to do: docs/how-to/server/runbook.md")


def check_port(settings: Settings) -> Iterator[Finding]:
    """Look whether the port is free, for a server that does not run yet."""
    try:
        listen(settings.host, settings.port).close()
    except ConfigError as error:
        yield failed("port", str(error))
    else:
        yield ok("port", f"{settings.host} port {settings.port} is free")


def check_seed(settings: Settings) -> Iterator[Finding]:
    """Read the seed file, if the settings name one."""
    if settings.seed is None:
        return
    try:
        read_seed(settings.seed)
    except TautwireError as error:
        yield failed("seed", str(error))
    else:
        yield ok("seed", f"{settings.seed} can be used")


def check_database(data: Path, database: str | None) -> Iterator[Finding]:
    """Look at the database without changing it."""
    if database is None and not (data / FILE).exists():
        yield ok("database", f"there is none in {data} yet; the first start makes it")
        return
    try:
        with closing(open_engine(data, database, read_only=True)) as engine:
            version, name = engine.schema_version(), engine.name
    except (StoreError, ConfigError) as error:
        yield failed("database", str(error))
        return
    if version == 0:
        yield ok("database", f"{name} is empty yet; the first start fills it")
    elif version < NEWEST:
        yield warning(
            "database",
            f"{name} has schema {version}; the next start brings it to {NEWEST}, and the old version cannot read it "
            "then: take a backup first",
        )
    else:
        yield ok("database", f"{name} has schema {version}; `tautwire db check` reads it all")
