"""The local view: users, conversations and their members as the client knows them, kept current by events.

Pure state. ``tautwire.client.loader`` reads what there is from the Web API. Between its question and the answer events
come in, and nobody knows which of them the answer has in it. So events that come while something is being read are
kept, and played again over the answer: each says what is the case, not what to add, so playing one twice does no harm.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tautwire.protocol import events as ev
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.events import Event
from tautwire.protocol.ids import ChannelId, UserId
from tautwire.protocol.objects import Channel, User
from tautwire.protocol.objects.channel import Note
from tautwire.protocol.opendata import UNSET

KINDS: Final = ("public_channel", "private_channel", "mpim", "im")
"""Kinds of conversations, as conversations.list calls them. Source: webapi.md (documented)."""


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """What a client keeps a view of. Each needs its scopes: ``users:read``, ``channels:read``, ``groups:read`` …

    Args:
        users: whether users are read.
        kinds: kinds of conversations that are read; none for no conversations.
        members: whether the members of the client's own conversations are read: one call or more for each.
        timeout: seconds all the reading may take.

    Raises:
        ConfigError: something here makes no sense.
    """

    users: bool = True
    kinds: tuple[str, ...] = KINDS
    members: bool = True
    timeout: float = 600.0

    def __post_init__(self) -> None:
        if isinstance(self.kinds, str) or not set(self.kinds) <= set(KINDS):
            raise ConfigError(f"kinds of conversations are {', '.join(KINDS)}")
        if not self.timeout > 0:
            raise ConfigError("the timeout of a view is greater than 0")


class View:
    """Users, conversations and members. Reading is safe from any thread and gives what is known at that moment.

    An event changes the view before its handlers are called. Members are known of conversations the client is in, since
    of no other events tell.

    Args:
        with_members: whether members are kept.
    """

    def __init__(self, *, with_members: bool = True) -> None:
        self.is_loaded = False
        """Whether all that was asked for has been read at least once."""
        self.is_current = False
        """Whether it is loaded, and no event was missed since. Handlers may be slow; the view is not."""
        self.me = UserId("")
        """Who the client is, set by it."""
        self.missing: Callable[[ChannelId], None] = lambda _channel: None
        """Hears of a conversation whose members have to be read, set by the loader."""
        self._users: dict[UserId, User] = {}
        self._channels: dict[ChannelId, Channel] = {}
        self._members: dict[ChannelId, frozenset[UserId]] = {}
        self._with_members = with_members
        self._readers = 0
        self._log: list[Event] = []

    # -- reading --------------------------------------------------------------------------------------------

    def user(self, user: str) -> User | None:
        """Return a user, also a deleted one; None if there is none of this id."""
        return self._users.get(UserId(user))

    def users(self) -> list[User]:
        """Return all users."""
        return list(self._users.values())

    def user_named(self, name: str) -> User | None:
        """Return the user of a handle, with or without ``@``; one that is not deleted if there are several."""
        found = [each for each in self.users() if each.name == name.removeprefix("@")]
        return min(found, key=lambda each: bool(each.deleted), default=None)

    def channel(self, channel: str) -> Channel | None:
        """Return a conversation of any kind; None if none of this id is known."""
        return self._channels.get(ChannelId(channel))

    def channels(self) -> list[Channel]:
        """Return all conversations that are known."""
        return list(self._channels.values())

    def channel_named(self, name: str) -> Channel | None:
        """Return the channel of a name, with or without ``#``."""
        return next((each for each in self.channels() if each.name == name.removeprefix("#")), None)

    def members(self, channel: str) -> frozenset[UserId]:
        """Return who is in a conversation; nobody where that is not known."""
        return self._members.get(ChannelId(channel), frozenset())

    def channels_of(self, user: str) -> list[Channel]:
        """Return the conversations a user is known to be in."""
        found = [self._channels.get(id_) for id_, members in list(self._members.items()) if user in members]
        return [each for each in found if each is not None]

    # -- what events say ------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take in what an event says."""
        act = _ACTS.get(event.__class__)
        if act is not None:
            if self._readers:
                self._log.append(event)
            act(self, event)

    def _put_user(self, event: Any) -> None:
        self._users[event.user.id] = event.user

    def _put_channel(self, event: Any) -> None:
        new: Channel = event.channel
        self._change(new.id, **_given(new)) if new.id in self._channels else self._channels.update({new.id: new})

    def _join(self, event: Any) -> None:
        self._put_channel(event)
        self._enter(event.channel.id, self.me)

    def _rename(self, event: Any) -> None:
        self._change(event.channel.id, **{"name_normalized": event.channel.name, **_given(event.channel)})

    def _leave(self, event: Any) -> None:
        self._exit(event.channel, self.me)

    def _delete(self, event: Any) -> None:
        self._channels.pop(event.channel, None)
        self._members.pop(event.channel, None)

    def _member_joined(self, event: Any) -> None:
        self._enter(event.channel, event.user)

    def _member_left(self, event: Any) -> None:
        self._exit(event.channel, event.user)

    def _set_topic(self, event: Any) -> None:
        self._change(event.channel, topic=Note(value=event.topic, creator=event.user, last_set=_seconds(event.ts)))

    def _set_purpose(self, event: Any) -> None:
        self._change(event.channel, purpose=Note(value=event.purpose, creator=event.user, last_set=_seconds(event.ts)))

    def _change(self, id_: ChannelId, **members: Any) -> None:
        known = self._channels.get(id_)
        if known is not None:
            self._channels[id_] = msgspec.structs.replace(known, **members)

    def _enter(self, id_: ChannelId, user: UserId) -> None:
        if user == self.me:
            self._change(id_, is_member=True)
            if id_ not in self._members and self._with_members:
                self._members[id_] = frozenset((user,))
                self.missing(id_)
        if id_ in self._members:
            self._members[id_] |= {user}

    def _exit(self, id_: ChannelId, user: UserId) -> None:
        if user != self.me:
            if id_ in self._members:
                self._members[id_] -= {user}
            return
        self._members.pop(id_, None)
        known = self._channels.get(id_)
        if known is not None and known.is_private:  # it is out of our sight now
            del self._channels[id_]
        else:
            self._change(id_, is_member=False)

    # -- what was read --------------------------------------------------------------------------------------

    def begin(self) -> int:
        """Keep events from now on, for something is being read; return the mark that ``put_…`` wants."""
        self._readers += 1
        return len(self._log)

    def end(self) -> None:
        """Note that one reader is done."""
        self._readers -= 1
        if not self._readers:
            self._log.clear()

    def put_users(self, users: Iterable[User], mark: int) -> None:
        """Take over all users as they were at some moment since the mark."""
        self._users = {each.id: each for each in users}
        self._replay(mark)

    def put_channels(self, channels: Iterable[Channel], mark: int) -> None:
        """Take over all conversations as they were at some moment since the mark."""
        self._channels = {each.id: each for each in channels}
        own = {each.id for each in self._channels.values() if _is_own(each)}
        self._members = {id_: members for id_, members in self._members.items() if id_ in own}
        self._replay(mark)

    def put_members(self, channel: ChannelId, members: Iterable[UserId], mark: int) -> None:
        """Take over the members of a conversation as they were at some moment since the mark."""
        self._members[channel] = frozenset(members)
        self._replay(mark)

    def own_channels(self) -> list[ChannelId]:
        """Return the conversations the client is in."""
        return [each.id for each in self.channels() if _is_own(each)]

    def _replay(self, mark: int) -> None:
        for event in self._log[mark:]:
            _ACTS[event.__class__](self, event)


def _is_own(channel: Channel) -> bool:
    return bool(channel.is_member or channel.is_im or channel.is_mpim)


def _given(channel: Channel) -> dict[str, Any]:
    members = ((name, getattr(channel, name)) for name in channel.__struct_fields__)
    return {name: value for name, value in members if value is not None and value is not UNSET}


def _seconds(ts: str) -> int:
    return int(ts.partition(".")[0])


def _setting(**members: Any) -> Callable[[View, Any], None]:
    return lambda view, event: view._change(event.channel, **members)  # noqa: SLF001 (a part of the class)


_ACTS: Final[Mapping[type[Event], Callable[[View, Any], None]]] = {
    ev.TeamJoinEvent: View._put_user,  # noqa: SLF001 (the same)
    ev.UserChangeEvent: View._put_user,  # noqa: SLF001
    ev.UserProfileChangedEvent: View._put_user,  # noqa: SLF001
    ev.UserStatusChangedEvent: View._put_user,  # noqa: SLF001
    ev.UserHuddleChangedEvent: View._put_user,  # noqa: SLF001
    ev.ChannelCreatedEvent: View._put_channel,  # noqa: SLF001
    ev.ImCreatedEvent: View._put_channel,  # noqa: SLF001
    ev.ChannelJoinedEvent: View._join,  # noqa: SLF001
    ev.GroupJoinedEvent: View._join,  # noqa: SLF001
    ev.MpimJoinedEvent: View._join,  # noqa: SLF001
    ev.ChannelLeftEvent: View._leave,  # noqa: SLF001
    ev.GroupLeftEvent: View._leave,  # noqa: SLF001
    ev.ChannelRenameEvent: View._rename,  # noqa: SLF001
    ev.GroupRenameEvent: View._rename,  # noqa: SLF001
    ev.ChannelDeletedEvent: View._delete,  # noqa: SLF001
    ev.GroupDeletedEvent: View._delete,  # noqa: SLF001
    ev.ChannelArchiveEvent: _setting(is_archived=True),
    ev.GroupArchiveEvent: _setting(is_archived=True),
    ev.ChannelUnarchiveEvent: _setting(is_archived=False),
    ev.GroupUnarchiveEvent: _setting(is_archived=False),
    ev.ImOpenEvent: _setting(is_open=True),
    ev.MpimOpenEvent: _setting(is_open=True),
    ev.GroupOpenEvent: _setting(is_open=True),
    ev.ImCloseEvent: _setting(is_open=False),
    ev.MpimCloseEvent: _setting(is_open=False),
    ev.GroupCloseEvent: _setting(is_open=False),
    ev.MemberJoinedChannelEvent: View._member_joined,  # noqa: SLF001
    ev.MemberLeftChannelEvent: View._member_left,  # noqa: SLF001
    ev.MessageChannelTopicEvent: View._set_topic,  # noqa: SLF001
    ev.MessageGroupTopicEvent: View._set_topic,  # noqa: SLF001
    ev.MessageChannelPurposeEvent: View._set_purpose,  # noqa: SLF001
    ev.MessageGroupPurposeEvent: View._set_purpose,  # noqa: SLF001
    ev.MessageChannelConvertToPrivateEvent: _setting(is_private=True),
    ev.MessageChannelConvertToPublicEvent: _setting(is_private=False),
}
"""What each kind of event changes. Topics and purposes come as messages only. Source: rtm.md (documented)."""
