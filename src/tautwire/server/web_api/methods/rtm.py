"""The ``rtm`` family: reserving a connection. Source: wire/connecting.md."""

from functools import partial
from typing import Any, Final

import msgspec

from tautwire.protocol.ids import LAST_MICROS, ts_from_micros
from tautwire.server.log.catchup import MAX_REPLAY_SIZE, size_since
from tautwire.server.log.tail import MAX_REPLAY
from tautwire.server.services.access.scopes import RTM_SCOPES
from tautwire.server.services.access.tickets import RTM_PATH
from tautwire.server.services.arrays import Array, slices
from tautwire.server.services.errors import MethodError
from tautwire.server.services.people.presence import ACTIVE, AWAY
from tautwire.server.services.wire_objects import bot_object, conversation_object, team_object, user_json
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channels
from tautwire.server.store.queries.membership import find_marks, join_members
from tautwire.server.store.queries.users import find_user, find_users
from tautwire.server.store.records import ChannelKind
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method

_PRESENCE: Final = {state: b',"presence":"%b"}' % state.encode() for state in (ACTIVE, AWAY)}
"""The end of a user object with the presence of the user."""


class RtmConnect(Arguments, frozen=True, kw_only=True):
    """Arguments of rtm.connect.

    ``resume`` is ours: the last position of the caller, or an empty text to get positions from now on.
    """

    batch_presence_aware: bool = False
    presence_sub: bool = True
    resume: str | None = None


class RtmStart(RtmConnect, frozen=True, kw_only=True):
    """Arguments of rtm.start."""

    mpim_aware: bool = False


@method("rtm.connect", RtmConnect, Tier.ONE, users_and_bots())
async def connect(call: Call, args: RtmConnect) -> Answer:
    """Reserve a connection; its URL can be dialled once, within 30 s."""
    return await _reserve(call, args)


@method("rtm.start", RtmStart, Tier.ONE, users_and_bots(), successor="rtm.connect")
async def start(call: Call, args: RtmStart) -> Answer:
    """Reserve a connection and describe the whole workspace, as clients from before 2018 expect."""
    answer = await _reserve(call, args)  # first: events during the reads below are then delivered on the connection
    state = await call.read_long(lambda query: _workspace_state(query, call, args))
    return {**answer, **state}


async def _reserve(call: Call, args: RtmConnect) -> dict[str, Any]:
    if call.workspace.settings.rtm_tokens == "classic" and call.who.scopes.isdisjoint(RTM_SCOPES):
        raise MethodError("not_allowed_token_type")  # Source: wire/apps.md#granular-scopes-and-rtm (documented)
    if args.resume is None:
        position, outcome = call.workspace.tail.position, None
    else:
        position, outcome = await _resume(call.workspace, args.resume)
    ticket = call.workspace.tickets.issue(
        who=call.who,
        position=position,
        batches_presence=args.batch_presence_aware,
        wants_positions=outcome is not None,
    )
    answer: dict[str, Any] = {
        "url": call.socket_url(f"{RTM_PATH}{ticket}"),
        "self": {"id": call.who.user, "name": call.who.name},
        "team": {"id": call.team.id, "name": call.team.name, "domain": call.team.domain},
    }
    if outcome is not None:
        answer |= {"position": call.workspace.epochs.mark(position), "resume": outcome}
    return answer


async def _resume(workspace: Workspace, wanted: str) -> tuple[int, str]:
    """Return the position from which the connection gets events, and the outcome of the resume.

    A client gets all events it missed (``resumed``) or, if that is not possible, none of them (``resync``): with a part
    it could not know what is missing.
    """
    tail = workspace.tail
    if not wanted:
        return tail.position, "new"
    position = workspace.epochs.find(wanted, tail.position)
    if (
        position is None
        or position < max(tail.position - MAX_REPLAY, tail.kept_from - 1)
        or await size_since(position, tail, workspace.reader) > MAX_REPLAY_SIZE
    ):
        return tail.position, "resync"
    return position, "resumed"


def _workspace_state(query: Query, call: Call, args: RtmStart) -> dict[str, Any]:
    """Return the rich form of rtm.start; the keys are always there. Source: wire/connecting.md#rtmstart (captured)."""
    who = call.who
    users, bots = _users(query, call)
    me = find_user(query, who.user)
    now = call.workspace.clock.seconds()
    return {
        "self": {
            "id": who.user,
            "name": who.name,
            "prefs": {},
            "created": me.created if me is not None else 0,
            "manual_presence": "away" if call.workspace.presence.is_away_by_hand(who.user) else "active",
        },
        "team": team_object(call.team, f"{call.base_url}/")
        | {"msg_edit_window_mins": -1, "over_storage_limit": False, "plan": "", "prefs": {}},
        "users": users,
        "bots": bots,
        "subteams": {"all": [], "self": []},
        "dnd": {"dnd_enabled": False, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1, "snooze_enabled": False},
        "latest_event_ts": ts_from_micros(min(call.workspace.clock.micros(), LAST_MICROS)),
        "cache_ts": now,
        "cache_version": "v1",
        "cache_ts_version": "v1",
        "read_only_channels": [],
        "can_manage_shared_channels": False,
        **_conversations(query, call, mpim_aware=args.mpim_aware),
    }


def _users(query: Query, call: Call) -> tuple[Array, list[dict[str, Any]]]:
    """Return all users with their presence, and all bots."""
    users, bots = Array(), []
    shows_email, state = call.may_read_email, call.workspace.presence.state
    for part in slices(partial(find_users, query), lambda user: user.id):
        seen: list[bytes] = []
        for user in part:
            encoded = user_json(user, call.team, shows_email)
            seen.append(encoded[:-1] + _PRESENCE[state(user.id)])
            if user.bot_id is not None:
                bots.append(bot_object(user))
        users.extend(seen)
    return users, bots


def _conversations(query: Query, call: Call, *, mpim_aware: bool) -> dict[str, Array]:
    """Return the conversations that the caller may see, by list; those with the caller as member have ``members``."""
    viewer = call.who.user
    lists = ["channels", "groups", "ims", *(["mpims"] if mpim_aware else [])]
    found = {name: Array() for name in lists}
    for part in slices(partial(find_channels, query, set(ChannelKind), viewer=viewer), lambda channel: channel.id):
        marks = find_marks(query, [channel.id for channel in part], viewer)
        seen: dict[str, list[bytes]] = {name: [] for name in lists}
        members = join_members(query, [c.id for c in part if c.id in marks and not c.is_direct])
        for channel in part:
            described = conversation_object(channel, viewer=viewer, mark=marks.get(channel.id))
            encoded = msgspec.json.encode(described)
            if channel.id in members:
                ids = members[channel.id].replace(",", '","').encode()
                encoded = b'%b,"members":["%b"]}' % (encoded[:-1], ids)
            seen[_list_of(channel.kind, mpim_aware=mpim_aware)].append(encoded)
        for name, elements in seen.items():
            found[name].extend(elements)
    return found


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
