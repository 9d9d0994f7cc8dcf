"""What changed between two moments of a workspace: by its states, and by its log."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controlled import SECRET, ask, operate, refusal
from sandboxed import Farm, Sandbox, opened
from scene import OpenScene, Scene
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.comparison import changes, entries


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    async with opened(tmp_path / "data") as farm:
        yield farm


@pytest.fixture
async def box(farm: Farm) -> Sandbox:
    return await farm.create()


async def both(box: Sandbox) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the changes since the creation, by the states and by the log."""
    found = []
    for ends in ({"from_snapshot": "seed"}, {"from_position": box.made["position"]}):
        answer = await box.do("workspaces.diff", **ends)
        assert answer["source"] == ("states" if "from_snapshot" in ends else "log")
        found.append(answer["changes"])
    return found[0], found[1]


def counted(found: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return how many changes there are of each kind, of those that have any."""
    kinds = {kind: parts for kind, parts in found.items() if isinstance(parts, dict) and kind != "team"}
    return {
        kind: present
        for kind, parts in kinds.items()
        if (present := {name: len(items) for name, items in parts.items() if items})
    }


async def test_messages_that_are_posted_edited_and_deleted(box: Sandbox) -> None:
    old, doomed = await box.say("ann", "old"), await box.say("ben", "doomed")
    await box.do("workspaces.snapshot", name="before")
    before = (await box.do("position"))["position"]

    await box.do("edit", user="ann", channel="general", ts=old, text="newer")
    await box.do("edit", user="ann", channel="general", ts=old, text="newest")
    await box.do("delete", user="ben", channel="general", ts=doomed)
    fresh = await box.say("ben", "fresh")
    reply = (await box.do("reply", user="ann", channel="general", ts=fresh, text="a reply"))["ts"]
    await box.do("delete", user="ben", channel="general", ts=await box.say("ben", "seen by few"))

    for found in (await box.changes(from_snapshot="before"), await box.changes(from_position=before)):
        assert counted(found) == {"messages": {"posted": 2, "edited": 1, "deleted": 1}}
        assert found["count"] == 4
        posted, edited, deleted = (found["messages"][name] for name in ("posted", "edited", "deleted"))
        assert [(each["ts"], each["text"], each["thread_ts"], each["user_name"]) for each in posted] == [
            (fresh, "fresh", None, "ben"),
            (reply, "a reply", fresh, "ann"),
        ]
        assert (edited[0]["previous"]["text"], edited[0]["text"]) == ("old", "newest")
        assert edited[0]["message"]["edited"]["user"] == box.made["users"]["ann"]["id"]
        assert (deleted[0]["text"], deleted[0]["channel_name"]) == ("doomed", "general")


async def test_a_deleted_message_with_replies_is_deleted_though_a_tombstone_is_left(box: Sandbox) -> None:
    parent = await box.say("ann", "parent")
    await box.do("reply", user="ben", channel="general", ts=parent, text="reply")
    await box.do("workspaces.snapshot", name="before")
    before = (await box.do("position"))["position"]
    await box.do("delete", user="ann", channel="general", ts=parent)

    for found in (await box.changes(from_snapshot="before"), await box.changes(from_position=before)):
        assert [each["text"] for each in found["messages"]["deleted"]] == ["parent"]
        assert counted(found) == {"messages": {"deleted": 1}}


async def test_reactions_and_pins(box: Sandbox) -> None:
    ts = await box.say("ann", "x")
    await box.do("react", user="ann", channel="general", ts=ts, name="eyes")
    await box.call("ann", "pins.add", channel=box.general, timestamp=ts)
    await box.do("workspaces.snapshot", name="before")
    before = (await box.do("position"))["position"]

    await box.do("react", user="ben", channel="general", ts=ts, name="tada")
    await box.do("react", user="ann", channel="general", ts=ts, name="a")
    await box.do("unreact", user="ann", channel="general", ts=ts, name="a")
    await box.do("unreact", user="ann", channel="general", ts=ts, name="eyes")
    assert (await box.call("ben", "pins.remove", channel=box.general, timestamp=ts))["ok"]

    for found in (await box.changes(from_snapshot="before"), await box.changes(from_position=before)):
        assert [(each["name"], each["user_name"], each["ts"]) for each in found["reactions"]["added"]] == [
            ("tada", "ben", ts)
        ]
        assert [(each["name"], each["user_name"]) for each in found["reactions"]["removed"]] == [("eyes", "ann")]
        assert [(each["ts"], each["user_name"]) for each in found["pins"]["removed"]] == [(ts, "ann")]


async def test_files_that_are_uploaded_and_deleted(box: Sandbox) -> None:
    place = {"channel": "general", "text": "hello"}
    old = (await box.do("upload", user="ann", name="old.txt", **place))["file"]["id"]
    await box.do("workspaces.snapshot", name="before")
    before = (await box.do("position"))["position"]

    new = (await box.do("upload", user="ben", name="new.txt", title="New", **place))["file"]["id"]
    passing = (await box.do("upload", user="ben", name="passing.txt", **place))["file"]["id"]
    for name, file in (("ann", old), ("ben", passing)):
        assert (await box.call(name, "files.delete", file=file))["ok"]

    for found in (await box.changes(from_snapshot="before"), await box.changes(from_position=before)):
        assert counted(found)["files"] == {"uploaded": 1, "deleted": 1}
        assert found["files"]["uploaded"] == [
            {
                "id": new, "name": "new.txt", "title": "New", "mimetype": "text/plain",
                "user": box.made["users"]["ben"]["id"], "user_name": "ben",
            }
        ]  # fmt: skip
        (deleted,) = found["files"]["deleted"]
        assert (deleted["id"], deleted["name"], deleted["user_name"]) == (old, "old.txt", "ann")


async def test_channels_and_their_members(box: Sandbox) -> None:
    made = [
        await box.call("ann", "conversations.create", name="news"),
        await box.call("ann", "conversations.create", name="hidden", is_private="true"),
    ]
    assert all(each["ok"] for each in made)
    news = made[0]["channel"]["id"]
    assert (await box.call("ann", "conversations.rename", channel=news, name="bulletin"))["ok"]
    assert (await box.call("ann", "conversations.setTopic", channel=news, topic="what is new"))["ok"]
    await box.do("join", user="ben", channel="bulletin")
    assert (await box.call("ann", "conversations.archive", channel=made[1]["channel"]["id"]))["ok"]
    assert (await box.call("ann", "conversations.setPurpose", channel=box.general, purpose="all"))["ok"]
    await box.do("dm", user="ben", to=["ann"], text="psst")
    await box.do("leave", user="ann", channel="plans")

    states, log = await both(box)
    for found in (states, log):
        created = {each["channel_name"]: each for each in found["channels"]["created"]}
        assert sorted(created) == ["ann,ben", "bulletin", "hidden"]
        assert [created[name]["kind"] for name in sorted(created)] == ["im", "public", "private"]
        assert created["bulletin"]["changes"]["topic"]["after"] == "what is new"
        assert created["hidden"]["changes"]["archived"]["after"] is True
        (general,) = found["channels"]["changed"]
        assert (general["channel_name"], general["changes"]["purpose"]["after"]) == ("general", "all")
        joined = [(each["channel_name"], each["user_name"]) for each in found["members"]["joined"]]
        assert joined == [("bulletin", "ann"), ("bulletin", "ben"), ("hidden", "ann")]
        assert [(each["channel_name"], each["user_name"]) for each in found["members"]["left"]] == [("plans", "ann")]
        assert "psst" in [each["text"] for each in found["messages"]["posted"]]


async def test_people_their_profiles_and_the_team(box: Sandbox) -> None:
    await box.do("user.add", name="cleo", real_name="Cleo Example")
    assert (await box.call("ann", "users.profile.set", profile=json.dumps({"title": "Chief"})))["ok"]
    await box.do("user.deactivate", user="ben")
    await box.do("team.change", name="Renamed")
    # What is not a change to those who look: presence, read marks.
    await box.do("presence", user="ann", presence="away")
    await box.call("ann", "conversations.mark", channel=box.general, ts="1700000000.000001")

    states, log = await both(box)
    for found in (states, log):
        assert [(each["user_name"], each["is_bot"]) for each in found["people"]["added"]] == [("cleo", False)]
        changed = {each["user_name"]: each["changes"] for each in found["people"]["changed"]}
        assert changed["ann"]["profile.title"]["after"] == "Chief"
        assert changed["ben"]["deleted"]["after"] is True
        assert found["team"]["name"]["after"] == "Renamed"
    assert set(states["team"]) == {"name"}
    assert {name: set(each["changes"]) for each in states["people"]["changed"] for name in [each["user_name"]]} == {
        "ann": {"profile.title"},
        "ben": {"deleted"},
    }
    assert states["people"]["changed"][0]["changes"]["profile.title"]["before"] is None


async def test_messages_to_be_posted_later(box: Sandbox) -> None:
    at = int(time.time()) + 1_000
    arguments = {"channel": box.general, "text": "later", "post_at": str(at)}
    assert (await box.call("ann", "chat.scheduleMessage", **arguments))["ok"]
    await box.do("workspaces.snapshot", name="planned")

    (planned,) = (await box.changes(from_snapshot="seed"))["scheduled"]["added"]
    assert (planned["text"], planned["post_at"], planned["user_name"]) == ("later", at, "ann")
    arguments = {"channel": box.general, "scheduled_message_id": planned["id"]}
    assert (await box.call("ann", "chat.deleteScheduledMessage", **arguments))["ok"]
    assert (await box.changes(from_snapshot="planned"))["scheduled"]["removed"] == [planned]


async def test_two_runs_of_the_same_acts_have_the_same_changes_but_for_ids_and_times(farm: Farm) -> None:
    shown = []
    for _ in range(3):
        box = await farm.create()
        for name in ("zulu", "alpha", "mike"):
            await box.call("ann", "conversations.create", name=name)
        ts = await box.say("ben", "x")
        for user in ("helper", "ann"):
            await box.do("react", user=user, channel="general", ts=ts, name="eyes")
        found = await box.changes(from_snapshot="seed")
        shown.append(
            [[each["channel_name"] for each in found["channels"]["created"]],
             [each["user_name"] for each in found["reactions"]["added"]],
             [(each["channel_name"], each["text"].partition(">")[2]) for each in found["messages"]["posted"]]]
        )  # fmt: skip
    assert shown[0] == shown[1] == shown[2]
    assert shown[0][:2] == [["alpha", "mike", "zulu"], ["ann", "helper"]]


async def test_from_a_snapshot_to_another_and_from_a_position_to_one(box: Sandbox) -> None:
    marks = {}
    for name in ("one", "two", "three"):
        await box.say("ann", name)
        await box.do("workspaces.snapshot", name=name)
        marks[name] = (await box.do("position"))["position"]

    for ends in (
        {"from_snapshot": "one", "to_snapshot": "two"},
        {"from_position": marks["one"], "to_position": marks["two"]},
        {"from_snapshot": "one", "to_position": marks["two"]},
        {"from_position": marks["one"], "to_snapshot": "two"},
    ):
        found = await box.changes(**ends)
        assert [each["text"] for each in found["messages"]["posted"]] == ["two"]
    back = await box.changes(from_snapshot="two", to_snapshot="one")
    assert [each["text"] for each in back["messages"]["deleted"]] == ["two"]
    assert (await box.changes(from_position=marks["three"]))["count"] == 0


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ({}, "start_needed"),
        ({"to_snapshot": "seed"}, "start_needed"),
        ({"from_snapshot": "seed", "from_position": "x.1"}, "one_end"),
        ({"from_snapshot": "other"}, "snapshot_not_found"),
        ({"from_snapshot": "../seed.db"}, "snapshot_not_found"),
        ({"from_position": "x.1"}, "unknown_position"),
        ({"from_position": "nonsense"}, "unknown_position"),
        ({"from_snapshot": "seed", "to_position": "x.1"}, "no_position"),
        ({"from_snapshot": 1}, "invalid_arguments"),
    ],
)
async def test_ends_that_are_none_are_refused(box: Sandbox, ends: dict[str, Any], code: str) -> None:
    reply = await box.ask("workspaces.diff", **ends)
    assert reply.status in (400, 404)
    assert reply.code == code


async def test_a_position_after_the_end_and_the_wrong_order_are_refused(box: Sandbox) -> None:
    start = (await box.do("position"))["position"]
    await box.say("ann", "x")
    end = (await box.do("position"))["position"]
    epoch, _, number = end.partition(".")
    assert (await box.ask("workspaces.diff", from_position=end, to_position=start)).code == "wrong_order"
    assert (await box.ask("workspaces.diff", from_position=f"{epoch}.{int(number) + 1}")).code == "unknown_position"


async def test_a_log_that_is_gone_is_an_error_that_says_so_and_snapshots_stay(box: Sandbox) -> None:
    for text in ("x", "y"):
        await box.say("ann", text)
    served = box.farm.server.host.get(box.id)
    assert served is not None

    def cut(tx: Transaction) -> None:
        tx.execute("DELETE FROM log WHERE position < (SELECT head FROM workspace)")

    await served.workspace.writer.write(cut)
    reply = await box.ask("workspaces.diff", from_position=box.made["position"])
    assert (reply.status, reply.code) == (400, "position_too_old")
    assert "log_keep" in reply.message
    assert (await box.changes(from_snapshot="seed"))["count"] == 2


async def test_changes_are_bounded(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        await box.say("ann", f"{number}" * 1_000)
    for limit, value in (("MAX_CHANGES", 4), ("MAX_BYTES", 4_000)):
        with monkeypatch.context() as patch:
            patch.setattr(changes, limit, value)
            for ends in ({"from_snapshot": "seed"}, {"from_position": box.made["position"]}):
                assert (await box.ask("workspaces.diff", **ends)).code == "too_many_changes"
    monkeypatch.setattr(entries, "MAX_LOG", 4_000)
    assert (await box.ask("workspaces.diff", from_position=box.made["position"])).code == "too_many_changes"
    assert (await box.changes(from_snapshot="seed"))["count"] == 5


async def test_many_rows_are_compared_in_pages(box: Sandbox) -> None:
    for number in range(230):
        await box.say("ann", f"before {number}")
    await box.do("workspaces.snapshot", name="before")
    ts = [await box.say("ben", f"after {number}") for number in range(120)]
    found = await box.changes(from_snapshot="before")
    assert [each["ts"] for each in found["messages"]["posted"]] == ts
    assert found["count"] == 120


# --- the workspace of the server itself, on either database ---


@pytest.fixture
async def controlled(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def test_positions_are_compared_on_every_database(controlled: Scene) -> None:
    before = (await operate(controlled, "position"))["position"]
    said = await operate(controlled, "say", user="alice", channel="general", text="x")
    await operate(controlled, "react", user="bob", channel="general", ts=said["ts"], name="eyes")
    found = (await operate(controlled, "workspaces.diff", from_position=before))["changes"]
    assert counted(found) == {"messages": {"posted": 1}, "reactions": {"added": 1}}


async def test_a_server_on_postgresql_says_that_it_makes_none(controlled: Scene) -> None:
    is_sqlite = controlled.server.settings.database is None
    host = (await controlled.server.directory()).host
    assert host is not None
    headers = {"Authorization": f"Bearer {host.secret}"}
    reply = await ask(controlled, "/_control/v1/workspaces.create", b"{}", headers=headers)
    assert reply.status == (200 if is_sqlite else 400)
    if not is_sqlite:
        assert reply.code == "not_with_database"
        assert "--database" in reply.message
        assert await refusal(controlled, "workspaces.snapshot", name="x") == "not_with_database"
        assert await refusal(controlled, "workspaces.diff", from_snapshot="x") == "not_with_database"
