"""The local view without a network: what each event changes, and that answers and events meet in the truth."""

import copy
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
    view = View(with_members=False)
    view.me = ME
    asked: list[str] = []
    view.missing = asked.append
    view.apply(decoded(type="channel_joined", channel={"id": "C2", "name": "x"}))
    view.apply(member("joined", "U1", "C2"))
    assert asked == []
    assert view.members("C2") == frozenset()


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
            case "join" if channel in self.channels:
                self.members[channel].add(user)
                self.under_way.append(member("joined", user, channel))
            case "leave" if channel in self.channels and user != ME:
                self.members[channel].discard(user)
                self.under_way.append(member("left", user, channel))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["user", "create", "rename", "delete", "join", "leave", "deliver", "deliver", "begin", "read"]),
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
    missing: list[ChannelId] = []
    view.missing = missing.append
    asked: list[tuple[int, World]] = []

    def begin() -> None:
        asked.append((view.begin(), copy.deepcopy(world)))

    def read(world: World) -> None:
        """Take over what was the case once, or is the case now and will be told again by events on their way."""
        mark, _ = asked.pop(0)
        view.put_users([User(id=UserId(id_), name=name) for id_, name in world.users.items()], mark)
        view.put_channels(
            [
                Channel(id=ChannelId(id_), name=name, is_channel=True, is_member=True)
                for id_, name in world.channels.items()
            ],
            mark,
        )
        for channel in view.own_channels():
            if channel in world.members:
                view.put_members(channel, [UserId(each) for each in world.members[channel]], mark)
        view.end()

    for what, which, name in steps:
        if what == "deliver":
            if world.under_way:
                view.apply(world.under_way.pop(0))
        elif what == "begin":
            begin()
        elif what == "read":
            if asked:
                read(world if which % 2 else asked[0][1])
        else:
            world.act(what, which, name)
    begin()
    while asked:
        read(world)
    while world.under_way:
        view.apply(world.under_way.pop(0))
    for channel in [each for each in missing if each in world.members]:  # what a loader does when it is told
        view.put_members(channel, [UserId(each) for each in world.members[channel]], view.begin())
        view.end()

    assert {each.id: each.name for each in view.users()} == world.users
    assert {each.id: each.name for each in view.channels()} == world.channels
    assert {id_: set(view.members(id_)) for id_ in world.channels} == world.members
