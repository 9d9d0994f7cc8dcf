"""The results of the runs on this machine: written by the tests, read by tools/conformance_table.py.

One JSON object in ``results.json``, by the client's directory name: title, language, version, steps (true if passed),
extra (the same for the steps of its own guide), notes by step.
"""

import fcntl
import json
from pathlib import Path
from typing import Any

from conformance.harness import EXTRA_STEPS, STEPS, Outcome
from conformance.programs import HERE, Client

FILE = HERE / "results.json"


def store(client: Client, outcome: Outcome, file: Path = FILE) -> None:
    """Put one client's outcome in the place of its last one."""
    with file.open("a+") as results:
        fcntl.flock(results, fcntl.LOCK_EX)
        results.seek(0)
        text = results.read()
        everything: dict[str, Any] = json.loads(text) if text else {}
        everything[client.name] = {
            "title": client.title,
            "language": client.language,
            "version": outcome.version,
            "steps": {step.__name__: step.__name__ not in outcome.failures for step in STEPS},
            "extra": {step.__doc__: step.__name__ not in outcome.failures for step in EXTRA_STEPS.get(client.name, ())},
            "notes": outcome.notes,
        }
        results.truncate(0)
        results.write(json.dumps(everything, indent=2, sort_keys=True) + "\n")
