"""The local view of both clients, against our real server: read, kept current, and honest about what it lacks."""

import threading

import pytest
from slack_sdk.web import WebClient

from subject import MakeSubject, Subject, eventually
from tautwire import NotConnected, ViewIncomplete, ViewOptions
from tautwire.client.notices import ClientState
from tautwire.protocol.errors import ConfigError
from tautwire.testing import FOREVER, BlockingWorkspace, Faults

pytestmark = pytest.mark.workspace(channels=["general", "random"])


@pytest.fixture
def subject(make_subject: MakeSubject) -> Subject:
    return make_subject(view=ViewOptions())


@pytest.fixture
def alice(blocking_workspace: BlockingWorkspace) -> WebClient:
    return WebClient(blocking_workspace.person("alice").token, base_url=blocking_workspace.api_url)


def test_it_is_read_after_connecting(subject: Subject, blocking_workspace: BlockingWorkspace) -> None:
    subject.connect()
    subject.load_view()
    view = subject.client.view

    general = blocking_workspace.channel("general").id
    alice, bot = (blocking_workspace.person(each).id for each in ("alice", "bot"))
    assert view.is_loaded
    assert view.is_current
    assert view.me == bot
    assert view.channel_named("#general").id == general
    assert view.user_named("alice").id == alice
    assert {alice, bot} <= view.members(general)
    assert general in [each.id for each in view.channels_of(alice)]


def test_events_change_it_before_handlers_see_them(
    subject: Subject, alice: WebClient, blocking_workspace: BlockingWorkspace
) -> None:
    seen: list[object] = []
    view = subject.client.view
    subject.client.register(
        lambda event: seen.append(view.channel(event.channel)), ("message", "channel_join"), inline=True
    )
    subject.connect()
    subject.load_view()
    made = alice.conversations_create(name="plans")["channel"]["id"]
    eventually(lambda: view.channel_named("plans"))
    assert view.members(made) == frozenset()  # nobody tells us before we are in it
    alice.conversations_invite(channel=made, users=blocking_workspace.person("bot").id)
    both = {blocking_workspace.person(each).id for each in ("alice", "bot")}
    eventually(lambda: view.members(made) == both)
    assert view.channel(made).is_member
    eventually(lambda: seen)
    assert None not in seen
    alice.conversations_leave(channel=made)
    eventually(lambda: view.members(made) == {blocking_workspace.person("bot").id})


def test_after_a_gap_that_nobody_fills_it_is_read_again(
    subject: Subject, faults: Faults, alice: WebClient, blocking_workspace: BlockingWorkspace
) -> None:
    faults.be_foreign()
    subject.connect()
    subject.load_view()
    view = subject.client.view
    assert view.is_current
    hellos = subject.hellos
    faults.refuse_connections()
    subject.link.fin()
    eventually(lambda: subject.state is ClientState.WAITING and not view.is_current)
    assert view.channel_named("general") is not None
    near = WebClient(blocking_workspace.person("alice").token, base_url=blocking_workspace.api_url)
    faults.refuse_connections(False)
    faults.upgrade("refuse", times=FOREVER)
    made = near.conversations_create(name="missed")["channel"]["id"]
    faults.clear()
    faults.be_foreign()
    subject.wait_opened(hellos + 1)
    eventually(lambda: view.is_current)
    assert view.channel(made).name == "missed"


def test_after_a_resume_it_goes_on(subject: Subject, faults: Faults, alice: WebClient) -> None:
    subject.connect()
    subject.load_view()
    view = subject.client.view
    calls = faults.count("users.list")
    hellos = subject.hellos
    subject.link.rst()
    made = alice.conversations_create(name="resumed")["channel"]["id"]
    subject.wait_opened(hellos + 1)
    eventually(lambda: view.is_current and view.channel(made))
    assert faults.count("users.list") == calls


def test_what_cannot_be_read_is_told(subject: Subject, faults: Faults) -> None:
    faults.error("users.list", "missing_scope", times=FOREVER)
    subject.connect()
    with pytest.raises(ViewIncomplete, match="missing_scope") as told:
        subject.load_view()
    assert told.value.what == "users"
    eventually(lambda: any(isinstance(each, ViewIncomplete) for each in subject.errors))
    view = subject.client.view
    assert not view.is_loaded
    assert view.channel_named("general") is not None  # what could be read is there
    faults.clear()
    subject.load_view()
    assert view.is_current
    assert view.user_named("alice") is not None


def test_a_rate_limit_is_waited_for(subject: Subject, faults: Faults) -> None:
    faults.rate_limit("users.list", retry_after=1)
    subject.connect()
    subject.load_view()
    assert faults.count("users.list") == 2


def test_who_waits_when_the_client_is_stopped_is_told(subject: Subject, faults: Faults) -> None:
    faults.delay(5.0, "users.list")
    subject.connect()
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            subject.load_view()
        except BaseException as error:
            outcome.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    eventually(lambda: faults.count("users.list"))
    subject.disconnect()
    waiting.join(10)
    assert [type(each) for each in outcome] == [NotConnected]


def test_without_the_option_there_is_none(make_subject: MakeSubject) -> None:
    subject = make_subject()
    with pytest.raises(ConfigError, match="ViewOptions"):
        _ = subject.client.view
    subject.connect()
    with pytest.raises(ConfigError, match="ViewOptions"):
        subject.load_view()


def test_parts_are_chosen(make_subject: MakeSubject, faults: Faults) -> None:
    subject = make_subject(view=ViewOptions(users=False, kinds=("public_channel",), members=False))
    subject.connect()
    subject.load_view()
    view = subject.client.view
    assert view.is_loaded
    assert view.users() == []
    assert view.channel_named("general") is not None
    assert faults.count("users.list") == faults.count("conversations.members") == 0


def test_kinds_of_conversations_that_were_not_chosen_do_not_come_in_by_events(
    make_subject: MakeSubject, alice: WebClient, blocking_workspace: BlockingWorkspace
) -> None:
    subject = make_subject(view=ViewOptions(kinds=("public_channel",)))
    subject.connect()
    subject.load_view()
    bot = blocking_workspace.person("bot").id
    alice.conversations_open(users=bot)
    secret = alice.conversations_create(name="secret", is_private=True)["channel"]["id"]
    alice.conversations_invite(channel=secret, users=bot)
    alice.conversations_create(name="plans")
    view = subject.client.view
    eventually(lambda: view.channel_named("plans"))
    assert {each.name for each in view.channels()} == {"general", "random", "plans"}


def test_members_of_a_direct_message_opened_by_somebody_else_are_read(
    subject: Subject, alice: WebClient, blocking_workspace: BlockingWorkspace
) -> None:
    subject.connect()
    subject.load_view()
    view = subject.client.view
    both = {blocking_workspace.person(each).id for each in ("alice", "bot")}
    direct = alice.conversations_open(users=blocking_workspace.person("bot").id)["channel"]["id"]
    eventually(lambda: view.members(direct) == both)
    assert view.channel(direct) in view.channels_of(blocking_workspace.person("alice").id)
