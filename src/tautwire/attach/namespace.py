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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tautwire.attach import inside
from tautwire.attach.hosts import SOCKETS, Hosts
from tautwire.attach.trust import SYSTEM_BUNDLES
from tautwire.protocol.errors import ConfigError
from tautwire.server.private_file import replace_private

PORT: Final = 443
HOSTS_FILE: Final = Path("/etc/hosts")
NAME_SERVICES: Final = Path("/etc/nsswitch.conf")
PATIENCE: Final = 10.0
"""Seconds that the script inside has for its work."""
MAX_ANSWER: Final = 4096
"""Bytes of the script's answer."""
TRIES: Final = 16
"""Addresses of loopback that are tried, where port 443 is taken by something else."""
NEXT: Final = "Give the program the name slack.com another way: docs/how-to/gateway-cookbook.md, 'By names'"

_FORBIDDEN: Final = (errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EUSERS)


class Names:
    """Starts a program that is led by names.

    Args:
        bundle: the roots of the system and ours.
        directory: for the hosts file.
        port: of the front, which programs are told as proxy.
        serve: called with a socket that listens; it serves the connections as the front does its own.
    """

    def __init__(
        self, hosts: Hosts, bundle: Path, directory: Path, port: int, serve: Callable[[socket.socket], None]
    ) -> None:
        self._names = sorted({name for name in hosts.names if "*" not in name} | {SOCKETS})
        self._bundle = bundle
        self._file = directory / "hosts"
        self._port = port
        self._serve = serve

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        """Start the program; return its process, whose number is that of the program.

        Raises:
            ConfigError: the machine forbids it, or the program cannot be started.
        """
        if sys.platform != "linux":
            raise ConfigError(f"a program can be led by names on Linux only, this is {sys.platform}. {NEXT}")
        _check_name_services()
        outside = _listener()
        environment = dict(environment)
        if outside is None:
            address, ports = "127.0.0.1", [PORT, self._port]
            environment["SLACK_API_URL"] = "https://slack.com/api/"  # the gateway's own port is not in its network
        else:
            address, ports = outside.getsockname()[0], []
        self._write_hosts(address)
        covers = [(str(HOSTS_FILE), str(self._file))]
        covers += [(path, str(self._bundle)) for path in SYSTEM_BUNDLES if Path(path).is_file()]
        work: dict[str, Any] = {
            "covers": covers, "listen": [(address, port) for port in ports], "own_network": outside is None,
            "command": list(command),
        }  # fmt: skip
        try:
            process, listeners = await _start(work, environment)
        except BaseException:
            if outside is not None:
                outside.close()
            raise
        for listener in listeners if outside is None else (outside,):
            listener.setblocking(False)
            self._serve(listener)
        return process

    def _write_hosts(self, address: str) -> None:
        """Write the machine's hosts file with other addresses for the intercepted names."""
        known = HOSTS_FILE.read_text(errors="replace").splitlines()
        ours = set(self._names)
        kept = [line for line in known if not ours & set(line.partition("#")[0].split()[1:])]
        text = "\n".join([*kept, *(f"{address} {name}" for name in self._names)]) + "\n"
        try:
            replace_private(self._file, text.encode())
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
    loop.add_reader(channel, lambda: ready.done() or ready.set_result(None))
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
        file = Path("/proc/sys") / name.replace(".", "/")
        if file.is_file() and file.read_text().strip() == forbidding:
            return (
                f"The setting {name} = {forbidding} forbids it to users: change it with sysctl, or run as root. {NEXT}"
            )
    return f"The machine forbids namespaces to this user, as containers do. {NEXT}"


def _check_name_services() -> None:
    """See that names are looked up in the hosts file first: systemd-resolved reads that of the machine.

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
