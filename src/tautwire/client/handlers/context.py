"""What handlers may be given beside the event: marks by which parameters are known, and what contexts share.

The contexts themselves know the clients, and so stand above them (``client/context``).
"""

from typing import Any, ClassVar, Final, Generic, TypeVar

from tautwire.client.handlers.event_facts import message_of, thread_of, user_of
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.events import Event
from tautwire.protocol.events.conversation import conversation_of


class AnyClient:
    """What both clients are: a parameter annotated with a subclass is filled with the client that runs."""


class Clients:
    """The client that runs, as handlers are given it. Each is None until there is one."""

    def __init__(self) -> None:
        self.on_loop: AnyClient | None = None
        """For coroutine handlers: always the asyncio client, also inside a blocking one."""
        self.in_threads: AnyClient | None = None
        """For plain handlers: the blocking client if there is one, else the asyncio client."""

    def get(self, *, is_async: bool) -> AnyClient:
        """Return the client for a kind of handler.

        Raises:
            ConfigError: there is none yet.
        """
        client = self.on_loop if is_async else self.in_threads
        if client is None:
            raise ConfigError("this dispatcher has no client yet: give it to one, as in RTMClient(dispatcher=…)")
        return client


C = TypeVar("C", bound=AnyClient)


class AnyContext(Generic[C]):
    """What contexts of both kinds are: an event, what it is about, and the client that got it."""

    IS_BLOCKING: ClassVar[bool]
    """Whether it is for plain handlers, and its verbs block."""

    def __init__(self, client: C, event: Event) -> None:
        self.client: Final[C] = client
        """The client that got the event."""
        self.event: Final = event
        """The event itself."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.event!r}>"

    @property
    def channel(self) -> str:
        """The id of the conversation the event belongs to; "" for an event of the whole workspace."""
        return conversation_of(self.event)

    @property
    def user(self) -> str | None:
        """The id of the user the event comes from, of an edited message its author; None if the event names none."""
        return user_of(self.event)

    @property
    def message_ts(self) -> str | None:
        """The ts of the message the event is about: new, edited, reacted to, pinned. None if there is none."""
        return message_of(self.event)

    @property
    def thread_ts(self) -> str | None:
        """The ts of the parent of the thread the event happened in; None outside of threads."""
        return thread_of(self.event)

    def _where(self, in_thread: bool | None) -> tuple[str, str | None]:
        """Return the channel and the thread of a reply."""
        if not self.channel:
            raise ValueError(
                f"{self._kind} belongs to no conversation, so there is nowhere to reply: use client.say(channel, text)"
            )
        if in_thread is None or not in_thread:
            return self.channel, self.thread_ts if in_thread is None else None
        thread = self.thread_ts or self.message_ts
        if thread is None:
            raise ValueError(f"{self._kind} is about no message, so there is no thread to reply in")
        return self.channel, thread

    def _reaction(self, name: str) -> dict[str, Any]:
        """Return the arguments of ``reactions.add``."""
        if not self.channel or self.message_ts is None:
            raise ValueError(f"{self._kind} is about no message, so there is nothing to react to")
        return {"channel": self.channel, "timestamp": self.message_ts, "name": name.strip(":")}

    @property
    def _kind(self) -> str:
        return type(self.event).__name__
