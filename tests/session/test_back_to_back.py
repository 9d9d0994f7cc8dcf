"""Both sessions back to back, without sockets: whatever happens in whatever order, the promises hold.

No id gets two replies, no event arrives before hello, and events arrive in the order they were delivered, each once.
"""

import json
from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.events import GoodbyeEvent, HelloEvent, UserTypingEvent
from tautwire.protocol.frames import Message, Typing
from tautwire.protocol.ids import ChannelId, ts_from_micros
from tautwire.session import client as client_side
from tautwire.session import server as server_side
from tautwire.session.outgoing import prepare
from tautwire.session.ratelimit import Rate


class BackToBack(RuleBasedStateMachine):
    """A client session, a server session, and a wire in each direction that keeps order and loses nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.client = client_side.ClientSession(self.now)
        self.server = server_side.ServerSession(message_rate=Rate(per_second=1.0, burst=4))
        self.to_server: deque[bytes] = deque()
        self.to_client: deque[bytes] = deque()
        self.pending: list[int | None] = []  # messages the server has taken and not answered
        self.sent_ids: list[int] = []
        self.settled: list[int] = []
        self.expired: list[int] = []
        self.answered: set[int] = set()
        self.delivered: list[str] = []
        self.heard: list[object] = []

    def put(self, payload: bytes) -> None:
        """Put a frame of the server on the wire; no id may be answered by two of them."""
        reply_to = json.loads(payload).get("reply_to")
        if reply_to is not None:
            assert reply_to not in self.answered
            self.answered.add(reply_to)
        self.to_client.append(payload)

    # -- the server ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.server.state is server_side.State.ACCEPTED)
    @rule()
    def welcome(self) -> None:
        self.put(self.server.welcome())

    @precondition(lambda self: self.server.is_live)
    @rule()
    def deliver(self) -> None:
        user = f"U{len(self.delivered)}"
        self.delivered.append(user)
        self.put(b'{"type":"user_typing","channel":"C1","user":"%b"}' % user.encode())

    @precondition(lambda self: self.to_server)
    @rule()
    def server_reads(self) -> None:
        outcome = self.server.receive(self.to_server.popleft(), self.now)
        match outcome:
            case server_side.Answer(payload):
                self.put(payload)
            case Message():
                self.pending.append(outcome.id)
            case server_side.Close():  # too fast for too long: the socket ends for both
                self.server.close()
                self.client.end("closed by the server", client_side.Cause.CLOSED)
                self.carry_out()

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), stored=st.booleans())
    def server_answers(self, data: st.DataObject, stored: bool) -> None:
        """Answers may come in any order."""
        frame_id = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        if stored:
            reply = self.server.acknowledge(frame_id, ts_from_micros(1_700_000_000_000_000 + (frame_id or 0)), "text")
        else:
            reply = self.server.reject(frame_id, RtmErrorCode.CANNOT_PROCESS)
        if reply is not None:
            self.put(reply)

    @precondition(lambda self: self.server.is_live)
    @rule()
    def goodbye(self) -> None:
        payload = self.server.goodbye()
        if payload is not None:
            self.put(payload)

    # -- the client ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.client.is_live)
    @rule(text=st.text(min_size=1, max_size=20))
    def client_sends(self, text: str) -> None:
        sent = self.client.send(prepare(Message(ChannelId("C1"), text)), self.now)
        self.sent_ids.append(sent.id)
        self.to_server.append(sent.payload)

    @precondition(lambda self: self.client.is_live)
    @rule()
    def client_types(self) -> None:
        self.to_server.append(self.client.send(prepare(Typing(ChannelId("C1"))), self.now).payload)

    @precondition(lambda self: self.to_client)
    @rule()
    def client_reads(self) -> None:
        self.read(1)

    @precondition(lambda self: self.to_client)
    @rule(count=st.integers(2, 10))
    def client_reads_many(self, count: int) -> None:
        """What came in together is read together."""
        self.read(count)

    def read(self, count: int) -> None:
        frames = [self.to_client.popleft() for _ in range(min(count, len(self.to_client)))]
        self.client.receive(frames, self.now)
        self.carry_out()

    @rule(seconds=st.floats(min_value=0.0, max_value=12.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.client.handle_time(self.now)
        self.carry_out()

    def carry_out(self) -> None:
        effects, self.client.effects = self.client.effects, []
        for effect in effects:
            match effect:
                case client_side.Deliver(arrivals):
                    self.heard += [event for event, _ in arrivals]
                case client_side.Transmit(payload):
                    self.to_server.append(payload)
                case client_side.Settled(sent, _, _):
                    self.settled.append(sent.id)
                case client_side.Expired(sent):
                    self.expired.append(sent.id)

    # -- what holds at every moment -----------------------------------------------------------------------------

    @invariant()
    def no_id_is_settled_twice(self) -> None:
        ends = self.settled + self.expired
        assert len(ends) == len(set(ends))
        assert set(ends) <= set(self.sent_ids)

    @invariant()
    def no_event_comes_before_hello(self) -> None:
        assert not self.heard or isinstance(self.heard[0], HelloEvent)

    @invariant()
    def events_come_in_order_and_once(self) -> None:
        users = [event.user for event in self.heard if isinstance(event, UserTypingEvent)]
        assert users == self.delivered[: len(users)]

    @invariant()
    def hello_and_goodbye_come_once(self) -> None:
        for kind in (HelloEvent, GoodbyeEvent):
            assert sum(isinstance(event, kind) for event in self.heard) <= 1

    @invariant()
    def what_is_unanswered_was_sent_and_is_open(self) -> None:
        assert {each.id for each in self.client.unanswered} <= set(self.sent_ids) - set(self.settled) - set(
            self.expired
        )

    def teardown(self) -> None:
        """Let everything arrive: then every message of a live session has exactly one end."""
        if not self.client.is_live or not self.server.is_live:
            return
        while self.to_server or self.pending or self.to_client:
            if self.to_server:
                self.server_reads()
            elif self.pending:
                reply = self.server.acknowledge(self.pending.pop(), ts_from_micros(1_700_000_000_000_000), "text")
                if reply is not None:
                    self.put(reply)
            else:
                self.client_reads()
        if self.server.is_live and self.client.is_live:
            assert sorted(self.settled + self.expired) == sorted(self.sent_ids)
            assert [event.user for event in self.heard if isinstance(event, UserTypingEvent)] == self.delivered


BackToBack.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestBackToBack = BackToBack.TestCase
