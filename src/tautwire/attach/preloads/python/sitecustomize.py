"""Leads connections of this Python to the hosts in ATTACHED_FRONT to the front that it names.

Python imports a module of this name at its start; its folder is in PYTHONPATH. Without the variable it does nothing.
ATTACHED_FRONT is "HOST:PORT NAMES": the address of the front, and host names separated by commas, in which * stands
for letters, digits and hyphens. Libraries look for addresses with socket.getaddrinfo and connect to what it returns,
address and port; names in TLS and in headers stay as they are.
"""

import os
import sys


def _attach(value: str) -> None:
    import re
    import socket

    address, _, names = value.partition(" ")
    host, _, port = address.rpartition(":")
    patterns = "|".join(re.escape(name).replace("\\*", "[a-z0-9-]+") for name in names.split(","))
    intercepted = re.compile("(?:" + patterns + ")[.]?\\Z", re.IGNORECASE)
    look_up = socket.getaddrinfo

    def getaddrinfo(name: object, service: object, *args: object, **kwargs: object) -> object:
        text = name.decode("latin-1") if isinstance(name, bytes) else name
        if isinstance(text, str) and intercepted.match(text):
            name, service = host, int(port)
        return look_up(name, service, *args, **kwargs)  # type: ignore[arg-type]

    socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]


def _run_next() -> None:
    """Run the sitecustomize that would have been found without this one, such as that of the distribution."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    own = os.path.dirname(os.path.abspath(__file__))
    paths = [path for path in sys.path if os.path.abspath(path or ".") != own]
    spec = PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("ATTACHED_FRONT"):
    _attach(os.environ["ATTACHED_FRONT"])
_run_next()
