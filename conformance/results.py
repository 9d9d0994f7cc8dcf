"""The results of the runs on this machine: written by the tests, read by tools/conformance_table.py.

``results.json`` holds one JSON object: an ``Outcome`` for each client that was run, by the name of its directory.
"""

import fcntl
import json
from dataclasses import asdict
from pathlib import Path

from conformance.harness import Outcome
from conformance.programs import HERE, Client

FILE = HERE / "results.json"


def store(client: Client, outcome: Outcome, file: Path = FILE) -> None:
    """Put one client's outcome in the place of its last one."""
    with file.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        text = stream.read()
        everything = json.loads(text) if text else {}
        everything[client.name] = asdict(outcome)
        stream.truncate(0)
        stream.write(json.dumps(everything, indent=2, sort_keys=True) + "\n")


def load(file: Path = FILE) -> dict[str, Outcome]:
    """Return the outcomes by client name; none if nothing was run here."""
    if not file.is_file():
        return {}
    return {name: Outcome(**outcome) for name, outcome in json.loads(file.read_text()).items()}
