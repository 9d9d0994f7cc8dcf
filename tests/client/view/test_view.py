"""The local view without a network: what each event changes, and that answers and events meet in the truth."""

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tautwire import Event, View, ViewOptions
from tautwire.protocol.codec import decode_event, encode
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.ids import ChannelId, UserId
from tautwire.protocol.objects import Channel, User

ME, C1 = UserId("U0"), ChannelId("C1")


def decoded(**members: Any) -> Event:
    event = decode_event(encode(members))
    assert isinstance(event, Event)
    return event


@pytest.fixture
def view() -> View:
    view = View()
    view.me = ME
    view.put_users([User(id=ME, name="bot"), User(id=UserId("U1"), name="alice")], view.begin())
    view.put_channels([Channel(id=C1, name="general", is_member=True, creator=UserId("U1"))], 0)
    view.put_members(C1, [ME, UserId("U1")], 0)
    view.end()
    return view


def channel_of(view: View) -> Channel:
    found = view.channel("C1")
    assert found is not None
    return found


def test_names_lead_to_users_and_channels(view: View) -> None:
    alice = view.user_named("@alice")
    assert alice is not None
    assert alice.id == "U1"
    assert view.channel_named("#general") is view.channel_named("general") is channel_of(view)
    assert view.user_named("nobody") is None
    assert view.channels_of("U1") == [channel_of(view)]
    assert view.members("C9") == frozenset()


def test_of_two_users_of_a_name_the_living_one_is_meant(view: View) -> None:
    for id_, deleted in (("U2", True), ("U3", False), ("U4", True)):
        user = {"id": id_, "name": "carol", "deleted": deleted}
        view.apply(decoded(type="user_change", user=user))
    found = view.user_named("carol")
    assert found is not None
    assert found.id == "U3"


@pytest.mark.parametrize("kind", ["user_change", "user_profile_changed", "user_status_changed", "team_join"])
def test_users_change(view: View, kind: str) -> None:
    view.apply(decoded(type=kind, user={"id": "U1", "name": "alicia"}))
    user = view.user("U1")
    assert user is not None
    assert user.name == "alicia"


def test_a_rename_keeps_the_rest(view: View) -> None:
    view.apply(decoded(type="channel_rename", channel={"id": "C1", "name": "agora", "created": 7}))
    assert (channel_of(view).name, channel_of(view).name_normalized) == ("agora", "agora")
    assert channel_of(view).creator == "U1"
    assert channel_of(view).is_member


def test_what_is_not_known_is_not_invented(view: View) -> None:
    view.apply(decoded(type="channel_archive", channel="C7", user="U1"))
    assert view.channel("C7") is None


@pytest.mark.parametrize(
    ("event", "member", "value"),
    [
        ({"type": "channel_archive", "channel": "C1", "user": "U1"}, "is_archived", True),
        ({"type": "group_unarchive", "channel": "C1", "user": "U1"}, "is_archived", False),
        ({"type": "im_close", "channel": "C1", "user": "U1"}, "is_open", False),
    ],
)
def test_channels_change(view: View, event: dict[str, Any], member: str, value: object) -> None:
    view.apply(decoded(**event))
    assert getattr(channel_of(view), member) is value


@pytest.mark.parametrize("what", ["topic", "purpose"])
def test_topic_and_purpose_come_as_messages(view: View, what: str) -> None:
    members = {"channel": "C1", "user": "U1", "text": "…", "ts": "1700000000.000001", what: "news"}
    view.apply(decoded(type="message", subtype=f"channel_{what}", **members))
    note = getattr(channel_of(view), what)
    assert (note.value, note.creator, note.last_set) == ("news", "U1", 1_700_000_000)


def member(kind: str, user: str, channel: str = "C1") -> Event:
    return decoded(
        type=f"member_{kind}_channel", user=user, channel=channel, channel_type="C", team="T1", event_ts="1.000001"
    )


def test_members_come_and_go(view: View) -> None:
    view.apply(member("joined", "U5"))
    assert view.members("C1") == {ME, "U1", "U5"}
    view.apply(member("left", "U1"))
    assert view.members("C1") == {ME, "U5"}


def test_of_a_public_channel_that_we_left_only_the_members_go(view: View) -> None:
    view.apply(decoded(type="channel_left", channel="C1"))
    assert channel_of(view).is_member is False
    assert view.members("C1") == frozenset()


def test_a_private_channel_that_we_left_is_gone(view: View) -> None:
    asked: list[str] = []
    view.missing = asked.append
    view.apply(decoded(type="group_joined", channel={"id": "G1", "name": "secret", "is_private": True}))
    assert asked == ["G1"]
    assert view.members("G1") == {ME}
    view.apply(decoded(type="group_left", channel="G1"))
    assert view.channel("G1") is None


def test_without_members_none_are_asked_for() -> None:
    view = View(ViewOptions(members=False))
    view.me = ME
    asked: list[str] = []
    view.missing = asked.append
    view.apply(decoded(type="channel_joined", channel={"id": "C2", "name": "x"}))
    view.apply(member("joined", "U1", "C2"))
    assert asked == []
    assert view.members("C2") == frozenset()


def test_users_that_were_not_asked_for_do_not_come_in() -> None:
    view = View(ViewOptions(users=False))
    view.apply(decoded(type="team_join", user={"id": "U1", "name": "alice"}))
    assert view.users() == []


KINDS = {
    "public_channel": {"type": "channel_created", "channel": {"id": "C2", "name": "x"}},
    "private_channel": {"type": "group_joined", "channel": {"id": "C2", "name": "x", "is_private": True}},
    "mpim": {"type": "mpim_joined", "channel": {"id": "C2", "name": "x", "is_mpim": True, "is_group": True}},
    "im": {"type": "im_created", "user": ME, "channel": {"id": "D2", "user": "U1"}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_kinds_of_conversations_that_were_asked_for_come_in(kind: str) -> None:
    asked: list[str] = []
    for kinds, count in (((kind,), 1), (tuple(each for each in KINDS if each != kind), 0), ((), 0)):
        view = View(ViewOptions(kinds=kinds))
        view.me = ME
        view.missing = asked.append
        view.apply(decoded(**KINDS[kind]))
        assert len(view.channels()) == count
    assert len(asked) == (kind != "public_channel")


def test_kinds_that_were_not_asked_for_do_not_come_in_by_answers_either() -> None:
    view = View(ViewOptions(kinds=("private_channel",)))
    channels = [Channel(id=C1, name="general"), Channel(id=ChannelId("G1"), name="old"), Channel(id=ChannelId("D1"))]
    view.put_channels(channels, view.begin())
    assert [each.id for each in view.channels()] == ["G1"]


def test_a_channel_that_becomes_one_of_a_kind_that_was_not_asked_for_goes() -> None:
    view = View(ViewOptions(kinds=("public_channel",)))
    view.me = ME
    view.apply(decoded(type="channel_joined", channel={"id": "C1", "name": "general", "is_channel": True}))
    line = {"channel": "C1", "user": "U1", "text": "…", "ts": "1700000000.000001"}
    view.apply(decoded(type="message", subtype="channel_convert_to_private", **line))
    assert view.channels() == []
    assert view.members("C1") == frozenset()


def test_members_of_conversations_of_other_kinds_are_not_kept() -> None:
    view = View(ViewOptions(kinds=("public_channel",)))
    view.me = ME
    asked: list[str] = []
    view.missing = asked.append
    view.apply(member("joined", ME, "G1"))
    view.apply(member("joined", "U1", "G1"))
    assert asked == []
    assert view.members("G1") == frozenset()


def test_members_of_a_direct_message_that_is_made_are_asked_for(view: View) -> None:
    asked: list[str] = []
    view.missing = asked.append
    view.apply(decoded(type="im_created", user="U1", channel={"id": "D1", "is_im": True, "user": "U1"}))
    view.apply(decoded(type="im_open", user="U1", channel="D1"))
    assert asked == ["D1"]
    assert view.own_channels() == [C1, "D1"]


def test_members_are_asked_for_once_however_often_an_event_says_that_we_came_in(view: View) -> None:
    asked: list[str] = []
    view.missing = asked.append
    for kind in ("mpim_joined", "group_joined"):
        view.apply(decoded(type=kind, channel={"id": "G1", "name": "x", "is_mpim": True}))
    view.apply(member("joined", ME, "G1"))
    assert asked == ["G1"]


@pytest.mark.parametrize("ts", ["", "soon", "9" * 5000 + ".000001", "17.x"])
def test_a_topic_with_a_ts_that_is_no_time_is_taken_without_it(view: View, ts: str) -> None:
    members = {"channel": "C1", "user": "U1", "text": "…", "ts": ts}
    view.apply(decoded(type="message", subtype="channel_topic", topic="news", **members))
    view.apply(decoded(type="message", subtype="channel_purpose", purpose="work", **members))
    topic, purpose = channel_of(view).topic, channel_of(view).purpose
    assert topic is not None
    assert purpose is not None
    assert (topic.value, topic.last_set) == ("news", None)
    assert (purpose.value, purpose.last_set) == ("work", None)


def seen_during(act: Callable[[], object], look: Callable[[], object]) -> list[object]:
    """Look after every line that an act runs, as another thread might; return what was seen, without repetitions."""
    seen: list[object] = [look()]

    def trace(*_: object) -> Any:
        if (sight := look()) != seen[-1]:
            seen.append(sight)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    trace()
    return seen


def test_other_threads_never_see_an_answer_without_the_events_over_it(view: View) -> None:
    mark = view.begin()
    view.apply(decoded(type="user_change", user={"id": "U1", "name": "alicia"}))
    view.apply(decoded(type="channel_rename", channel={"id": "C1", "name": "agora"}))
    view.apply(member("left", "U1"))
    alice, general = User(id=UserId("U1"), name="alice"), Channel(id=C1, name="general", is_member=True)

    def names() -> list[str | None]:
        return [each.name for each in (*view.users(), *view.channels())]

    users = seen_during(lambda: view.put_users([alice], mark), names)
    assert users == [["bot", "alicia", "agora"], ["alicia", "agora"]]
    assert seen_during(lambda: view.put_channels([general], mark), names) == [["alicia", "agora"]]
    answer = [ME, UserId("U1"), UserId("U2")]
    members = seen_during(lambda: view.put_members(C1, answer, mark), lambda: view.members("C1"))
    assert members == [{ME}, {ME, "U2"}]


def test_a_conversation_that_we_left_and_came_back_to_is_asked_for_again(view: View) -> None:
    """What was read of it in between may be lost when an older answer comes, for that cannot know."""
    asked: list[str] = []
    view.missing = asked.append
    mark = view.begin()
    view.apply(decoded(type="channel_left", channel="C1"))
    view.apply(decoded(type="channel_joined", channel={"id": "C1", "name": "general"}))
    assert asked == ["C1"]
    view.put_members(C1, [ME, UserId("U1")], mark)
    assert asked == ["C1", "C1"]
    assert view.members("C1") == {ME}


def test_an_answer_that_is_older_than_our_coming_in_takes_no_members_away(view: View) -> None:
    mark = view.begin()
    view.apply(decoded(type="channel_joined", channel={"id": "C2", "name": "x"}))
    view.put_members(ChannelId("C2"), [ME, UserId("U1")], view.begin())
    asked: list[str] = []
    view.missing = asked.append
    view.put_channels([channel_of(view)], mark)
    assert view.members("C2") == {ME, "U1"}
    assert asked == []


def test_members_go_when_an_answer_says_that_we_are_not_in_a_channel_any_more(view: View) -> None:
    view.put_channels([Channel(id=C1, name="general", is_member=False)], view.begin())
    assert view.members("C1") == frozenset()
    view.put_members(C1, [ME], 0)
    assert view.members("C1") == frozenset()


def test_options_that_make_no_sense_are_refused() -> None:
    for options in ({"kinds": "im"}, {"kinds": ("dm",)}, {"timeout": 0}):
        with pytest.raises(ConfigError):
            ViewOptions(**options)  # type: ignore[arg-type]


@dataclass
class World:
    """What is really the case on a server, the events of it that are still on their way, and a view from afar."""

    users: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    under_way: list[Event] = field(default_factory=list)

    def act(self, what: str, which: int, name: str) -> None:
        user, channel = f"U{which % 3}", f"C{which % 2}"
        match what:
            case "user":
                self.users[user] = name
                self.under_way.append(decoded(type="user_change", user={"id": user, "name": name}))
            case "create" if channel not in self.channels:
                self.channels[channel], self.members[channel] = name, {ME}
                made = {"id": channel, "name": name, "is_channel": True}
                self.under_way.append(decoded(type="channel_created", channel=made))
                self.under_way.append(decoded(type="channel_joined", channel={**made, "is_member": True}))
            case "rename" if channel in self.channels:
                self.channels[channel] = name
                self.under_way.append(decoded(type="channel_rename", channel={"id": channel, "name": name}))
            case "delete" if channel in self.channels:
                del self.channels[channel], self.members[channel]
                self.under_way.append(decoded(type="channel_deleted", channel=channel))
            case "join" if channel in self.channels and user not in self.members[channel]:
                self.members[channel].add(user)
                if user == ME:
                    joined = {"id": channel, "name": self.channels[channel], "is_channel": True, "is_member": True}
                    self.under_way.append(decoded(type="channel_joined", channel=joined))
                if ME in self.members[channel]:
                    self.under_way.append(member("joined", user, channel))
            case "leave" if channel in self.channels and user in self.members[channel]:
                if user == ME:
                    self.under_way.append(decoded(type="channel_left", channel=channel))
                elif ME in self.members[channel]:
                    self.under_way.append(member("left", user, channel))
                self.members[channel].discard(user)

    def seen_members(self) -> dict[str, set[str]]:
        """Who is in the channels that we are in."""
        return {id_: members if ME in members else set() for id_, members in self.members.items()}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["user", "create", "rename", "delete", "join", "leave", "deliver", "deliver", "deliver", "begin", "read"]
        ),
        st.integers(0, 5),
        st.sampled_from("abc"),
    ),
    max_size=60,
)


@given(STEPS)
@settings(deadline=None)
def test_whenever_answers_and_events_come_the_view_ends_in_the_truth(steps: list[tuple[str, int, str]]) -> None:
    """Answers are of any moment between question and now; events come late, but in order."""
    world, view = World(), View()
    view.me = ME
    asked: list[tuple[int, World, ChannelId | None]] = []

    def begin(channel: ChannelId | None) -> None:
        """Ask for everything, or for the members of one channel."""
        asked.append((view.begin(), copy.deepcopy(world), channel))

    def put_members(channel: ChannelId, world: World, mark: int) -> None:
        if channel in world.members:
            view.put_members(channel, [UserId(each) for each in world.members[channel]], mark)

    def read(which: int) -> None:
        """Take over what was the case once, or is the case now and will be told again by events on their way."""
        mark, then, channel = asked.pop(which % len(asked))
        answer = world if which % 2 else then
        if channel is None:
            view.put_users([User(id=UserId(id_), name=name) for id_, name in answer.users.items()], mark)
            view.put_channels(
                [
                    Channel(id=ChannelId(id_), name=name, is_channel=True, is_member=ME in answer.members[id_])
                    for id_, name in answer.channels.items()
                ],
                mark,
            )
            for own in view.own_channels():
                put_members(own, answer, mark)
        else:
            put_members(channel, answer, mark)
        view.end()

    view.missing = begin
    for what, which, name in steps:
        if what == "deliver":
            if world.under_way:
                view.apply(world.under_way.pop(0))
        elif what == "begin":
            begin(None)
        elif what == "read":
            if asked:
                read(which)
        else:
            world.act(what, which, name)
    while world.under_way:
        view.apply(world.under_way.pop(0))
    while asked:
        read(0)

    assert {each.id: each.name for each in view.users()} == world.users
    assert {each.id: each.name for each in view.channels()} == world.channels
    assert {id_: set(view.members(id_)) for id_ in world.channels} == world.seen_members()
