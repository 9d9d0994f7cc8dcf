"""The asyncio client: what a program calls, and nothing else. The work is done by its parts (``client/parts``).

A ``Supervisor`` keeps a connection up, a ``Delivery`` brings what it says to the handlers, a ``Sending`` sends frames.
``client/blocking/client`` runs this very client on a loop of its own.
"""

import asyncio
import signal
import ssl as ssl_module
from collections.abc import Iterable, Mapping
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, Unpack, overload

from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.backfill.options import Backfill
from tautwire.client.connection.replies import Reply
from tautwire.client.errors import ClientClosed, ConnectError, NotConnected
from tautwire.client.handlers.client_handlers import ClientHandlers
from tautwire.client.handlers.dispatcher import Dispatcher
from tautwire.client.handlers.workers import HANDLER
from tautwire.client.metrics import Metrics
from tautwire.client.net.web_client import web_client
from tautwire.client.notices import ClientState, Identity, Ready
from tautwire.client.parts import Parts, open_tracing
from tautwire.client.sending.sending import said, users
from tautwire.client.settings import Offline, Settings, check_seconds
from tautwire.client.signals import stopping, waking
from tautwire.client.view.loader import Loader
from tautwire.client.view.options import ViewOptions
from tautwire.client.view.view import View
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.frames import (
    Ack,
    ClientFrame,
    Message,
    PingMessage,
    Pong,
    PresenceQuery,
    PresenceSub,
    Tickle,
    Typing,
)
from tautwire.protocol.ids import ChannelId, Ts
from tautwire.protocol.tokens import Token
from tautwire.session.client import Timeouts
from tautwire.session.governor import Backoff
from tautwire.session.ratelimit import Rate

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

GRACE: Final = 2.0
"""Seconds ``close`` gives to handlers that are at work or have work waiting."""


class ClientOptions(TypedDict, total=False):
    """The options of both clients, as keyword arguments; see ``RTMClient``."""

    dispatcher: Dispatcher | None
    proxy: str | None
    ssl: ssl_module.SSLContext | None
    ca_file: str | PathLike[str] | None
    connect_timeout: float
    send_timeout: float
    offline: Offline
    message_rate: Rate | None
    auto_reconnect: bool
    timeouts: Timeouts | None
    patience: Timeouts | None
    backoff: Backoff | None
    backfill: Backfill | None
    metrics: Metrics | None
    tracer_provider: "TracerProvider | None"
    view: ViewOptions | None


class RTMClient(ClientHandlers):
    """A typed RTM client for asyncio. Handlers may come and go from any thread.

    All coroutine methods are for the loop that the client was connected on, until it is disconnected; on any other loop
    they raise ``RuntimeError``.

    Args:
        token: ``xoxb-…`` or ``xoxp-…``. Default: ``SLACK_BOT_TOKEN``.
        base_url: address of the Web API. Default: ``SLACK_API_URL``, else Slack's.
        options: any of these, by name:

            - ``dispatcher``: event handlers that were registered before there was a client.
            - ``proxy``: a proxy URL for HTTP and WebSocket; "" for none. Default: as the environment says.
            - ``ssl``: TLS settings for HTTP and WebSocket.
            - ``ca_file``: a file with the certificate of a CA of your own, trusted besides the system's; instead of
              ``ssl``.
            - ``connect_timeout``: seconds for ``rtm.connect``, and again for opening the socket (30).
            - ``send_timeout``: seconds a frame waits for a connection to come back (30). A message may wait longer for
              its turn while there is one, see ``message_rate``.
            - ``offline``: what ``send`` does while there is no connection but one is being made: ``"wait"`` (the
              default); ``"fail"``; or ``"drop"``, which forgets typing, presence queries and tickles, and fails for the
              others.
            - ``message_rate``: how fast messages go out, as a ``Rate`` (1 a second, 10 at once); None for no limit.
            - ``auto_reconnect``: whether a lost connection is replaced (True).
            - ``timeouts``: seconds to wait for hello, replies and signs of life, as a ``Timeouts``.
            - ``patience``: the former name of ``timeouts``; it works with a ``DeprecationWarning``.
            - ``backoff``: how attempts to connect are spread, as a ``Backoff``.
            - ``backfill``: channels whose messages are read from their history after a gap the server does not fill.
            - ``metrics``: hooks that are called with what the client does.
            - ``tracer_provider``: that of OpenTelemetry, for traces of messages, calls and connecting.
            - ``view``: which parts of the workspace are kept in ``view``.

    Raises:
        ConfigError: there is no token, an address or a file is not one, or another setting has a value it cannot have.
        TypeError: there is no option of a name.
    """

    def __init__(
        self, token: Token | str | None = None, base_url: str | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        dispatcher, backfill = options.pop("dispatcher", None) or Dispatcher(), options.pop("backfill", None)
        metrics, view_options = options.pop("metrics", None), options.pop("view", None)
        tracing = open_tracing(options.pop("tracer_provider", None))
        self.settings = settings = Settings.of(token, base_url, **options)
        """The settings in force, those from the environment included."""
        self.web: AsyncWebClient = web_client(settings)
        """slack_sdk's Web API client, with the same token, address, proxy and TLS."""
        if tracing is not None:
            tracing.trace_calls(self.web)
        parts = Parts(
            self, dispatcher, settings, metrics=metrics, backfill=backfill, view_options=view_options, tracing=tracing
        )
        super().__init__(dispatcher, parts.callbacks)
        self.lifecycle = parts.lifecycle
        """When the functions of the client's life run; not for users."""
        self.delivery = parts.delivery
        """The receiving half; not for users."""
        self.sending = parts.sending
        """The sending half; not for users."""
        self.closing = parts.closing
        """The end; not for users."""
        self._supervisor = parts.supervisor
        self._parts = parts

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state.value} at {self.settings.base_url}>"

    # -- looking --------------------------------------------------------------------------------------------

    @property
    def state(self) -> ClientState:
        """Where the client is in its life."""
        return self._supervisor.state

    @property
    def is_connected(self) -> bool:
        """Whether a connection delivers events and takes frames."""
        return self._supervisor.connection is not None

    @property
    def failure(self) -> Exception | None:
        """Why the client gave up (``ConnectRefused``); None unless its state is FAILED, which outlives ``close``."""
        return self._supervisor.failure

    @property
    def identity(self) -> Identity:
        """Who is connected, and where: ``self`` and ``team`` of the last ``rtm.connect``.

        Raises:
            NotConnected: there was no connection yet.
        """
        if self._parts.identity is None:
            raise NotConnected
        return self._parts.identity

    @property
    def view(self) -> View:
        """Users, conversations and members, kept current by events.

        Raises:
            ConfigError: the client was made without one.
        """
        return self._required_loader().view

    def _required_loader(self) -> Loader:
        if self._parts.loader is None:
            raise ConfigError("this client keeps no view: give it view=ViewOptions()")
        return self._parts.loader

    async def load_view(self) -> None:
        """Read the view anew, or wait for the reading that is under way. Each hello that resumes nothing begins one.

        Raises:
            ViewIncomplete: something could not be read.
            NotConnected: the client was stopped meanwhile.
            ConfigError: the client was made without a view.
        """
        loader = self._required_loader()
        self._supervisor.check_loop()
        await self._supervisor.ready()
        await loader.load()

    @property
    def round_trip(self) -> float | None:
        """Seconds the last ping of this connection took; None before the first answer."""
        connection = self._supervisor.connection
        return None if connection is None else connection.round_trip

    @property
    def position(self) -> str | None:
        """Place in the workspace's log up to which events were delivered; None from a server without positions."""
        return self.delivery.position

    # -- connecting -----------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, and return after the hello. One attempt: a failure is raised, not repeated.

        From then on a lost connection is replaced in the background. Returns at once if connected; waits for the
        attempts under way if there are any. An attempt too many for the rate limit waits for its time.

        Raises:
            ConnectRefused: there is no use in trying again.
            RateLimited, ConnectError: another try may work.
            ClientClosed: after close().
        """
        self._supervisor.check_loop()
        try:
            await self.lifecycle.start()
            await self._supervisor.connect()
        except ConnectError as error:
            raise error.with_traceback(None) from None  # a traceback shows the caller, not the inside of the client

    async def wait_ready(self, timeout: float | None = None) -> Ready:  # noqa: ASYNC109 (as on the blocking client)
        """Wait until the client is connected, and return what its last hello brought.

        It begins no connection by itself, but waits for one, also before ``run()`` in another task has begun.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            TimeoutError: the client was not ready in time.
            ConnectRefused, ClientClosed: it never will be.
            RuntimeError: the caller is an on_start handler.
        """
        self._supervisor.check_loop()
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        return await self.lifecycle.wait_ready(timeout)

    async def reconnect(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (as on the blocking client)
        """Replace the connection by a new one, and return after its hello. The old one delivers until then.

        Attempts that fail are repeated. After ``timeout`` this gives up, but they go on, and the old connection stays.

        Args:
            timeout: seconds for it. Default: as long as one attempt may take, which is twice ``connect_timeout`` and
                ``timeouts.hello`` (75).

        Raises:
            ConnectError: no attempt succeeded in time; the text names the last failure.
            ConnectRefused: there is no use in trying again.
            ClientClosed: after close().
        """
        self._supervisor.check_loop()
        if timeout is None:
            timeout = 2 * self.settings.connect_timeout + self.settings.timeouts.hello
        check_seconds("timeout", timeout)
        try:
            await self.lifecycle.start()
            await self._supervisor.reconnect(timeout)
        except ConnectError as error:
            raise error.with_traceback(None) from None

    async def disconnect(self) -> None:
        """End the connection; connect() makes another. Handlers finish what was delivered. Safe in every state."""
        self._supervisor.check_loop()
        await self._supervisor.disconnect()
        await self.delivery.stop_reading()

    async def run(self, *, handle_signals: bool = True, grace: float = GRACE) -> signal.Signals | None:
        """Connect and serve until the client is disconnected or closed, or a signal comes, then close it.

        Unlike connect(), a first attempt that fails is repeated, unless ``auto_reconnect`` is off. Cancelling this ends
        the client at once.

        A first SIGINT (Ctrl-C) or SIGTERM closes the client; a second raises KeyboardInterrupt or ends the process.
        Only in the main thread, and not where a signal is ignored or has a handler of the program's own.

        Args:
            handle_signals: False leaves signals to the program around this, such as a library's or a TaskGroup's.
            grace: seconds for handlers to finish; see ``close``.

        Returns:
            The signal that ended it, else None. A script that ends then has the exit status 0.

        Raises:
            ConnectRefused: the server will not have us; ``state`` stays FAILED and ``failure`` says why.
            ConnectError: the first attempt failed, and ``auto_reconnect`` is off.
            NotConnected: the client's own tasks were cancelled from outside.
            ClientClosed: after close().
            Exception: what an on_start handler raised.
        """
        self._supervisor.check_loop()
        if self.closing.has_begun:
            raise ClientClosed
        loop = asyncio.get_running_loop()
        came: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            came.append(number)
            loop.call_soon_threadsafe(self.closing.begin_for_signal, number, grace)

        with stopping(stop, wanted=handle_signals), waking(loop):
            try:
                await self.lifecycle.start()
                await self._supervisor.run()
            except asyncio.CancelledError:
                await self.closing.close(0.0)
                raise
            except ConnectError as error:
                raise error.with_traceback(None) from None
            except ClientClosed:
                if not self.closing.has_begun:
                    raise
            finally:
                await self.closing.close(grace)
        return came[0] if came else None

    async def close(self, grace: float = GRACE) -> None:
        """End everything for good: no task, thread or socket is left. Safe in every state, any number of times.

        Args:
            grace: seconds for on_stop handlers, and then for the other handlers, to finish; what runs longer is
                cancelled. All in all it takes about two seconds more at most. A thread that does not end is left
                behind, with a line in the log.
        """
        await self.close_for(HANDLER.get() or asyncio.current_task(), grace)

    async def close_for(self, caller: object, grace: float) -> None:
        """As ``close``; ``caller`` is the task or thread that waits, in case it is a handler's."""
        self._supervisor.check_loop()
        await asyncio.shield(self.closing.begin(grace, caller))

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.closing.close(GRACE)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.closing.close(GRACE)

    # -- sending --------------------------------------------------------------------------------------------

    @overload
    async def send(self, frame: Message) -> Ack: ...
    @overload
    async def send(self, frame: PingMessage) -> Pong: ...
    @overload
    async def send(self, frame: Typing | PresenceSub | PresenceQuery | Tickle) -> None: ...
    @overload
    async def send(self, frame: Mapping[str, Any] | str) -> Ack | Pong | None: ...

    async def send(self, frame: ClientFrame | Mapping[str, Any] | str) -> Reply | None:
        """Send a frame; for a message wait until it is stored, for a ping until it is answered.

        Args:
            frame: a frame, its members as a mapping, or its JSON text. A frame without ``id`` gets one.

        Returns:
            The ``Ack`` of a message (with its ``ts``), the ``Pong`` of a ping, None for any other frame.

        Raises:
            FrameError: the frame is too long, has a wrong member, or its id is taken. It was not sent.
            NotConnected: there is no connection. It was not sent.
            NotSent: 1,000 messages wait for their turn already, or as many as ``message_rate`` lets go in 1,000
                seconds if that is more. It was not sent.
            SendRefused: the server said no.
            SendUnknown: it was sent, but no reply of the right kind came: it may or may not be stored.

        To wait no longer than you like, put ``asyncio.timeout`` around it; a ``TimeoutError`` leaves open whether the
        frame was sent.
        """
        return await self.sending.send(frame)

    async def say(
        self, channel: str, text: str, *, thread_ts: str | None = None, reply_broadcast: bool | None = None
    ) -> Ack:
        """Post a text and return its ack; see ``send``. ``&``, ``<`` and ``>`` have to be escaped by then.

        Args:
            channel: the id of the conversation.
            text: up to 4,000 characters.
            thread_ts: the ts of the message to reply to.
            reply_broadcast: whether the reply is shown in the channel as well.
        """
        return await self.send(said(channel, text, thread_ts, reply_broadcast))

    async def typing(self, channel: str, *, thread_ts: str | None = None) -> None:
        """Show that we are typing; at most every three seconds."""
        thread = None if thread_ts is None else Ts(thread_ts)
        await self.send(Typing(ChannelId(channel), thread_ts=thread))

    async def ping(self) -> float:
        """Ask the server for a sign of life; return the seconds it took."""
        return await self.sending.ping()

    async def presence_query(self, ids: Iterable[str]) -> None:
        """Ask once for the presence of up to 500 users; the answers are presence_change events."""
        await self.send(PresenceQuery(users(ids)))

    async def presence_sub(self, ids: Iterable[str]) -> None:
        """Replace the list of users whose presence changes are sent to us, on this connection and every later one.

        Returns at once, also while there is no connection.

        Raises:
            FrameError: it is no list of ids, or too long a one.
            ClientClosed: after close().
        """
        await self.send(PresenceSub(users(ids)))
