"""A span for each message of an RTM connection, from its frame to its ack.

Frames of RTM carry no context of a trace, so each such span begins a trace. It has the ts of the message, as the span
of the client that sent it has.
"""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer, set_span_in_context, use_span

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Message, Typing
from tautwire.server.rtm.backend import Answer, Backend, Missed, Peer, Posted
from tautwire.server.traces.spans import fail
from tautwire.session.traces import MESSAGE_ID, message_attributes


class TracedAnswer:
    """Passes an answer on, and ends the span of its message."""

    __slots__ = ("_answer", "_span", "context")

    def __init__(self, answer: Answer, span: Span) -> None:
        self._answer = answer
        self._span = span
        self.context = set_span_in_context(span, Context())
        """For the spans of what is done later, such as the call of a gateway."""

    def __call__(self, posted: Posted | None, error: BaseException | None) -> None:
        """Answer; the span ends when the reply is queued."""
        try:
            self._answer(posted, error)
        finally:
            if posted is not None:
                self._span.set_attribute(MESSAGE_ID, posted.ts)
            elif error is not None:
                fail(self._span, error)
            self._span.end()


class TracedBackend:
    """A backend whose messages have spans."""

    def __init__(self, tracer: Tracer, backend: Backend) -> None:
        self._tracer = tracer
        self._backend = backend

    def post(self, peer: Peer, message: Message, answer: Answer) -> None:
        """Post the message within a span."""
        span = self._tracer.start_span(
            "process rtm message",
            Context(),  # a connection's callbacks may run in the context of the call that made it
            SpanKind.CONSUMER,
            {
                **message_attributes("message", "process", message.channel),
                "messaging.client.id": str(peer.number),
                "user.id": peer.user,
            },
        )
        with use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                self._backend.post(peer, message, TracedAnswer(answer, span))
            except BaseException as error:
                fail(span, error)
                span.end()
                raise

    def catch_up(self, peer: Peer, position: int) -> Missed:
        """See ``Backend``; so are the other methods."""
        return self._backend.catch_up(peer, position)

    def live(self, peer: Peer) -> None:
        """See ``Backend``."""
        self._backend.live(peer)

    def ended(self, peer: Peer) -> None:
        """See ``Backend``."""
        self._backend.ended(peer)

    def type(self, peer: Peer, typing: Typing) -> RtmErrorCode | None:
        """See ``Backend``."""
        return self._backend.type(peer, typing)

    def subscribe_presence(self, peer: Peer, users: Sequence[str]) -> RtmErrorCode | None:
        """See ``Backend``."""
        return self._backend.subscribe_presence(peer, users)

    def query_presence(self, peer: Peer, users: Sequence[str]) -> None:
        """See ``Backend``."""
        self._backend.query_presence(peer, users)

    def tickle(self, peer: Peer) -> None:
        """See ``Backend``."""
        self._backend.tickle(peer)
