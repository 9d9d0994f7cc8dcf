"""What the machine gives a server: versions, its directory, room on the disk, descriptors, the clock."""

import ctypes
import os
import platform
import shutil
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from tautwire.cli.doctor.findings import failed, ok, warning
from tautwire.gateway.setup.doctor import Finding
from tautwire.server.http.descriptors import free_descriptors, raise_descriptor_limit
from tautwire.server.store.sqlite import FILE, VERSION
from tautwire.server.watch import MIN_FREE

MIB: Final = 1_048_576
EARLY: Final = 1024 * MIB
"""Bytes of free disk below which a warning comes, long before the server has a fault."""
FEW: Final = 1_000
"""Connections that a server should have room for."""
MAX_AHEAD: Final = 60.0
"""Seconds by which a file may be newer than the clock."""
_NETWORK: Final = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "afs", "fuse.sshfs")
_UNSYNCHRONIZED: Final = 5
"""What adjtimex(2) returns when nothing keeps the clock."""


def check_versions() -> Iterator[Finding]:
    """Say what is installed."""
    parts = [
        f"tautwire {version('tautwire')}",
        f"Python {platform.python_version()}",
        f"SQLite {VERSION}",
    ]
    for name in ("uvloop", "psycopg"):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    yield ok("versions", ", ".join(parts))
    if not any(part.startswith("uvloop") for part in parts):
        yield warning("versions", "uvloop is not installed, and the server is slower: pip install uvloop")


def check_data(data: Path) -> Iterator[Finding]:
    """Look at the data directory: owner, mode, file system."""
    if not data.exists():
        parent = next(each for each in data.resolve().parents if each.exists())
        if os.access(parent, os.W_OK):
            yield ok("data directory", f"{data} is not there yet; the first start makes it")
        else:
            yield failed("data directory", f"{data} cannot be made in {parent}: make it, or name another with --data")
        return
    if not data.is_dir() or not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield failed("data directory", f"{data} cannot be written by this user: run as the user who runs the server")
        return
    if data.stat().st_mode & 0o077:
        yield warning("data directory", f"other users of this machine can read {data}: chmod 700 {data}")
    system = file_system(data.resolve(), Path("/proc/self/mounts"))
    if system in _NETWORK:
        yield failed(
            "data directory",
            f"{data} is on a network file system ({system}), whose locks SQLite cannot trust: move it to a local disk",
        )
        return
    yield ok("data directory", f"{data.resolve()}")


def file_system(path: Path, mounts: Path) -> str:
    """Return the kind of file system that a path is on; empty where the system does not say."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    found = [(point.replace("\\040", " "), kind) for _, point, kind, *_ in lines]
    fitting = [(len(point), kind) for point, kind in found if path.is_relative_to(point)]
    return max(fitting)[1] if fitting else ""


def check_disk(data: Path) -> Iterator[Finding]:
    """Compare the free room with what the server needs and with what a backup takes."""
    place = next(each for each in (data.resolve(), *data.resolve().parents) if each.exists())
    free, database = shutil.disk_usage(place).free, _size(data / FILE)
    text = f"{free / MIB:,.0f} MiB are free at {place}, the database has {database / MIB:,.0f}"
    if free < MIN_FREE:
        yield failed("disk", f"{text}: make room, the server is not ready below {MIN_FREE // MIB} MiB")
    elif free < max(EARLY, database):
        yield warning("disk", f"{text}: make room, or keep backups on another disk")
    else:
        yield ok("disk", text)
    log = data / f"{FILE}-wal"
    if _size(log) > max(EARLY // 4, database):
        yield warning("disk", f"{log} has {_size(log) / MIB:,.0f} MiB: end the backup or check that reads for so long")


def check_descriptors(wanted: int | None) -> Iterator[Finding]:
    """Say how many connections the limit of open files leaves room for."""
    raise_descriptor_limit()
    room = free_descriptors()
    text = f"this shell's limit of open files has room for {room:,} connections"
    if wanted is not None and room < wanted:
        yield failed(
            "descriptors", f"{text}, and --max-connections wants {wanted:,}: raise it (ulimit -n, LimitNOFILE=)"
        )
    elif room < FEW:
        yield warning("descriptors", f"{text}: raise it (ulimit -n, LimitNOFILE= in a systemd unit)")
    else:
        yield ok("descriptors", text)


def check_clock(data: Path) -> Iterator[Finding]:
    """Look whether something keeps the clock, and whether it was turned back since the database was written."""
    ahead = max((each.stat().st_mtime for each in data.glob(f"{FILE}*")), default=0.0) - time.time()
    if ahead > MAX_AHEAD:
        yield failed(
            "clock", f"the database was written {ahead:.0f} s from now: the clock is behind, synchronize it (NTP)"
        )
        return
    if is_synchronized() is False:
        yield warning("clock", "nothing keeps it, as far as the kernel knows: run chrony or systemd-timesyncd")
    else:
        yield ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def is_synchronized() -> bool | None:
    """Return what the kernel knows of its clock, None where it cannot be asked."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return None
    state = adjtimex(ctypes.create_string_buffer(512))  # zeros: a question; the structure has some 200 bytes
    return None if state < 0 else state != _UNSYNCHRONIZED


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
