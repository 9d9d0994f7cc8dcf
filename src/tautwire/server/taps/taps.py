"""The taps of a workspace: one for each app that subscribes to something; how far each is done is stored each second.

A door starts a tap when the app has its first connection and stops it after the last. The taps follow the log as a
reader of the feed: they note that it has grown, and apply changes of subscriptions and tokens at once.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from tautwire.server.log.entry import Entry
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.services.access.identity import Identities
from tautwire.server.services.access.subscriptions import Subscription
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError
from tautwire.server.store.queries.taps import set_settled
from tautwire.server.taps.kinds import Kinds
from tautwire.server.taps.tap import Link, Surroundings, Tap
from tautwire.server.taps.window import DELAYED, PAUSES, Progress

log = logging.getLogger("tautwire.server.taps")

_APP: Final = "A"
"""The first letter of ids of apps. Source: wire/ids-and-timestamps.md#ids."""

Listener = Callable[[Subscription], None]
MakeTap = Callable[[Surroundings, Subscription, Progress], Tap]


class Taps:
    """The taps of a workspace.

    Args:
        subscriptions: what each app gets and how far it is done, at the head of the workspace's tail.
        make_tap: makes the tap of an app.
    """

    def __init__(
        self, workspace: Workspace, subscriptions: Sequence[tuple[Subscription, Progress]], make_tap: MakeTap = Tap
    ) -> None:
        self.team = workspace.team.id
        self.clock = workspace.clock
        self.reader = workspace.reader
        self.tail = workspace.tail
        self.hub = workspace.hub
        self.kinds = Kinds(workspace.reader)
        self.keep = workspace.settings.app_keep
        self.enforces_scopes = workspace.enforces_scopes
        self.event_limit = workspace.settings.app_event_limit
        self.pauses: Sequence[float] = PAUSES + DELAYED if workspace.settings.app_delayed_events else PAUSES
        self.counts = workspace.counts.deliveries
        self._writer: Writer = workspace.writer
        self._identities: Identities = workspace.identities
        self._make_tap = make_tap
        self._taps = {each.app: make_tap(self, each, progress) for each, progress in subscriptions}
        self._stored = {each.app: progress for each, progress in subscriptions}
        self._is_storing = False
        self._listeners: list[Listener] = []
        workspace.identities.on_refusal(self._check_tokens)

    def __iter__(self) -> Iterator[Tap]:
        return iter(self._taps.values())

    def find(self, app: str | None) -> Tap | None:
        """Return the tap of an app, None if the app gets nothing or is deleted."""
        return self._taps.get(app or "")

    def on_change(self, listener: Listener) -> None:
        """Call ``listener`` when an app gets something else than before, or is deleted."""
        self._listeners.append(listener)

    def start(self, tap: Tap, link: Link) -> None:
        """Begin to send to an app."""
        tap.install(self._identities.installation(tap.app))
        tap.start(link)

    def follow(self, entries: Sequence[Entry]) -> None:
        """Note new entries; a reader of the feed, after the hub."""
        self.kinds.follow(entries)
        has_tokens = False
        for entry in entries:
            if entry.kind == "room" and entry.payload and entry.topic.startswith(_APP):
                self._change(entry)
            elif entry.kind == "auth":
                has_tokens = True
        if has_tokens:
            self._check_tokens()
        for tap in self._taps.values():
            if tap.is_running:
                tap.wake()

    def sweep(self) -> None:
        """Look for late events, and store how far the apps are done; to be called about once a second."""
        now = self.clock.monotonic()
        for tap in self._taps.values():
            if tap.is_running:
                tap.sweep(now)
        moved = self._moved()
        if moved and not self._is_storing and self._writer.accepts:
            self._is_storing = True
            self._writer.post(partial(_store, settled=moved), partial(self._note_stored, moved))

    async def stop(self) -> None:
        """Stop all taps. The writer stores how far they are done before it ends, if the database answers."""
        tasks = [task for tap in self._taps.values() if (task := tap.stop()) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        moved = self._moved()
        if moved and self._writer.accepts:
            # Not waited for: only the writer's close gives up on a database that does not answer.
            self._writer.post(partial(_store, settled=moved), _note_last)

    def _moved(self) -> dict[str, Progress]:
        return {tap.app: tap.progress for tap in self if tap.progress != self._stored[tap.app]}

    def _note_stored(self, settled: dict[str, Progress], _: object, error: BaseException | None) -> None:
        self._is_storing = False
        if error is None:
            self._stored |= settled
        elif not isinstance(error, StoreError):
            log.error("how far apps are done was not stored", exc_info=error)

    def _change(self, entry: Entry) -> None:
        try:
            state = msgspec.json.decode(entry.payload, type=Subscription)
        except msgspec.MsgspecError:
            return  # an entry about something else
        if state.app != entry.topic:
            return
        tap = self._taps.get(state.app)
        if state.deleted:
            gone = self._taps.pop(state.app, None)
            self._stored.pop(state.app, None)
            if gone is not None:
                gone.stop()
        elif tap is None:
            self._taps[state.app] = self._make_tap(self, state, (entry.position, b""))
            self._stored[state.app] = (0, b"")
        else:
            tap.change(state)
        for listener in self._listeners:
            listener(state)

    def _check_tokens(self) -> None:
        for tap in self._taps.values():
            if tap.is_running:
                tap.install(self._identities.installation(tap.app))


def _note_last(_: object, error: BaseException | None) -> None:
    if error is not None:
        log.warning("apps get again what they acknowledged last: %s", error)


def _store(tx: Transaction, settled: dict[str, Progress]) -> None:
    """Store how far apps are done (a unit)."""
    set_settled(tx, settled)
