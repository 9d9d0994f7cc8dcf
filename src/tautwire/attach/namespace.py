"""Leading a program by names, where its runtime takes no preload and its library no proxy (Linux).

The program gets a mount namespace of its own, in which /etc/hosts names loopback for the intercepted hosts, and the
system's bundle of roots has ours as well. Programs know no port but 443. Where this process may listen on it, the
program keeps the network of the machine. Where it may not, the program gets a network of its own as well, in which
anybody may: its sockets come out to this process (``tautwire.attach.inside``), and its only way to other hosts is the
proxy of the front. Neither needs root where the kernel lets users make namespaces.
"""

import asyncio
import contextlib
import errno
import json
import re
import secrets
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tautwire.attach import inside
from tautwire.attach.front import Front
from tautwire.attach.hosts import SOCKETS, ZONE, Hosts
from tautwire.attach.trust import SYSTEM_BUNDLES
from tautwire.protocol.errors import ConfigError
from tautwire.server.private_file import replace_private

PORT: Final = 443
HOSTS_FILE: Final = Path("/etc/hosts")
SETTINGS: Final = Path("/proc/sys")
NAME_SERVICES: Final = Path("/etc/nsswitch.conf")
PATIENCE: Final = 10.0
"""Seconds that the script inside has for its work."""
MAX_ANSWER: Final = 4096
"""Bytes of the script's answer."""
TRIES: Final = 16
"""Addresses of loopback that are tried, where port 443 is taken by something else."""
NEXT: Final = "Give the program the name slack.com another way: docs/how-to/gateway/gateway-cookbook.md, 'By names'"

_LOOPBACK: Final = "127.0.0.1"
_FORBIDDEN: Final = (errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EUSERS)


class Names:
    """Starts a program that is led by names.

    Args:
        bundle: the roots of the system and ours.
        directory: for the hosts file.
        front: it serves the sockets of the program's own network as its own.
    """

    def __init__(self, hosts: Hosts, bundle: Path, directory: Path, front: Front) -> None:
        self._names = sorted({name for name in hosts.names if "*" not in name} | {SOCKETS})
        self._bundle = bundle
        self._file = directory / "hosts"
        self._front = front

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        """Start the program; return its process, whose number is that of the program.

        Raises:
            ConfigError: the machine forbids it, or the program cannot be started.
        """
        if sys.platform != "linux":
            raise ConfigError(f"a program can be led by names on Linux only, this is {sys.platform}. {NEXT}")
        _check_name_services()
        outside = _listener()
        listen: list[tuple[str, int]] = []
        address = _LOOPBACK
        if outside is None:
            listen = [(address, PORT), (address, self._front.port)]
            # Address and port of gateway and front are those of this network, and not of the program's own.
            environment = {**environment, **self._in_own_network()}
        else:
            address = outside.getsockname()[0]
            self._front.serve(outside)
        covers = self._covers(address)
        work = {"covers": covers, "listen": listen, "own_network": outside is None, "command": list(command)}
        process, listeners = await _start(work, environment)
        for listener in listeners:
            self._front.serve(listener)
        return process

    def _in_own_network(self) -> dict[str, str]:
        """Return the variables that differ for a program that has a network of its own."""
        if self._front.host != _LOOPBACK:
            raise ConfigError(
                f"a program led by names has a network of its own here, without {self._front.host}: leave "
                f"--attach-host out, or run as a user who may listen on port {PORT}"
            )
        return {"SLACK_API_URL": f"https://{ZONE}/api/"}

    def _covers(self, address: str) -> list[tuple[str, str]]:
        """Write the hosts file; return which files of the machine show which of ours."""
        self._write_hosts(address)
        bundles = [path for path in SYSTEM_BUNDLES if Path(path).is_file()]
        return [(str(HOSTS_FILE), str(self._file)), *((path, str(self._bundle)) for path in bundles)]

    def _write_hosts(self, address: str) -> None:
        """Write the machine's hosts file with other addresses for the intercepted names."""
        ours = set(self._names)
        try:
            known = HOSTS_FILE.read_text(errors="replace").splitlines()
        except OSError as error:
            raise ConfigError(f"{HOSTS_FILE} cannot be read: {error.strerror or error}") from None
        kept = [line for line in known if not ours & set(line.partition("#")[0].split()[1:])]
        text = "\n".join([*kept, *(f"{address} {name}" for name in self._names)]) + "\n"
        try:
            replace_private(self._file, text.encode())
            self._file.chmod(0o644)  # the program may change to another user
        except OSError as error:
            raise ConfigError(f"{self._file} cannot be written: {error.strerror or error}") from None


def _listener() -> socket.socket | None:
    """Return a socket that listens on port 443 of a free address of loopback; None if that is not permitted.

    Raises:
        ConfigError: something else listens on all of them.
    """
    for _ in range(TRIES):
        address = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
        try:
            return socket.create_server((address, PORT))
        except PermissionError:
            return None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(f"port {PORT} of loopback cannot be used: {error.strerror or error}") from None
    return None


async def _start(
    work: dict[str, Any], environment: Mapping[str, str]
) -> tuple[asyncio.subprocess.Process, list[socket.socket]]:
    """Start the script inside, take its sockets, and let it become the program."""
    here, there = socket.socketpair()
    with here:
        with there:
            task = json.dumps({**work, "channel": there.fileno()})
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", inside.__file__, task, env=dict(environment), pass_fds=[there.fileno()]
            )
        here.setblocking(False)
        try:
            async with asyncio.timeout(PATIENCE):
                answer, listeners = await _receive(here)
                fault = json.loads(answer or b'{"error": "it ended without a word"}')
                if not fault:
                    await asyncio.get_running_loop().sock_sendall(here, b"1")
                    fault = json.loads(await asyncio.get_running_loop().sock_recv(here, MAX_ANSWER) or b"{}")
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
    if fault:
        await process.wait()
        for listener in listeners:
            listener.close()
        raise ConfigError(_explained(fault, work["command"]))
    return process, listeners


async def _receive(channel: socket.socket) -> tuple[bytes, list[socket.socket]]:
    """Return the answer of the script, and the sockets that come with it."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(channel, ready.set_result, None)
    try:
        await ready
    finally:
        loop.remove_reader(channel)
    answer, descriptors, _, _ = socket.recv_fds(channel, MAX_ANSWER, 2)
    return answer, [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _explained(fault: dict[str, Any], command: Sequence[str]) -> str:
    """Say what went wrong inside, and what to do."""
    if fault.get("step") == "start the program":
        return f"{command[0]} cannot be started: {fault['error']}"
    text = f"the program cannot be led by names: could not {fault.get('step', 'begin')}: {fault['error']}. "
    return text + (_forbidden() if fault.get("errno") in _FORBIDDEN else NEXT)


def _forbidden() -> str:
    """Say which setting of the machine forbids namespaces to users."""
    for name, forbidding in (
        ("kernel.unprivileged_userns_clone", "0"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1"),
        ("user.max_user_namespaces", "0"),
    ):
        file = SETTINGS / name.replace(".", "/")
        if file.is_file() and file.read_text().strip() == forbidding:
            return (
                f"The setting {name} = {forbidding} forbids it to users: change it with sysctl, or run as root. {NEXT}"
            )
    return f"The machine forbids namespaces to this user, as containers do. {NEXT}"


def _check_name_services() -> None:
    """Check that names are looked up in the hosts file first: systemd-resolved reads that of the machine.

    Raises:
        ConfigError: they are not.
    """
    try:
        line = re.search(r"^hosts:(.*)$", NAME_SERVICES.read_text(errors="replace"), re.MULTILINE)
    except FileNotFoundError:  # as with musl, which reads the hosts file first
        return
    services = [] if line is None else re.sub(r"\[.*?\]", " ", line[1]).split()
    before = services[: services.index("files")] if "files" in services else services
    if services and set(before) & {"resolve", "dns"}:
        raise ConfigError(
            f"{NAME_SERVICES} has {' '.join(services)!r} for hosts: put 'files' before {before[-1]!r}, or the program "
            "does not see its hosts file"
        )
