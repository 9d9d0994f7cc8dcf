"""The tables of conversations and their members, and what each event changes in them.

Pure state, written by one thread. Events hold the new state, not a difference, so one may be applied twice.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

import msgspec

from tautwire.client.view.options import ViewOptions, kind_of
from tautwire.protocol import events as ev
from tautwire.protocol.events import Event
from tautwire.protocol.ids import ChannelId, UserId, micros
from tautwire.protocol.objects import Channel
from tautwire.protocol.objects.channel import Note
from tautwire.protocol.opendata import UNSET


class Conversations:
    """The conversations of the kinds asked for, and the members of those the client is in.

    Args:
        options: which kinds, and whether members are kept.
    """

    def __init__(self, options: ViewOptions) -> None:
        self.me = UserId("")
        self.channels: dict[ChannelId, Channel] = {}
        self.members: dict[ChannelId, frozenset[UserId]] = {}
        """Members by conversation, for the client's own conversations."""
        self.entered: list[ChannelId] = []
        """Conversations that the client joined and whose members have to be read. The view takes them out."""
        self._options = options

    def copy(self) -> Self:
        """Return an independent copy."""
        new = self.__class__(self._options)
        new.me, new.channels, new.members = self.me, self.channels.copy(), self.members.copy()
        return new

    def own(self) -> list[ChannelId]:
        """Return the conversations the client is in."""
        return [each.id for each in self.channels.values() if _is_own(each)]

    def is_own(self, id_: ChannelId) -> bool:
        """Whether the client is in a conversation."""
        known = self.channels.get(id_)
        return known is not None and _is_own(known)

    # -- what was read --------------------------------------------------------------------------------------

    def put_channels(self, channels: Iterable[Channel]) -> None:
        """Replace all conversations. Members stay until ``prune``."""
        self.channels = {each.id: each for each in channels if kind_of(each) in self._options.kinds}

    def prune(self) -> None:
        """Forget the members of conversations that are not ours."""
        self.members = {id_: members for id_, members in self.members.items() if self.is_own(id_)}

    # -- what events say ------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Apply an event, if it changes conversations."""
        act = _ACTS.get(event.__class__)
        if act is not None:
            act(self, event)

    def _put(self, event: Any) -> None:
        self._set(self._merged(event.channel))

    def _join(self, event: Any) -> None:
        self._set(msgspec.structs.replace(self._merged(event.channel), is_member=True))

    def _rename(self, event: Any) -> None:
        self._change(event.channel.id, **{"name_normalized": event.channel.name, **_given(event.channel)})

    def _leave(self, event: Any) -> None:
        self._exit(event.channel, self.me)

    def _delete(self, event: Any) -> None:
        self._drop(event.channel)

    def _member_joined(self, event: Any) -> None:
        if event.user == self.me:
            self._change(event.channel, is_member=True)
        if event.channel in self.members:
            self.members[event.channel] |= {event.user}

    def _member_left(self, event: Any) -> None:
        self._exit(event.channel, event.user)

    def _set_topic(self, event: Any) -> None:
        self._change(event.channel, topic=_note(event.topic, event))

    def _set_purpose(self, event: Any) -> None:
        self._change(event.channel, purpose=_note(event.purpose, event))

    def _exit(self, id_: ChannelId, user: UserId) -> None:
        if user != self.me:
            if id_ in self.members:
                self.members[id_] -= {user}
        elif id_ in self.channels and kind_of(self.channels[id_]) != "public_channel":  # it is out of our sight now
            self._drop(id_)
        else:
            self._change(id_, is_member=False)

    # -- the two tables -------------------------------------------------------------------------------------

    def _merged(self, channel: Channel) -> Channel:
        """Return a conversation of an event; members that it lacks come from what is known."""
        known = self.channels.get(channel.id)
        return channel if known is None else msgspec.structs.replace(known, **_given(channel))

    def _change(self, id_: ChannelId, **members: Any) -> None:
        known = self.channels.get(id_)
        if known is not None:
            self._set(msgspec.structs.replace(known, **members))

    def _set(self, channel: Channel) -> None:
        """Store a conversation if its kind is kept. Members are kept only while the client is in it."""
        id_ = channel.id
        if kind_of(channel) not in self._options.kinds:
            self._drop(id_)
            return
        was_own = self.is_own(id_)
        self.channels[id_] = channel
        if not _is_own(channel):
            self.members.pop(id_, None)
        elif not was_own and id_ not in self.members and self._options.members:
            self.members[id_] = frozenset((self.me,))
            self.entered.append(id_)

    def _drop(self, id_: ChannelId) -> None:
        self.channels.pop(id_, None)
        self.members.pop(id_, None)


def _is_own(channel: Channel) -> bool:
    return bool(channel.is_member) or kind_of(channel) in ("im", "mpim")


def _given(channel: Channel) -> dict[str, Any]:
    members = ((name, getattr(channel, name)) for name in channel.__struct_fields__)
    return {name: value for name, value in members if value is not None and value is not UNSET}


def _note(text: str, event: Any) -> Note:
    moment = micros(event.ts)
    return Note(value=text, creator=event.user, last_set=None if moment is None else moment // 1_000_000)


def _setting(**members: Any) -> Callable[[Conversations, Any], None]:
    return lambda known, event: known._change(event.channel, **members)  # noqa: SLF001 (a part of the class)


_ACTS: Final[Mapping[type[Event], Callable[[Conversations, Any], None]]] = {
    ev.ChannelCreatedEvent: Conversations._put,  # noqa: SLF001 (the same)
    ev.ImCreatedEvent: Conversations._put,  # noqa: SLF001
    ev.ChannelJoinedEvent: Conversations._join,  # noqa: SLF001
    ev.GroupJoinedEvent: Conversations._join,  # noqa: SLF001
    ev.MpimJoinedEvent: Conversations._join,  # noqa: SLF001
    ev.ChannelLeftEvent: Conversations._leave,  # noqa: SLF001
    ev.GroupLeftEvent: Conversations._leave,  # noqa: SLF001
    ev.ChannelRenameEvent: Conversations._rename,  # noqa: SLF001
    ev.GroupRenameEvent: Conversations._rename,  # noqa: SLF001
    ev.ChannelDeletedEvent: Conversations._delete,  # noqa: SLF001
    ev.GroupDeletedEvent: Conversations._delete,  # noqa: SLF001
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
    ev.MemberJoinedChannelEvent: Conversations._member_joined,  # noqa: SLF001
    ev.MemberLeftChannelEvent: Conversations._member_left,  # noqa: SLF001
    ev.MessageChannelTopicEvent: Conversations._set_topic,  # noqa: SLF001
    ev.MessageGroupTopicEvent: Conversations._set_topic,  # noqa: SLF001
    ev.MessageChannelPurposeEvent: Conversations._set_purpose,  # noqa: SLF001
    ev.MessageGroupPurposeEvent: Conversations._set_purpose,  # noqa: SLF001
    ev.MessageChannelConvertToPrivateEvent: _setting(is_private=True),
    ev.MessageChannelConvertToPublicEvent: _setting(is_private=False),
}
"""What each kind of event changes. Topics and purposes come as messages only.
Source: wire/delivery.md#what-a-call-produces (documented)."""

CONVERSATION_EVENTS: Final = frozenset(_ACTS)
"""Events that change something here."""
