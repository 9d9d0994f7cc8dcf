"""For tests of bots: a real workspace in the test's process, with people, faults on demand and a clock to turn.

The server is the product's own, on a loop in a thread of its own and on a free port, so it serves blocking and asyncio
tests alike, with any client. pytest finds the fixtures ``workspace`` and ``blocking_workspace`` by itself; elsewhere
use ``Workspace`` and ``BlockingWorkspace`` as context managers.
"""

from tautwire.testing.clock import TurnedClock
from tautwire.testing.faults import Faults
from tautwire.testing.link import Link
from tautwire.testing.observer import Line
from tautwire.testing.plan import FOREVER
from tautwire.testing.workspace import BlockingWorkspace, Workspace

__all__ = ["FOREVER", "BlockingWorkspace", "Faults", "Line", "Link", "TurnedClock", "Workspace"]
