"""Starts a program in namespaces of its own: a script without a package, which ``tautwire.attach.namespace`` runs.

In the new mount namespace some files are covered by others, such as /etc/hosts; the machine and all other programs keep
theirs. If ports below 1024 are not to be had, the program also gets a network namespace, in which they are. The sockets
that listen there go to the process outside through a Unix socket: a socket stays in the namespace in which it was
made, so the process outside serves it without a way into that namespace. Then the program takes the place of this
script, under the user that started it.

One argument, a JSON object: ``channel`` (descriptor of the Unix socket), ``covers`` (pairs of a file and the file that
it shows), ``listen`` (pairs of address and port), ``own_network``, ``command``. What goes wrong is written to the
channel as a JSON object with ``step`` and ``error``.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000  # linux/sched.h
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18  # linux/mount.h
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h

libc = ctypes.CDLL(None, use_errno=True)
step = "read what to do"


def check(result: int) -> None:
    """Raise the error of a call of the C library that failed."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def new_user_namespace(flags: int, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    """Enter new namespaces, in which user and group have other numbers."""
    check(libc.unshare(CLONE_NEWUSER | flags))
    # Without this a process without privilege may not write gid_map: user_namespaces(7).
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside[0]} {outside[0]} 1"),
        ("gid_map", f"{inside[1]} {outside[1]} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123, for a quick start
            file.write(text)


def mount(source: str, target: str, flags: int) -> None:
    """Mount; errors carry the target."""
    try:
        check(libc.mount(source.encode(), target.encode(), None, flags, None))
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {target}") from None


def loopback_up() -> None:
    """Switch on the loopback interface, which is down in a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def listener(address: str, port: int) -> socket.socket:
    """Return a socket that listens."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((address, port))
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {address}:{port}") from None
    made.listen(128)
    return made


def main() -> None:
    """Enter the namespaces, hand out the sockets, and become the program."""
    global step  # noqa: PLW0603, what the error is about
    work = json.loads(sys.argv[1])
    channel = socket.socket(fileno=work["channel"])
    channel.set_inheritable(False)  # the process outside sees it close when the program has begun
    try:
        user, group = os.geteuid(), os.getegid()
        step = "enter new namespaces"
        flags = CLONE_NEWNS | (CLONE_NEWNET if work["own_network"] else 0)
        if user == 0:
            check(libc.unshare(flags))
        else:
            new_user_namespace(flags, (0, 0), (user, group))  # as root of it, or mount is refused
        step = "cover files"
        mount("none", "/", MS_REC | MS_PRIVATE)
        for shown, file in work["covers"]:
            mount(file, shown, MS_BIND)
        step = "listen"
        if work["own_network"]:
            loopback_up()
        sockets = [listener(address, port) for address, port in work["listen"]]
        step = "take the own user again"
        if user != 0:
            new_user_namespace(0, (user, group), (0, 0))
        step = "hand out the sockets"
        descriptors = [made.fileno() for made in sockets]
        if descriptors:
            socket.send_fds(channel, [b"{}"], descriptors)
        else:
            channel.sendall(b"{}")
        if channel.recv(1) != b"1":  # the process outside serves the sockets now, or has ended
            sys.exit(1)
        step = "start the program"
        command = work["command"]
        os.execvp(command[0], command)  # noqa: S606 - it is the operator's own
    except OSError as error:
        channel.sendall(
            json.dumps({"step": step, "errno": error.errno, "error": error.strerror or str(error)}).encode()
        )
        sys.exit(127)


if __name__ == "__main__":
    main()
