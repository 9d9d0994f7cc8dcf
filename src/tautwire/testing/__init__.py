"""For tests of bots: a real workspace in the test's process, with people, faults on demand and a clock to turn.

The server is the product's own, on a loop in a thread of its own and on a free port, so it serves blocking and asyncio
tests alike, with any client. pytest finds the fixtures ``workspace`` and ``blocking_workspace`` by itself; elsewhere
use ``Workspace`` and ``BlockingWorkspace`` as context managers.
"""

try:
    from tautwire.testing.calls import Call
    from tautwire.testing.channels import BlockingChannel, Channel
    from tautwire.testing.clock import TurnedClock
    from tautwire.testing.doors import CallRefused
    from tautwire.testing.faults import Faults
    from tautwire.testing.link import Link
    from tautwire.testing.names import UnknownName
    from tautwire.testing.observer import Line, Reaction
    from tautwire.testing.people import BlockingPerson, Person
    from tautwire.testing.plan import FOREVER
    from tautwire.testing.workspace import BlockingWorkspace, Workspace
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] == "tautwire":
        raise
    raise ModuleNotFoundError(
        f'tautwire.testing needs the server, which needs {error.name}: pip install "tautwire[testing]"',
        name=error.name,
    ) from error

__all__ = [
    "FOREVER",
    "BlockingChannel",
    "BlockingPerson",
    "BlockingWorkspace",
    "Call",
    "CallRefused",
    "Channel",
    "Faults",
    "Line",
    "Link",
    "Person",
    "Reaction",
    "TurnedClock",
    "UnknownName",
    "Workspace",
]
