"""The number of file descriptors this process may open, and the number of connections that follows from it.

Without descriptors a server cannot accept, log or open its database. So the limit on connections is set below the
limit of the system, and a wanted number that does not fit is refused at start.
"""

import resource
from pathlib import Path
from typing import Final

from tautwire.protocol.errors import ConfigError

RESERVE: Final = 32
"""Descriptors kept free for the database, for logs, and for connections that are being refused."""
OF_WORKSPACE: Final = 10
"""Descriptors of a workspace that is used: its database, the log of that, and locks."""
_UNKNOWN: Final = 32
"""Descriptors assumed to be in use where the system does not list them."""
_UNLIMITED: Final = 1_000_000


def descriptor_limit() -> int:
    """Return the number of descriptors that this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _UNLIMITED if soft == resource.RLIM_INFINITY else soft


def raise_descriptor_limit() -> None:
    """Raise the soft limit to the hard one, as servers do: the soft one is low only to protect ``select``."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:  # some systems refuse "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_descriptors() -> int:
    """Return how many more descriptors this process may open, without those that are kept free."""
    return descriptor_limit() - _in_use() - RESERVE


def connection_limit(wanted: int | None, *, workspaces: int = 0) -> int:
    """Return the maximum number of open connections.

    Args:
        wanted: the number in the settings; None for as many as the limit of descriptors allows.
        workspaces: how many may be created later; their files get up to half of what is free.

    Raises:
        ConfigError: the process may not open enough descriptors.
    """
    limit = descriptor_limit()
    room = free_descriptors()
    if wanted is None:
        if room < 1:
            raise ConfigError(
                f"the process may open {limit} files, which leaves no room for connections: raise the limit "
                "(ulimit -n, LimitNOFILE= in a systemd unit)"
            )
        return room - min(workspaces * OF_WORKSPACE, room // 2)
    if wanted > room:
        raise ConfigError(
            f"max_connections must be at most {room}, got {wanted}: the process may open {limit} files; lower "
            "--max-connections or raise the limit (ulimit -n, LimitNOFILE= in a systemd unit)"
        )
    return wanted


def _in_use() -> int:
    try:
        return sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:
        return _UNKNOWN
