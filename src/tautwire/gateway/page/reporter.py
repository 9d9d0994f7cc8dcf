"""Reads the status from the parts of the bots, when the page asks for it."""

from collections.abc import Mapping
from importlib.metadata import version
from time import monotonic
from typing import Final

import msgspec

from tautwire.gateway.bots import Bots
from tautwire.gateway.page.status import (
    MAX_SHOWN,
    BotStatus,
    CatchingUp,
    Events,
    Examination,
    MissingScope,
    Program,
    Sends,
    Served,
    Status,
    Upstream,
    shown,
)  # fmt: skip
from tautwire.gateway.relay import Relay
from tautwire.gateway.upstream.receiver import EventReceiver
from tautwire.gateway.upstream.scopes import change_for
from tautwire.server.clock import Clock
from tautwire.server.health import Health
from tautwire.server.services.access.identity import hash_token

REFRESHES: Final = ("refresh_requested", "warning")
"""The reasons for which the upstream asks for a new connection in place of an old one."""


class Reporter:
    """Tells how a gateway is.

    Args:
        health: that of the gateway.
    """

    def __init__(self, bots: Bots, health: Health, clock: Clock) -> None:
        self._bots = bots
        self._health = health
        self._clock = clock
        self._started = clock.monotonic()

    def status(self, doctor: Examination) -> Status:
        """Return the status of this moment."""
        now = self._clock.monotonic()
        bots = [self._bot(name, now) for name in self._bots.names]
        of_bots = {fault for bot in bots for fault in bot.faults}
        faults = {str(name): shown(why) for name, why in self._health.faults.items() if name not in of_bots}
        return Status(
            version=version("tautwire"), uptime=now - self._started, is_ready=self._health.is_ready, faults=faults,
            bots=bots, doctor=doctor,
        )  # fmt: skip

    def _bot(self, name: str, now: float) -> BotStatus:
        relay = self._bots.get(name)
        if relay is None:
            return BotStatus(name, {"bot": shown(self._bots.fault(name))}, None)
        faults = {str(fault): shown(reason) for fault, reason in relay.health.faults.items()}
        return BotStatus(name, faults, _served(relay, now))


def _served(relay: Relay, now: float) -> Served:
    run, unmapped = relay.catch_up, list(relay.unmapped)
    return Served(
        bot=shown(relay.bot.name), team=shown(relay.bot.team.name),
        upstream=_upstream(relay, now), events=_events(relay),
        sends=_sends(relay), connections=len(relay.door.connections) + len(relay.consumers.connections),
        catching_up=CatchingUp(
            is_running=run.is_running,
            last=now - run.last.at if run.last is not None else None,
            last_messages=run.last.messages if run.last is not None else 0,
            last_gaps=run.last.gaps if run.last is not None else 0,
            messages=run.messages, gaps=dict(run.gaps),
        ),
        programs=_programs(relay, now),
        scopes=[
            MissingScope(scope, shown(what), change_for(scope))
            for scope, what in list(relay.api.scopes.missed.items())[-MAX_SHOWN:]
        ],
        unmapped=[
            msgspec.structs.replace(each, name=shown(each.name))
            for each in sorted(unmapped, key=lambda each: each.last)[:MAX_SHOWN]
        ],
        unmapped_count=sum(each.count for each in unmapped),
    )  # fmt: skip


def _upstream(relay: Relay, now: float) -> Upstream:
    link, heard = relay.link, relay.intake.figures.heard
    condition, steady = link.condition, monotonic()
    refreshes = sum(link.endings.get(why, 0) for why in REFRESHES)
    return Upstream(
        way="http" if isinstance(link, EventReceiver) else "socket_mode", host=shown(relay.api.host), is_up=link.is_up,
        up_for=_ago(condition.up_at, steady) if link.is_up else None, hello=_ago(condition.greeted_at, steady),
        event=_ago(heard, now), connections=link.connections, connects=link.connects,
        refreshes=refreshes, lost=sum(link.endings.values()) - refreshes,
        requests={str(status): count for status, count in link.requests.items()},
        trouble=shown(condition.trouble.text) if condition.trouble is not None else "",
        trouble_ago=_ago(condition.trouble.at, steady) if condition.trouble is not None else None,
    )  # fmt: skip


def _events(relay: Relay) -> Events:
    figures = relay.intake.figures
    return Events(
        stored=figures.stored, repeated=figures.repeated, waiting=relay.intake.waiting, unread=figures.unread,
        put_off=figures.put_off, lag=figures.last_lag, lag_median=figures.lag.quantile(0.5),
        lag_p99=figures.lag.quantile(0.99), minutes_left_out=figures.left_out,
    )  # fmt: skip


def _sends(relay: Relay) -> Sends:
    figures = relay.sending.figures
    return Sends(
        waiting=relay.sending.waiting, accepted=figures.accepted, paced=figures.paced, limited=figures.limited,
        unknown=figures.unknown, refused=_most(figures.errors),
    )  # fmt: skip


def _programs(relay: Relay, now: float) -> list[Program]:
    names = {hash_token(token.reveal()): name for name, token in relay.local_tokens.items()}
    connections = [
        *(("rtm", each, each.ticket) for each in relay.door.connections),
        *(("socket_mode", each, each.ticket) for each in relay.consumers.connections),
    ]
    connections.sort(key=lambda found: -found[1].opened)
    return [
        Program(
            door=door, name=names.get(ticket.who.token, "") if ticket is not None else "", agent=shown(each.program),
            since=now - each.opened, queued=each.queued_bytes, is_slow=each.is_slow,
        )
        for door, each, ticket in connections[:MAX_SHOWN]
    ]  # fmt: skip


def _most(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: -each[1])[:MAX_SHOWN])


def _ago(at: float | None, now: float) -> float | None:
    return now - at if at is not None else None
