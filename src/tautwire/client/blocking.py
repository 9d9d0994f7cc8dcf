"""The blocking client: ``RTMClient`` on a loop in a thread of its own, with the same verbs.

Nothing is decided here. Each verb hands its coroutine to the loop and waits for the result, so both clients behave
alike by construction. Why it is no generated twin: docs/adr/0003-blocking-client.md.
"""

import asyncio
import concurrent.futures
import ssl as ssl_module
import threading
from collections.abc import Coroutine, Iterable, Mapping
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from slack_sdk.web import WebClient

from tautwire.client.backfill import Backfill
from tautwire.client.dispatcher import Dispatcher
from tautwire.client.errors import ClientClosed
from tautwire.client.grant import Identity
from tautwire.client.interrupts import result_of
from tautwire.client.metrics import Metrics
from tautwire.client.registry import HandlerRegistry
from tautwire.client.rtm import GRACE, RTMClient
from tautwire.client.settings import MESSAGE_RATE, Offline
from tautwire.client.supervisor import ClientState
from tautwire.client.view import View, ViewOptions
from tautwire.protocol.frames import Ack, Message, PingMessage, Pong, PresenceQuery, PresenceSub, Tickle, Typing
from tautwire.protocol.tokens import Token
from tautwire.session.client import Patience
from tautwire.session.governor import Backoff
from tautwire.session.ratelimit import Rate

R = TypeVar("R")

_JOIN = 2.0
"""Seconds the loop's thread gets to end after everything on it was closed."""


class BlockingRTMClient(HandlerRegistry):
    """A typed RTM client for programs without a loop, or beside one: from any thread, in a shell, in a notebook.

    Plain handlers run in threads of their own, where they may call every method of the client and ``web``. The first
    call starts a background thread; ``close`` ends it. No signal handler is installed.

    Takes the arguments of ``RTMClient``.
    """

    def __init__(
        self,
        token: Token | str | None = None,
        base_url: str | None = None,
        *,
        dispatcher: Dispatcher | None = None,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | None = None,
        ca_file: str | PathLike[str] | None = None,
        connect_timeout: float = 30.0,
        send_timeout: float = 30.0,
        offline: Offline = "wait",
        message_rate: Rate | None = MESSAGE_RATE,
        auto_reconnect: bool = True,
        patience: Patience | None = None,
        backoff: Backoff | None = None,
        backfill: Backfill | None = None,
        metrics: Metrics | None = None,
        view: ViewOptions | None = None,
    ) -> None:
        self._client = RTMClient(
            token,
            base_url,
            dispatcher=dispatcher,
            proxy=proxy,
            ssl=ssl,
            ca_file=ca_file,
            connect_timeout=connect_timeout,
            send_timeout=send_timeout,
            offline=offline,
            message_rate=message_rate,
            auto_reconnect=auto_reconnect,
            patience=patience,
            backoff=backoff,
            backfill=backfill,
            metrics=metrics,
            view=view,
        )
        super().__init__(self._client.delivery)
        self.settings = self._client.settings
        """See ``RTMClient.settings``."""
        self.web: WebClient = self._client.settings.blocking_web_client()
        """slack_sdk's blocking Web API client, with the same token, address, proxy and TLS."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return repr(self._client).replace(RTMClient.__name__, type(self).__name__)

    # -- looking --------------------------------------------------------------------------------------------

    @property
    def state(self) -> ClientState:
        """See ``RTMClient.state``."""
        state = self._client.state
        return ClientState.CLOSED if self._is_closed and state is not ClientState.FAILED else state

    @property
    def is_connected(self) -> bool:
        """See ``RTMClient.is_connected``."""
        return self._client.is_connected

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
    def position(self) -> int | None:
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
        self._wait(self._client.connect())

    def reconnect(self) -> None:
        """See ``RTMClient.reconnect``."""
        self._wait(self._client.reconnect())

    def disconnect(self) -> None:
        """See ``RTMClient.disconnect``."""
        if not self._is_closed:
            self._wait(self._client.disconnect())

    def run(self) -> None:
        """See ``RTMClient.run``. Ctrl-C ends it at once, whatever the handlers do."""
        try:
            self._wait(self._client.run())
        except BaseException:
            self.close(grace=0.0)
            raise
        self.close()

    def close(self, grace: float = GRACE) -> None:
        """See ``RTMClient.close``. Ends the background thread as well."""
        with self._lock:
            is_first, self._is_closed = not self._is_closed, True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        if is_first:
            closing = asyncio.run_coroutine_threadsafe(self._client.close_for(threading.current_thread(), grace), loop)
            try:
                result_of(closing)
            finally:
                loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(_JOIN)

    def __enter__(self) -> Self:
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

    def say(self, channel: str, text: str, *, thread_ts: str | None = None, reply_broadcast: bool | None = None) -> Ack:
        """See ``RTMClient.say``."""
        return self._wait(self._client.say(channel, text, thread_ts=thread_ts, reply_broadcast=reply_broadcast))

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

    def _wait(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the loop and wait for its outcome."""
        try:
            loop = self._started()
        except BaseException:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return result_of(future)
        except concurrent.futures.CancelledError:
            raise ClientClosed from None
        except BaseException:  # Ctrl-C, among others: do not leave the work behind
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                raise ClientClosed
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="tautwire-client", daemon=True)
                self._thread.start()
            if threading.current_thread() is self._thread:
                raise RuntimeError(
                    "a coroutine function or inline handler runs on the client's loop and would wait for itself; "
                    "use a plain handler, or RTMClient"
                )
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_JOIN / 2))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())  # it looks up host names
        loop.close()
