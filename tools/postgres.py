"""A PostgreSQL for tests and benchmarks: made in a temporary directory, reached over a unix socket, and killed at will.

It runs as an unprivileged user, as PostgreSQL demands, and with ``fsync=on`` unless ``durable`` is False: what it
acknowledges is on disk.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

ADVICE = "PostgreSQL was not found: install Debian's package postgresql"
PATIENCE = 30.0
USER = "tautwire"
UNPRIVILEGED = ("postgres", "daemon")


def find_programs() -> Path | None:
    """Return the folder of ``initdb`` and ``postgres``; Debian keeps them out of the PATH."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


def unprivileged() -> dict[str, Any]:
    """Return the options with which a process runs as an unprivileged user, if we are root."""
    if os.geteuid() != 0:
        return {}
    for name in UNPRIVILEGED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise RuntimeError(f"PostgreSQL must run as one of {', '.join(UNPRIVILEGED)}, and this machine has none of them")


class Cluster:
    """A PostgreSQL server.

    Args:
        durable: whether it survives the loss of power, as users run it. If not, it still survives any kill; thousands
            of short tests, each with a schema, do not wait for the disk, nor make others wait for it.
    """

    def __init__(self, folder: Path, programs: Path, *, durable: bool = True) -> None:
        self._options = () if durable else ("-c", "fsync=off", "-c", "full_page_writes=off")
        self.folder = folder
        self._data = folder / "data"
        self._socket = folder / "s"  # short: the path of a unix socket has 107 bytes at most
        self._programs = programs
        self._as = unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._session: psycopg.Connection[Any] | None = None
        for path in (folder, self._socket):
            path.mkdir(exist_ok=True, mode=0o755)
            if self._as:
                os.chown(path, self._as["user"], self._as["group"])
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def pid(self) -> int:
        """The process that all others come from."""
        if self._process is None:
            raise RuntimeError("PostgreSQL does not run")
        return self._process.pid

    def url(self, schema: str | None = None) -> str:
        """Return the URL of a workspace in a schema of its own."""
        if schema is None:
            self._number += 1
            schema = f"w{os.getpid()}_{self._number}"
        return f"postgresql://{USER}@/postgres?{urlencode({'host': str(self._socket), 'schema': schema})}"

    def drop(self, url: str) -> None:
        """Remove the schema of a URL, unless a connection that is still open holds it."""
        (schema,) = parse_qs(urlsplit(url).query)["schema"]
        if self._session is None:
            self._session = psycopg.connect(
                host=str(self._socket), user=USER, dbname="postgres", autocommit=True, options="-c lock_timeout=1s"
            )
        with contextlib.suppress(psycopg.errors.LockNotAvailable):
            self._session.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))

    def start(self) -> None:
        """Start it, or start it again after a kill; returns when it takes connections."""
        options = ["-k", str(self._socket), "-c", "listen_addresses=", "-c", "max_connections=200", *self._options]
        with (self._data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *options],
                stdout=subprocess.DEVNULL, stderr=log, cwd="/", **self._as,
            )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", self._socket], check=False, stdout=subprocess.DEVNULL
        ).returncode:
            if time.monotonic() > end or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL does not start: {(self._data.parent / 'log').read_text()[-2_000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill every process of it at once, as a crash of its machine would."""
        children = _children(self.pid)
        for pid in (self.pid, *children):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.stop()
        for pid in children:  # else the next start refuses: they hold its shared memory
            _await_end(pid)

    def stop(self) -> None:
        """Stop it without waiting for its clients."""
        if self._session is not None:
            self._session.close()
            self._session = None
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE)
            self._process = None

    def psql(self, schema: str, sql: str) -> str:
        """Run SQL from outside; return the rows as text."""
        command = ["psql", "-h", str(self._socket), "-U", USER, "-d", "postgres", "-qtA", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(
            [self._programs / command[0], *command[1:], "-c", f"SET search_path = {schema}", "-c", sql],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, text=True, check=False, cwd="/", **self._as
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(each) for each in found.split()]


def _await_end(pid: int) -> None:
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists():
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        if time.monotonic() > end:
            raise RuntimeError(f"process {pid} does not end")
        time.sleep(0.005)


@contextmanager
def running_cluster(*, durable: bool = True) -> Iterator[Cluster]:
    """Make a cluster, start it, and remove it at the end; ``durable`` as for ``Cluster``."""
    programs = find_programs()
    if programs is None:
        raise RuntimeError(ADVICE)
    with tempfile.TemporaryDirectory(prefix="tautwire-pg-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder), programs, durable=durable)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
