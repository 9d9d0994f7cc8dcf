"""The local view: users, conversations and their members as the client knows them, kept current by events.

Pure state. ``client/view/loader`` reads the objects from the Web API. Events come in between its question and the
answer, and it is unknown which of them the answer contains. So events that come during a read are kept, and applied
again to the answer. That happens on a copy: other threads see the old state, then the answer with the events, never the
answer alone.
"""

from collections.abc import Callable, Iterable
from typing import Final

from tautwire.client.view.conversations import CONVERSATION_EVENTS, Conversations
from tautwire.client.view.options import ViewOptions
from tautwire.client.view.people import PEOPLE_EVENTS, People
from tautwire.protocol.events import Event
from tautwire.protocol.ids import ChannelId, UserId
from tautwire.protocol.objects import Channel, User

_EVERYTHING: Final = ViewOptions()


class View:
    """Users, conversations and members. Reading is safe from any thread and gives what is known at that moment.

    An event changes the view before its handlers are called. Members are known of conversations the client is in, since
    of no other events tell.

    Args:
        options: what is kept.
    """

    def __init__(self, options: ViewOptions = _EVERYTHING) -> None:
        self.is_loaded = False
        """Whether everything was read at least once."""
        self.is_current = False
        """True when the view is complete and up to date. Handlers may still lag behind it."""
        self.missing: Callable[[ChannelId], None] = lambda _channel: None
        """Called with a conversation whose members have to be read; set by the loader."""
        self._people = People()
        self._conversations = Conversations(options)
        self._heeded: frozenset[type[Event]] = frozenset(
            [*(PEOPLE_EVENTS if options.users else ()), *(CONVERSATION_EVENTS if options.kinds else ())]
        )
        self._readers = 0
        self._log: list[Event] = []

    @property
    def me(self) -> UserId:
        """The client's own user id, set by the client."""
        return self._conversations.me

    @me.setter
    def me(self, user: UserId) -> None:
        self._conversations.me = user

    # -- reading --------------------------------------------------------------------------------------------

    def user(self, user: str) -> User | None:
        """Return a user, also a deleted one; None if the id is unknown."""
        return self._people.users.get(UserId(user))

    def users(self) -> list[User]:
        """Return all users."""
        return list(self._people.users.values())

    def user_named(self, name: str) -> User | None:
        """Return the user of a handle, with or without ``@``; one that is not deleted if there are several."""
        found = [each for each in self.users() if each.name == name.removeprefix("@")]
        return min(found, key=lambda each: bool(each.deleted), default=None)

    def channel(self, channel: str) -> Channel | None:
        """Return a conversation of any kind; None if the id is unknown."""
        return self._conversations.channels.get(ChannelId(channel))

    def channels(self) -> list[Channel]:
        """Return all conversations that are known."""
        return list(self._conversations.channels.values())

    def channel_named(self, name: str) -> Channel | None:
        """Return the channel of a name, with or without ``#``."""
        return next((each for each in self.channels() if each.name == name.removeprefix("#")), None)

    def members(self, channel: str) -> frozenset[UserId]:
        """Return the members of a conversation; an empty set where they are not known."""
        return self._conversations.members.get(ChannelId(channel), frozenset())

    def channels_of(self, user: str) -> list[Channel]:
        """Return the conversations a user is known to be in."""
        known = self._conversations
        found = [known.channels.get(id_) for id_, members in list(known.members.items()) if user in members]
        return [each for each in found if each is not None]

    # -- what events say ------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Apply an event."""
        if event.__class__ in self._heeded:
            if self._readers:
                self._log.append(event)
            self._people.apply(event)
            self._conversations.apply(event)
            self._ask()

    def _ask(self) -> None:
        """Have the members of conversations read that the client joined."""
        entered = self._conversations.entered
        while entered:
            self.missing(entered.pop())

    # -- what was read --------------------------------------------------------------------------------------

    def begin(self) -> int:
        """Keep events from now on, since a read begins; return the mark for ``put_…``."""
        self._readers += 1
        return len(self._log)

    def end(self) -> None:
        """Called when a read is over."""
        self._readers -= 1
        if not self._readers:
            self._log.clear()

    def put_users(self, users: Iterable[User], mark: int) -> None:
        """Take over all users as they were at some moment since the mark."""
        people = People(users)
        self._play(people, mark)
        self._people = people

    def put_channels(self, channels: Iterable[Channel], mark: int) -> None:
        """Take over all conversations as they were at some moment since the mark."""
        known = self._conversations.copy()
        known.put_channels(channels)
        self._play(known, mark)
        known.prune()
        self._conversations = known
        self._ask()

    def put_members(self, channel: ChannelId, members: Iterable[UserId], mark: int) -> None:
        """Take over the members of a conversation as they were at some moment since the mark, if it is still ours."""
        if self.is_own(channel):
            known = self._conversations.copy()
            known.members[channel] = frozenset(members)
            self._play(known, mark)
            self._conversations = known
            self._ask()

    def own_channels(self) -> list[ChannelId]:
        """Return the conversations the client is in."""
        return self._conversations.own()

    def is_own(self, channel: ChannelId) -> bool:
        """Whether the client is in a conversation."""
        return self._conversations.is_own(channel)

    def _play(self, part: People | Conversations, mark: int) -> None:
        """Apply the events since the mark to an answer that is not visible yet."""
        for event in self._log[mark:]:
            part.apply(event)
