"""The blocking client: ``RTMClient`` on a loop in a thread of its own, with the same verbs.

Nothing is decided here. Each verb hands its coroutine to the loop and waits for the result, so both clients behave
alike by construction. Why it is no generated twin: docs/adr/0003-blocking-client.md.
"""

import signal
import threading
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack, cast, overload

from slack_sdk.web import WebClient

from tautwire.client.blocking.loop_thread import LoopThread
from tautwire.client.errors import ClientClosed, ConnectError
from tautwire.client.handlers.client_handlers import ClientHandlers
from tautwire.client.handlers.dispatcher import Dispatcher
from tautwire.client.net.web_client import blocking_web_client
from tautwire.client.notices import ClientState, Identity, Ready
from tautwire.client.rtm_client import GRACE, ClientOptions, RTMClient
from tautwire.client.sending.sending import said
from tautwire.client.signals import stopping
from tautwire.client.view.view import View
from tautwire.protocol.frames import Ack, Message, PingMessage, Pong, PresenceQuery, PresenceSub, Tickle, Typing
from tautwire.protocol.tokens import Token

R = TypeVar("R")

_BLOCKED: Final = 1.0
"""Seconds after a signal until a loop that did not notice it counts as blocked."""

_SLACK: Final = 3.0
"""Seconds on top of the grace that an end after a signal may take."""


class BlockingRTMClient(ClientHandlers):
    """A typed RTM client for programs without a loop, or beside one: from any thread, in a shell, in a notebook.

    Plain handlers run in threads of their own, where they may call every method of the client and ``web``. The first
    call starts a background thread; ``close`` ends it. Signals are handled while ``run`` is at work only.

    Takes the arguments of ``RTMClient``.
    """

    def __init__(
        self, token: Token | str | None = None, base_url: str | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        dispatcher = options["dispatcher"] = options.get("dispatcher") or Dispatcher()
        dispatcher.put_before(self)
        try:
            self._client = RTMClient(token, base_url, **options)
        except BaseException:
            dispatcher.put_before(None)
            raise
        super().__init__(self._client.dispatcher, self._client.callbacks)
        self.lifecycle = self._client.lifecycle
        """When the functions of the client's life run; not for users."""
        self.settings = self._client.settings
        """See ``RTMClient.settings``."""
        self.web: WebClient = blocking_web_client(self.settings)
        """slack_sdk's blocking Web API client, with the same token, address, proxy and TLS."""
        self._lock = threading.RLock()  # a signal handler may close the client while this thread is about to start it
        self._background: LoopThread | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state.value} at {self.settings.base_url}>"

    # -- looking --------------------------------------------------------------------------------------------

    @property
    def state(self) -> ClientState:
        """See ``RTMClient.state``."""
        state = self._client.state
        return ClientState.CLOSED if self._is_over and state is not ClientState.FAILED else state

    @property
    def is_connected(self) -> bool:
        """See ``RTMClient.is_connected``."""
        return not self._is_over and self._client.is_connected

    @property
    def failure(self) -> Exception | None:
        """See ``RTMClient.failure``."""
        return self._client.failure

    @property
    def identity(self) -> Identity:
        """See ``RTMClient.identity``."""
        return self._client.identity

    @property
    def round_trip(self) -> float | None:
        """See ``RTMClient.round_trip``."""
        return self._client.round_trip

    @property
    def position(self) -> str | None:
        """See ``RTMClient.position``."""
        return self._client.position

    @property
    def view(self) -> View:
        """See ``RTMClient.view``."""
        return self._client.view

    def load_view(self) -> None:
        """See ``RTMClient.load_view``."""
        self._wait(self._client.load_view())

    # -- connecting -----------------------------------------------------------------------------------------

    def connect(self) -> None:
        """See ``RTMClient.connect``. Events reach their handlers from now on, whatever this thread does."""
        self._wait_connected(self._client.connect())

    def wait_ready(self, timeout: float | None = None) -> Ready:
        """See ``RTMClient.wait_ready``."""
        return self._wait_connected(self._client.wait_ready(timeout))

    def reconnect(self, timeout: float | None = None) -> None:
        """See ``RTMClient.reconnect``."""
        self._wait_connected(self._client.reconnect(timeout))

    def disconnect(self) -> None:
        """See ``RTMClient.disconnect``."""
        with suppress(ClientClosed):
            self._wait(self._client.disconnect())

    def run(self, *, handle_signals: bool = True, grace: float = GRACE) -> signal.Signals | None:
        """See ``RTMClient.run``. A signal ends it in time also if a handler blocks the loop: that one is left behind.

        Raises:
            ClientClosed: the client was closed before, or a handler ended its loop.
        """
        background = self._started()  # a caller that must not wait gets its error before anything changes
        came: list[tuple[signal.Signals, float]] = []
        heard = threading.Event()

        def hear() -> None:
            heard.set()
            self._client.closing.begin_for_signal(came[0][0], grace)

        def stop(number: signal.Signals) -> None:
            came.append((number, monotonic()))
            with suppress(RuntimeError):  # the loop is closed
                background.loop.call_soon_threadsafe(hear)

        def is_late() -> bool:
            since = monotonic() - came[0][1] if came else 0.0
            return since > grace + _SLACK or (since > _BLOCKED and not heard.is_set())

        with stopping(stop, wanted=handle_signals):
            try:
                background.wait(self._client.run(handle_signals=False, grace=grace), is_late)
            except BaseException as error:
                is_wanted = bool(came) or self._is_closed
                self.close(grace=0.0)
                if isinstance(error, ConnectError):
                    raise error.with_traceback(None) from None
                if not (is_wanted and isinstance(error, ClientClosed)):
                    raise
            self.close()
        if background.fault is not None:
            raise ClientClosed from background.fault
        return came[0][0] if came else None

    def close(self, grace: float = GRACE) -> None:
        """See ``RTMClient.close``. Ends the background thread as well, or leaves it behind if a handler blocks it.

        Not for coroutine functions and inline handlers, which run in that thread. In a fork it does nothing.

        Args:
            grace: seconds for handlers to finish. All in all it takes three seconds more at most; a second call waits
                for the first one, but no longer than that.

        Raises:
            RuntimeError: the caller runs in the background thread. Nothing was done.
        """
        if self._background is not None:
            if self._background.is_forked:
                return
            self._background.check_caller()
        with self._lock:
            self._is_closed = True
        if self._background is not None:
            self._background.close(grace)

    def __enter__(self) -> Self:
        self._started()  # as in run()
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- sending --------------------------------------------------------------------------------------------

    @overload
    def send(self, frame: Message) -> Ack: ...
    @overload
    def send(self, frame: PingMessage) -> Pong: ...
    @overload
    def send(self, frame: Typing | PresenceSub | PresenceQuery | Tickle) -> None: ...
    @overload
    def send(self, frame: Mapping[str, Any] | str) -> Ack | Pong | None: ...

    def send(self, frame: Any) -> Ack | Pong | None:
        """See ``RTMClient.send``."""
        reply: Ack | Pong | None = self._wait(self._client.send(frame))
        return reply

    def say(
        self,
        channel: str,
        text: str,
        *,
        thread_ts: str | None = None,
        reply_broadcast: bool | None = None,
        timeout: float | None = None,
    ) -> Ack:
        """See ``RTMClient.say``.

        Args:
            channel: the id of the conversation.
            text: up to 4,000 characters.
            thread_ts: the ts of the message to reply to.
            reply_broadcast: whether the reply is shown in the channel as well.
            timeout: seconds for everything: a connection, the message's turn, the reply. None: as long as the client's
                ``send_timeout``, ``message_rate`` and ``timeouts`` allow for each.

        Raises:
            NotSent: the time was over while the message waited.
            SendUnknown: the time was over after it was sent. Otherwise as ``RTMClient.send``.
        """
        frame = said(channel, text, thread_ts, reply_broadcast)
        return cast("Ack", self._wait(self._client.sending.send(frame, timeout)))

    def typing(self, channel: str, *, thread_ts: str | None = None) -> None:
        """See ``RTMClient.typing``."""
        self._wait(self._client.typing(channel, thread_ts=thread_ts))

    def ping(self) -> float:
        """See ``RTMClient.ping``."""
        return self._wait(self._client.ping())

    def presence_query(self, ids: Iterable[str]) -> None:
        """See ``RTMClient.presence_query``."""
        self._wait(self._client.presence_query(ids))

    def presence_sub(self, ids: Iterable[str]) -> None:
        """See ``RTMClient.presence_sub``."""
        self._wait(self._client.presence_sub(ids))

    # -- the loop -------------------------------------------------------------------------------------------

    def _wait_connected(self, work: Coroutine[Any, Any, R]) -> R:
        """As ``_wait``, for what waits for a connection."""
        try:
            self._client.lifecycle.check_caller(threading.current_thread())
        except RuntimeError:
            work.close()
            raise
        try:
            return self._wait(work)
        except ConnectError as error:
            raise error.with_traceback(None) from None  # a traceback shows the caller, not the inside of the client

    def _wait(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the loop and wait for its outcome."""
        try:
            background = self._started()
        except BaseException:
            work.close()
            raise
        return background.wait(work)

    def _started(self) -> LoopThread:
        """Return the background, which the first call starts.

        Raises:
            RuntimeError: this thread or process cannot wait for it.
            ClientClosed: the client was closed.
        """
        if self._background is None:
            with self._lock:
                if self._background is None and not self._is_closed:
                    self._background = LoopThread(self._client.close_for, self._client.closing.callers.add)
        if self._background is not None:
            self._background.check_caller()
        if self._background is None or self._background.is_over:
            raise ClientClosed from None if self._background is None else self._background.fault
        if self._is_closed and not self._client.lifecycle.is_stopping_in(threading.current_thread()):
            raise ClientClosed
        return self._background

    @property
    def _is_over(self) -> bool:
        return self._is_closed or (self._background is not None and self._background.is_over)
