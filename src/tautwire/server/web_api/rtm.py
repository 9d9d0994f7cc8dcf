"""The ``rtm`` family: reserving a connection. Source: rtm.md section 1."""

from typing import Any, Final

from tautwire.protocol.ids import ts_from_micros
from tautwire.server.log.epochs import Epochs
from tautwire.server.log.tail import MAX_REPLAY
from tautwire.server.services.present import bot_object, conversation_object, team_object, user_object
from tautwire.server.store.database import Query
from tautwire.server.store.records import ChannelKind, find_channels, find_members, find_membership, find_users
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method

TICKET_PATH: Final = "/rtm/"


class Connect(Arguments, frozen=True, kw_only=True):
    """Arguments of rtm.connect.

    ``resume`` is ours: the position that the caller got to, or an empty text to learn positions from now on.
    """

    batch_presence_aware: bool = False
    presence_sub: bool = True
    resume: str | None = None


class Start(Connect, frozen=True, kw_only=True):
    """Arguments of rtm.start."""

    mpim_aware: bool = False


@method("rtm.connect", Connect, Tier.ONE)
async def connect(call: Call, args: Connect) -> Answer:
    """Reserve a connection; its URL can be dialled once, within 30 s."""
    return _reserve(call, args)


@method("rtm.start", Start, Tier.ONE)
async def start(call: Call, args: Start) -> Answer:
    """Reserve a connection and describe the whole workspace, as clients from before 2018 expect."""
    answer = _reserve(call, args)  # first: what happens while we look around is delivered on the connection
    state = await call.read(lambda query: _workspace_state(query, call, args))
    return {**answer, **state}


def _reserve(call: Call, args: Connect) -> dict[str, Any]:
    head = call.workspace.tail.position
    position, outcome = head, None
    if args.resume is not None:
        position, outcome = _resume(call.workspace.epochs, args.resume, head)
    ticket = call.tickets.issue(
        who=call.who,
        position=position,
        batches_presence=args.batch_presence_aware,
        wants_positions=outcome is not None,
    )
    scheme, _, authority = call.base_url.partition("://")
    url = f"{'wss' if scheme == 'https' else 'ws'}://{authority}{TICKET_PATH}{ticket}"
    answer: dict[str, Any] = {
        "url": url,
        "self": {"id": call.who.user, "name": call.who.name},
        "team": {"id": call.team.id, "name": call.team.name, "domain": call.team.domain},
    }
    if outcome is not None:
        answer |= {"position": call.workspace.epochs.mark(position), "resume": outcome}
    return answer


def _resume(epochs: Epochs, wanted: str, head: int) -> tuple[int, str]:
    """Return from where the connection gets events, and whether that is all the caller missed: never a part of it."""
    if not wanted:
        return head, "new"
    position = epochs.find(wanted, head)
    if position is None or position < head - MAX_REPLAY:
        return head, "resync"
    return position, "resumed"


def _workspace_state(query: Query, call: Call, args: Start) -> dict[str, Any]:
    """Return the rich form of rtm.start; the keys are always there. Source: rtm.md 1.2 (captured)."""
    who = call.who
    users = find_users(query)
    groups: dict[str, list[dict[str, Any]]] = {"channels": [], "groups": [], "ims": [], "mpims": []}
    for channel in find_channels(query, set(ChannelKind), viewer=who.user):
        members = find_members(query, channel.id)
        membership = find_membership(query, channel.id, who.user)
        last_read = membership["last_read_ts"] if membership else None
        seen = conversation_object(channel, viewer=who.user, members=members, last_read=last_read)
        if channel.kind is not ChannelKind.IM and membership is not None:
            seen["members"] = members
        groups[_list_of(channel.kind, mpim_aware=args.mpim_aware)].append(seen)
    if not args.mpim_aware:
        del groups["mpims"]
    me = next(user for user in users if user.id == who.user)
    now = call.workspace.clock.seconds()
    return {
        "self": {
            "id": who.user,
            "name": who.name,
            "prefs": {},
            "created": me.created,
            "manual_presence": "away" if call.presence.is_away_by_hand(who.user) else "active",
        },
        "team": team_object(call.team, f"{call.base_url}/")
        | {"msg_edit_window_mins": -1, "over_storage_limit": False, "plan": "", "prefs": {}},
        "users": [user_object(user, call.team) | {"presence": call.presence.state(user.id)} for user in users],
        "bots": [bot_object(user) for user in users if user.bot_id is not None],
        "subteams": {"all": [], "self": []},
        "dnd": {"dnd_enabled": False, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1, "snooze_enabled": False},
        "latest_event_ts": ts_from_micros(call.workspace.clock.micros()),
        "cache_ts": now,
        "cache_version": "v1",
        "cache_ts_version": "v1",
        "read_only_channels": [],
        "can_manage_shared_channels": False,
        **groups,
    }


def _list_of(kind: ChannelKind, *, mpim_aware: bool) -> str:
    match kind:
        case ChannelKind.PUBLIC:
            return "channels"
        case ChannelKind.IM:
            return "ims"
        case ChannelKind.MPIM if mpim_aware:
            return "mpims"
        case _:
            return "groups"
