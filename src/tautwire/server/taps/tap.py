"""The tap of one app: it reads the log from where the app is done, sends events, and notes what the app acknowledges.

Guarantees. Every event that a viewer (``viewers``) may see and to which the app subscribes is sent until it is
acknowledged or runs out of tries (``window``), also after a crash of the server, with the ids it had first. Events are
sent first in the order of the log. While the app is away, nothing is kept but positions; when it returns it gets what
it missed, as far back as ``keep`` says. What is held in memory is a page of the log and the window.

A tap is a task of its own that lives as long as the app has a connection. New entries only wake it, so an app that is
slow or dead delays neither other apps nor RTM. The viewers' channels move by the joins and leaves at their places in
the log (``log.catchup``): the app gets nothing from before a viewer came or after it left.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, Final, Protocol

from tautwire.protocol.ids import NEVER, ts_from_micros
from tautwire.server.clock import Clock
from tautwire.server.counts import Deliveries
from tautwire.server.hub.hub import Hub
from tautwire.server.log.catchup import SharedCatchUp
from tautwire.server.log.entry import Entry
from tautwire.server.log.tail import Audience, Tail, read_entries
from tautwire.server.services.access.subscriptions import Subscription
from tautwire.server.store.queries.log import find_marked
from tautwire.server.store.reader import Reader
from tautwire.server.taps.composed import ComposedEvents, SlowAppError, topic_of
from tautwire.server.taps.envelope import Envelope, Source, rate_limited, wrap
from tautwire.server.taps.kinds import Kinds
from tautwire.server.taps.quota import Quota
from tautwire.server.taps.viewers import Installation, ViewedEvent, Viewers
from tautwire.server.taps.window import Open, Progress, Window

log = logging.getLogger("tautwire.server.taps")

STEPS_PER_TURN: Final = 25
"""Events that are sent in one turn of the loop, about 1 ms: RTM must not wait for apps."""
PAUSE: Final = 0.025
"""Seconds until a link without room is looked at again."""
RETRY_PAUSE: Final = 1.0
"""Seconds until the log is read again after the store could not be read."""


class Link(Protocol):
    """The way to an app, which a door gives to its tap."""

    @property
    def reports(self) -> bool:
        """Whether the door says what becomes of each event; else it is late when no acknowledgement comes."""

    @property
    def has_room(self) -> bool:
        """Whether an event can be sent now."""

    def notify(self, body: bytes) -> None:
        """Send something that is no event, once, if the door has a way for that."""

    def send(self, envelope: Envelope, attempt: int, reason: str, *, is_fresh: bool) -> int:
        """Send an event; return the number of the connection that has it now.

        Called only while there is room. What becomes of it, the door reports to ``Tap.acknowledged``, ``Tap.lost`` and
        ``Tap.failed``.

        Args:
            is_fresh: whether no try of it has failed yet.
        """


class Surroundings(Protocol):
    """The parts of a workspace that its taps share; ``taps.Taps`` is it."""

    team: str
    clock: Clock
    reader: Reader
    tail: Tail
    hub: Hub
    kinds: Kinds
    keep: float
    enforces_scopes: bool
    event_limit: int | None
    pauses: Sequence[float]
    counts: Deliveries


class Tap:
    """The tap of one app.

    Args:
        progress: how far the app is done.
    """

    def __init__(self, around: Surroundings, subscription: Subscription, progress: Progress) -> None:
        self._around = around
        now = around.clock.monotonic()
        self._installation: Installation = {}
        self._window = Window.restored(progress, around.pauses, around.clock.seconds() - now, now)
        self._composed = ComposedEvents(around.clock.micros())
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._page: deque[tuple[Entry, Collection[str]]] = deque()  # entries with the users who may see each
        self._page_kinds: dict[str, str] = {}
        self._page_end = progress[0]
        self._given_up = 0  # as it was counted last
        self._oldest_ts = NEVER
        self._quota = Quota(around.event_limit) if around.event_limit is not None else None
        self.change(subscription)

    @property
    def app(self) -> str:
        """The id of the app."""
        return self.subscription.app

    @property
    def settled(self) -> int:
        """The position up to which the app is done with the log."""
        return self._window.settled

    @property
    def progress(self) -> Progress:
        """How far the app is done, to be stored."""
        return self._window.progress

    @property
    def is_running(self) -> bool:
        """Whether it has a link."""
        return self._task is not None

    @property
    def open_events(self) -> int:
        """Events that wait for an acknowledgement."""
        return len(self._window)

    @property
    def read(self) -> int:
        """The position up to which it has looked at the log."""
        return self._window.read

    @property
    def given_up(self) -> int:
        """Events that ran out of tries since the start of the process."""
        return self._window.given_up

    @property
    def next_due(self) -> float | None:
        """When an event is looked at again, on the steady clock: for a further try, or as late."""
        return self._window.next_due

    def list_open(self, count: int) -> list[Open]:
        """Return the first events that wait for an acknowledgement, in the order of the log."""
        return self._window.list_open(count)

    def change(self, subscription: Subscription) -> None:
        """Take a new subscription, at once."""
        self.subscription = subscription
        self._renew_viewers()

    def install(self, installation: Installation) -> None:
        """Take the tokens that the app has now, at once. Without any it gets only the event that it has lost them."""
        if installation != self._installation:
            self._installation = installation
            self._renew_viewers()

    def _renew_viewers(self) -> None:
        self._sources: dict[str, Source] = {}
        self._viewers = Viewers(self.subscription, self._installation, enforces_scopes=self._around.enforces_scopes)
        self._news.set()

    def wake(self) -> None:
        """Have the task look for new entries, since the log has grown."""
        self._news.set()

    def sweep(self, now: float) -> None:
        """Look whether events are late; to be called about once a second."""
        due = self._window.next_due
        if due is not None and due <= now:
            self._news.set()
        self._around.counts.given_up += self._window.given_up - self._given_up
        self._given_up = self._window.given_up

    def start(self, link: Link) -> None:
        """Begin to send; the app has its first connection."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(link), name=f"tap of {self.app}")

    def stop(self) -> "asyncio.Task[None] | None":
        """Stop sending, and keep positions only; the app has no connection left. Return the task that ends."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._page.clear()
        self._window.lose()
        return task

    async def compose(self, members: dict[str, Any], connection: int = 0) -> Envelope:
        """Send an event that is not in the log by the way of those that are, and return its envelope.

        Args:
            members: those of the event, as RTM has it; ``event_ts`` is now if there is none.
            connection: the connection that it is meant for; 0 for any.

        Raises:
            BadEventError: it is none.
            SlowAppError: too much waits for the app.
        """
        topic = topic_of(members)
        kind = (await self._around.kinds.of((topic,))).get(topic)
        if not self._window.has_room:
            raise SlowAppError("too many events wait for the app: it acknowledges too slowly")
        now = ts_from_micros(self._around.clock.micros())
        place, composed = self._composed.add(
            self._window.read, {**members, "event_ts": members.get("event_ts", now)}, kind, self._window.needs
        )
        self._window.add(place, connection)
        self._news.set()
        return wrap(self._source(self._viewer), place[0], topic, composed.event)

    def retry(self, event_id: str | None = None) -> int:
        """Try at once what waits for its next try over HTTP; see ``Window.retry``."""
        self._news.set()
        return self._window.retry(event_id)

    def knows(self, event_id: str) -> bool:
        """Whether an event waits, is on its way, or can be tried once more."""
        return self._window.knows(event_id)

    @property
    def _viewer(self) -> str:
        """The user as whom the app gets what is made up for it: its bot, if it has one."""
        return next(filter(None, self._viewers.users), "")

    def acknowledged(self, envelope_id: str) -> bool:
        """Settle an event; return False if it is not open, as for a second acknowledgement."""
        had_room = self._window.has_room
        is_new = self._window.acknowledge(envelope_id)
        if is_new:
            self._around.counts.acknowledged += 1
            if not had_room:  # else the task waits for nothing that an acknowledgement brings
                self._news.set()
        return is_new

    def lost(self, connection: int) -> None:
        """Send again what a connection has that ended."""
        self._window.lose(connection)
        self._news.set()

    def failed(self, envelope_id: str, reason: str, *, may_retry: bool, tries: int = 1) -> None:
        """Send an event again later, or give it up, after a number of tries that failed; for a door that reports."""
        self._window.fail(envelope_id, reason, self._around.clock.monotonic(), may_retry=may_retry, tries=tries)
        self._news.set()

    async def _run(self, link: Link) -> None:
        is_returning = True
        while True:
            try:
                if is_returning:
                    await self._skip_old()
                    is_returning = False
                users = self._viewers.users
                await self._deliver(link, await self._cursor(users), users)
            except Exception:
                log.exception("the events of app %s could not be read; trying again", self.app)
                await asyncio.sleep(RETRY_PAUSE)
            self._page.clear()

    async def _skip_old(self) -> None:
        """Settle what is older than a returning app is served."""
        around = self._around
        if around.keep == 0:
            self._window.jump(around.tail.position)
        elif math.isfinite(around.keep):
            begin = max(0, around.clock.seconds() - int(around.keep))
            self._oldest_ts = ts_from_micros(begin * 1_000_000)
            old = await around.reader.read(lambda query: find_marked(query, begin) or 0)
            self._window.jump(old)

    async def _cursor(self, users: Collection[str]) -> SharedCatchUp:
        """Return the log from where it was read up to, as these users see it."""
        around, window = self._around, self._window
        missing = around.tail.kept_from - 1 - window.read
        if missing > 0:
            log.warning("app %s was away too long: %d entries of the log are deleted", self.app, missing)
            window.jump(around.tail.kept_from - 1)
        # In one turn: the channels are those at the end of the tail.
        cursor = SharedCatchUp(
            around.tail, around.reader, position=window.read, app=self.app,
            channels={user: around.hub.channels_of(user) for user in users},
        )  # fmt: skip
        await cursor.rewind()
        return cursor

    async def _deliver(self, link: Link, cursor: SharedCatchUp, users: Collection[str]) -> None:
        """Send what is owed and what is new, as fast as the app acknowledges, until there are other viewers."""
        window, clock, steps = self._window, self._around.clock, 0
        viewers: Viewers | None = None
        while True:
            if self._viewers is not viewers:
                viewers = self._viewers
                if not set(viewers.users).issubset(users):
                    return
            window.expire(clock.monotonic())
            if not link.has_room:
                await asyncio.sleep(PAUSE)
            elif window.has_owed:
                await self._send_owed(link)
            elif self._page and window.has_room:
                self._send_next(link)
            elif not self._page and not cursor.is_complete and window.has_room:
                await self._turn_page(cursor)
            else:
                await self._news.wait()
                self._news.clear()
            steps += 1
            if steps % STEPS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _source(self, viewer: str) -> Source:
        source = self._sources.get(viewer)
        if source is None:
            is_bot = viewer == self.subscription.bot_user
            source = self._sources[viewer] = Source(self._around.team, self.app, viewer, is_bot=is_bot)
        return source

    async def _turn_page(self, cursor: SharedCatchUp) -> None:
        entries = await cursor.page()
        wanted = [(entry, seen_by) for entry, seen_by in entries if self._viewers.may_want(entry)]
        self._page_kinds = await self._around.kinds.of(entry.topic for entry, _ in wanted)
        self._page.extend(wanted)
        if not self._page:
            self._window.read = cursor.position
        self._page_end = cursor.position

    def _send_next(self, link: Link) -> None:
        """Send the events of the next entry of the page."""
        entry, seen_by = self._page.popleft()
        for viewed in self._wanted(entry, self._page_kinds, seen_by):
            if self._quota is not None and not self._quota.take(self._around.clock.monotonic()):
                self._drop(link, self._quota)
                continue
            self._send(link, self._window.open((entry.position, viewed.event.ordinal)), entry.topic, viewed)
        self._window.read = entry.position if self._page else self._page_end

    def _drop(self, link: Link, quota: Quota) -> None:
        """Count an event that is not sent, and send a notice once a minute."""
        clock = self._around.clock
        self._around.counts.dropped += 1
        if quota.is_notice_due(clock.monotonic()):
            log.warning("app %s has had app_event_limit events in an hour; more are dropped", self.app)
            seconds = clock.seconds()
            link.notify(rate_limited(self._source(""), seconds - seconds % 60))

    async def _send_owed(self, link: Link) -> None:
        """Send the next event that is owed; its bytes are read from the log again."""
        event = self._window.take_owed()
        if event is None:
            return
        try:
            found = await self._read_again(event)
        except BaseException:  # also if this task is cancelled here
            self._window.give_back(event)
            raise
        if not self._window.is_open(event):  # acknowledged meanwhile
            return
        if found is None:  # deleted, too old, or not subscribed to any more
            self._window.drop(event)
        elif link.has_room:
            self._around.counts.repeated += event.attempt > 0
            self._send(link, event, *found)
        else:
            self._window.give_back(event)

    async def _read_again(self, event: Open) -> tuple[str, ViewedEvent] | None:
        """Return the topic and the event of an open event."""
        composed = self._composed.find(event.place)
        if composed is not None:
            return composed.topic, ViewedEvent(composed.event, self._viewer)
        position, ordinal = event.place
        entry = await self._entry(position)
        if entry is None:
            return None
        kinds = await self._around.kinds.of((entry.topic,))
        for seen_by in self._candidates(entry, event):
            for viewed in self._wanted(entry, kinds, seen_by):
                if viewed.event.ordinal == ordinal:
                    return entry.topic, viewed
        return None

    def _candidates(self, entry: Entry, event: Open) -> Iterator[Collection[str]]:
        """Yield users as whom the app may get an event again, the likeliest first.

        They are the viewer as whom it was sent last, the users who see its topic now, and the bot if the viewer is not
        known, as after a restart. Memberships of the past are known while the log is read in its order, and not here.
        """
        users = self._viewers.users
        yield (event.viewer,)
        yield Audience({user: self._around.hub.channels_of(user) for user in users}).of(entry.topic)
        if not event.viewer:
            yield users[:1]

    async def _entry(self, position: int) -> Entry | None:
        """Return an entry of the log, None if it is deleted."""
        tail = self._around.tail
        if position >= tail.oldest:
            return tail.at(position)
        if position < tail.kept_from:
            return None
        entries = await self._around.reader.read(partial(read_entries, after=position - 1, before=position + 1))
        return entries[0]

    def _wanted(self, entry: Entry, kinds: dict[str, str], seen_by: Collection[str]) -> list[ViewedEvent]:
        """Return the events that an entry is for the app and that are not too old for it."""
        found = self._viewers.events(entry, kinds.get(entry.topic), seen_by)
        return [viewed for viewed in found if viewed.event.event_ts >= self._oldest_ts]

    def _send(self, link: Link, event: Open, topic: str, viewed: ViewedEvent) -> None:
        event.viewer = viewed.viewer
        envelope = wrap(self._source(viewed.viewer), event.place[0], topic, viewed.event)
        event.event_id = envelope.id
        if event.wanted:
            envelope = envelope._replace(connection=event.wanted)
        self._pass_on(link, event, envelope)

    def _pass_on(self, link: Link, event: Open, envelope: Envelope) -> None:
        connection = link.send(envelope, event.attempt, event.reason, is_fresh=not event.failures)
        self._around.counts.sent += 1
        now = self._around.clock.monotonic()
        self._window.sent(
            event, envelope.envelope_id, len(envelope.payload), connection, now, is_reported=link.reports
        )  # fmt: skip
