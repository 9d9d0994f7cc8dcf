"""RTM for Python: a typed client, and a self-hosted server that existing RTM bots connect to unmodified.

This is the public face of the client: ``RTMClient``, ``BlockingRTMClient``, the frames they send, the events they
deliver (every class of ``tautwire.protocol.events``), and the errors they raise. A name is loaded when it is first
used, so that the server and the command do not pay for the client's libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tautwire.client.backfill.options import Backfill as Backfill
    from tautwire.client.blocking.client import BlockingRTMClient as BlockingRTMClient
    from tautwire.client.context import BlockingContext as BlockingContext
    from tautwire.client.context import Context as Context
    from tautwire.client.errors import BackfillIncomplete as BackfillIncomplete
    from tautwire.client.errors import ClientClosed as ClientClosed
    from tautwire.client.errors import ConnectError as ConnectError
    from tautwire.client.errors import ConnectRefused as ConnectRefused
    from tautwire.client.errors import EventsDropped as EventsDropped
    from tautwire.client.errors import NotConnected as NotConnected
    from tautwire.client.errors import NotSent as NotSent
    from tautwire.client.errors import RateLimited as RateLimited
    from tautwire.client.errors import SendRefused as SendRefused
    from tautwire.client.errors import SendUnknown as SendUnknown
    from tautwire.client.errors import UnreadableFrame as UnreadableFrame
    from tautwire.client.errors import ViewIncomplete as ViewIncomplete
    from tautwire.client.handlers.dispatcher import Dispatcher as Dispatcher
    from tautwire.client.handlers.dispatcher import HandlerObject as HandlerObject
    from tautwire.client.handlers.predicates import Predicate as Predicate
    from tautwire.client.handlers.predicates import from_bots as from_bots
    from tautwire.client.handlers.predicates import from_me as from_me
    from tautwire.client.handlers.predicates import from_people as from_people
    from tautwire.client.handlers.predicates import from_users as from_users
    from tautwire.client.handlers.predicates import in_channels as in_channels
    from tautwire.client.handlers.predicates import in_direct as in_direct
    from tautwire.client.handlers.predicates import in_threads as in_threads
    from tautwire.client.handlers.registration import Registration as Registration
    from tautwire.client.metrics import Metrics as Metrics
    from tautwire.client.metrics import Run as Run
    from tautwire.client.notices import Backfilled as Backfilled
    from tautwire.client.notices import ClientState as ClientState
    from tautwire.client.notices import Closed as Closed
    from tautwire.client.notices import Gap as Gap
    from tautwire.client.notices import Identity as Identity
    from tautwire.client.notices import Queue as Queue
    from tautwire.client.notices import Ready as Ready
    from tautwire.client.notices import Resume as Resume
    from tautwire.client.rtm_client import RTMClient as RTMClient
    from tautwire.client.view.options import ViewOptions as ViewOptions
    from tautwire.client.view.view import View as View
    from tautwire.protocol.errors import ConfigError as ConfigError
    from tautwire.protocol.errors import SendError as SendError
    from tautwire.protocol.errors import TautwireError as TautwireError
    from tautwire.protocol.events import *  # noqa: F403 (the list is kept there)
    from tautwire.protocol.frames import Ack as Ack
    from tautwire.protocol.frames import Message as Message
    from tautwire.protocol.frames import PingMessage as PingMessage
    from tautwire.protocol.frames import Pong as Pong
    from tautwire.protocol.frames import PresenceQuery as PresenceQuery
    from tautwire.protocol.frames import PresenceSub as PresenceSub
    from tautwire.protocol.frames import Tickle as Tickle
    from tautwire.protocol.frames import Typing as Typing
    from tautwire.protocol.split import split as split
    from tautwire.protocol.text import channel_link as channel_link
    from tautwire.protocol.text import date as date
    from tautwire.protocol.text import escape as escape
    from tautwire.protocol.text import link as link
    from tautwire.protocol.text import mention as mention
    from tautwire.protocol.text import unescape as unescape
    from tautwire.protocol.tokens import Token as Token
    from tautwire.session.client import Cause as Cause
    from tautwire.session.client import Timeouts as Timeouts
    from tautwire.session.governor import Backoff as Backoff
    from tautwire.session.members import FrameError as FrameError
    from tautwire.session.ratelimit import Rate as Rate

    Patience: TypeAlias = Timeouts

__version__ = "0.1.0"

_HOMES = {
    "client.backfill.options": ("Backfill",),
    "client.blocking.client": ("BlockingRTMClient",),
    "client.context": ("BlockingContext", "Context"),
    "client.errors": (
        "BackfillIncomplete",
        "ClientClosed",
        "ConnectError",
        "ConnectRefused",
        "EventsDropped",
        "NotConnected",
        "NotSent",
        "RateLimited",
        "SendRefused",
        "SendUnknown",
        "UnreadableFrame",
        "ViewIncomplete",
    ),
    "client.handlers.dispatcher": ("Dispatcher", "HandlerObject"),
    "client.handlers.predicates": (
        "Predicate",
        "from_bots",
        "from_me",
        "from_people",
        "from_users",
        "in_channels",
        "in_direct",
        "in_threads",
    ),
    "client.handlers.registration": ("Registration",),
    "client.metrics": ("Metrics", "Run"),
    "client.notices": ("Backfilled", "ClientState", "Closed", "Gap", "Identity", "Queue", "Ready", "Resume"),
    "client.rtm_client": ("RTMClient",),
    "client.view.options": ("ViewOptions",),
    "client.view.view": ("View",),
    "protocol.errors": ("ConfigError", "SendError", "TautwireError"),
    "protocol.frames": (
        "Ack",
        "Message",
        "PingMessage",
        "Pong",
        "PresenceQuery",
        "PresenceSub",
        "Tickle",
        "Typing",
    ),
    "protocol.split": ("split",),
    "protocol.text": ("channel_link", "date", "escape", "link", "mention", "unescape"),
    "protocol.tokens": ("Token",),
    "session.client": ("Cause", "Timeouts"),
    "session.governor": ("Backoff",),
    "session.members": ("FrameError",),
    "session.ratelimit": ("Rate",),
}
_FORMER = {"Patience": "Timeouts"}
"""Names from before, with those that took their place."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__all__":  # for a star import, which loads everything
        return sorted({*_HOME_OF, *import_module("tautwire.protocol.events").__all__})
    if name in _FORMER:
        return _former(name, _FORMER[name])
    home = _HOME_OF.get(name)
    if home is None and (name.startswith("_") or name not in import_module("tautwire.protocol.events").__all__):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"tautwire.{home or 'protocol.events'}"), name)
    globals()[name] = value
    return value


def _former(name: str, now: str) -> Any:
    import_module("tautwire.client.settings").warn_deprecated(
        f"tautwire.{name} is called {now} now: write from tautwire import {now}"
    )
    return __getattr__(now)  # not kept under the old name: every use of it warns


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF, *import_module("tautwire.protocol.events").__all__})
