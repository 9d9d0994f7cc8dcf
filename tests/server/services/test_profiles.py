"""Profiles and statuses, and the methods about users and the workspace that clients call at their start."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from scene import PATIENCE, Scene
from second_writer import Other
from tautwire.server.services.people import profiles

CHANGED = ["user_change", "user_profile_changed"]


@pytest.fixture
async def other(scene: Scene) -> AsyncIterator[Other]:
    other = Other(scene)
    yield other
    await other.close()


async def profile_of(scene: Scene, who: str, *, seen_by: str = "bob") -> dict[str, Any]:
    return dict((await scene.ok(seen_by, "users.profile.get", user=scene.users[who]))["profile"])


async def set_profile(scene: Scene, who: str = "alice", **members: Any) -> dict[str, Any]:
    return dict((await scene.ok(who, "users.profile.set", profile=members))["profile"])


# --- users.profile ---


async def test_what_is_set_is_shown_to_all_and_announced_without_the_address(scene: Scene) -> None:
    carol = await scene.connect("carol")

    answer = await set_profile(
        scene, real_name="Alice B. Example", display_name="ali", title="Owl", email="ali@example.test",
        fields={"Xf1": {"value": "x", "alt": ""}},
    )  # fmt: skip

    assert (answer["real_name"], answer["first_name"], answer["last_name"]) == (
        "Alice B. Example",
        "Alice",
        "B. Example",
    )
    assert (answer["display_name"], answer["display_name_normalized"], answer["title"]) == ("ali", "ali", "Owl")
    assert (answer["email"], answer["fields"]) == ("ali@example.test", {"Xf1": {"value": "x", "alt": ""}})
    frames = await carol.fence()
    assert [frame["type"] for frame in frames] == CHANGED
    for frame in frames:
        assert frame["user"]["id"] == scene.users["alice"]
        assert frame["user"]["profile"] == {k: v for k, v in answer.items() if k != "email"}
    assert await profile_of(scene, "alice") == answer
    user = (await scene.ok("bob", "users.info", user=scene.users["alice"]))["user"]
    assert (user["name"], user["real_name"], user["profile"]) == ("alice", "Alice B. Example", answer)
    members = (await scene.ok("bob", "users.list"))["members"]
    assert next(member for member in members if member["name"] == "alice") == user


async def test_what_is_not_given_stays(scene: Scene) -> None:
    await set_profile(scene, title="Owl", phone="1")
    await scene.ok("alice", "users.profile.set", name="phone", value="2")

    profile = await profile_of(scene, "alice")
    assert (profile["title"], profile["phone"], profile["real_name"]) == ("Owl", "2", "Alice Example")
    assert (await set_profile(scene, last_name="Sample"))["real_name"] == "Alice Sample"
    assert (await set_profile(scene, real_name="Zoe Zen"))["first_name"] == "Zoe"


async def test_a_status_is_announced(scene: Scene) -> None:
    bob = await scene.connect("bob")

    answer = await set_profile(scene, status_text="lunch", status_emoji=":taco:", status_expiration=1_900_000_000)
    assert (answer["status_text"], answer["status_emoji"], answer["status_expiration"]) == (
        "lunch", ":taco:", 1_900_000_000,
    )  # fmt: skip
    assert await bob.events() == [*CHANGED, "user_status_changed"]
    await set_profile(scene, status_text="lunch", status_emoji=":taco:", status_expiration=1_900_000_000)
    assert await bob.events() == CHANGED, "the status is as before"
    cleared = await set_profile(scene, status_text="", status_emoji="")
    assert (cleared["status_text"], cleared["status_emoji"], cleared["status_expiration"]) == ("", "", 0)
    assert await bob.events() == [*CHANGED, "user_status_changed"]
    assert (await set_profile(scene, status_text="out"))["status_emoji"] == ":speech_balloon:"


async def ended(scene: Scene) -> None:
    """Wait until the status of alice is cleared."""

    async def text() -> str:
        return str((await profile_of(scene, "alice"))["status_text"])

    async with asyncio.timeout(PATIENCE):
        while await text():  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(0.002)


async def test_a_status_ends_at_its_time_and_that_is_announced(scene: Scene) -> None:
    end = scene.clock.seconds() + 60
    await set_profile(scene, status_text="at lunch", status_emoji=":bento:", status_expiration=end)
    carol = await scene.connect("carol")
    await scene.server_swept()
    assert (await profile_of(scene, "alice"))["status_text"] == "at lunch"
    scene.clock.offset += 61
    await ended(scene)
    profile = await profile_of(scene, "alice")
    assert [profile[name] for name in ("status_text", "status_emoji", "status_expiration")] == ["", "", 0]
    frames = [frame for frame in await carol.fence() if frame["type"] != "presence_change"]
    assert [frame["type"] for frame in frames] == [*CHANGED, "user_status_changed"]
    assert {frame["user"]["profile"]["status_text"] for frame in frames} == {""}


async def test_a_status_without_an_end_and_one_with_a_later_end_stay(scene: Scene) -> None:
    end = scene.clock.seconds() + 60
    await set_profile(scene, status_text="at lunch", status_expiration=end)
    await set_profile(scene, status_expiration=end + 600)
    await set_profile(scene, "bob", status_text="here")
    scene.clock.offset += 61
    await scene.server_swept()
    unit = partial(profiles.end_status, team=scene.server.workspace.team, user=scene.users["alice"])
    await scene.server.workspace.writer.write(unit)
    assert (await profile_of(scene, "alice"))["status_text"] == "at lunch"
    assert (await profile_of(scene, "bob"))["status_text"] == "here"


async def test_a_status_that_ended_while_the_server_was_down_is_cleared(scene: Scene) -> None:
    await set_profile(scene, status_text="at lunch", status_expiration=scene.clock.seconds() + 60)
    await scene.server.stop()
    scene.clock.offset += 61
    await scene.server.start()
    await ended(scene)


@pytest.mark.parametrize(
    ("profile", "error"),
    [
        ({}, "invalid_profile"),
        ([], "invalid_profile"),
        ("text", "invalid_profile"),
        ({"image_24": "x"}, "invalid_profile"),
        ({"title": 5}, "invalid_profile"),
        ({"fields": "x"}, "invalid_profile"),
        ({"status_expiration": "soon"}, "invalid_profile"),
        ({"status_expiration": -1}, "invalid_profile"),
        ({"status_expiration": True}, "invalid_profile"),
        ({"status_text": "x", "status_emoji": "taco"}, "invalid_profile"),
        ({"email": "nowhere"}, "invalid_profile"),
        ({"email": "Bob@Example.test"}, "email_taken"),
        ({"status_text": "x" * 101}, "too_long"),
        ({"display_name": "x" * 81}, "too_long"),
        ({"fields": {"Xf1": {"value": "x" * 2_000}}}, "too_long"),
        ({"display_name": "@ali"}, "invalid_starts_with_at"),
        ({"display_name": "Slackbot"}, "reserved_name"),
        ({"status_text": ""}, "must_clear_both_status_text_and_status_emoji"),
        ({"status_emoji": ""}, "must_clear_both_status_text_and_status_emoji"),
    ],
)
async def test_a_profile_that_cannot_be_set(scene: Scene, profile: Any, error: str) -> None:
    await set_profile(scene, "bob", email="bob@example.test")
    await set_profile(scene, status_text="lunch", status_emoji=":taco:")
    before, watcher = await profile_of(scene, "alice"), await scene.connect("carol")

    assert await scene.error("alice", "users.profile.set", profile=json.dumps(profile)) == error

    assert await profile_of(scene, "alice") == before
    assert await watcher.fence() == []


async def test_only_people_set_profiles_and_only_their_own(scene: Scene) -> None:
    assert (
        await scene.error("alice", "users.profile.set", user=scene.users["bob"], profile={"title": "x"}) == "not_admin"
    )
    assert await scene.error("relaybot", "users.profile.set", profile={"title": "x"}) == "not_allowed_token_type"
    assert await scene.error("alice", "users.profile.get", user="UNOBODY") == "user_not_found"
    assert (await scene.ok("alice", "users.profile.get"))["profile"]["email"] == "alice@example.test"
    assert "email" not in await profile_of(scene, "alice", seen_by="relaybot")


async def test_a_profile_that_another_writer_sets_is_shown_at_once(scene: Scene, other: Other) -> None:
    bob, team = await scene.connect("bob"), scene.server.workspace.team
    await set_profile(scene, title="Owl")
    await bob.fence()

    unit = partial(profiles.set_own_profile, team=team, who=other.who("alice"), given={"display_name": "ali"})
    await other.writer.write(unit)

    assert (await bob.until("user_change"))["user"]["profile"]["display_name"] == "ali"
    assert (await profile_of(scene, "alice"))["display_name"] == "ali"
    assert (await set_profile(scene, phone="1"))["display_name"] == "ali"


# --- users.* ---


async def test_several_users_are_described_at_once(scene: Scene) -> None:
    ids = [scene.users["bob"], scene.users["alice"]]
    answer = await scene.ok("alice", "users.info", users=",".join(ids), include_locale=True)

    assert [(user["id"], user["locale"]) for user in answer["users"]] == [(ids[0], "en-US"), (ids[1], "en-US")]
    assert await scene.error("alice", "users.info", users=f"{ids[0]},UNOBODY") == "user_not_found"
    assert await scene.error("alice", "users.info", users=",".join(["U1"] * 1_001)) == "too_many_users"
    assert "locale" not in (await scene.ok("alice", "users.info", user=ids[0]))["user"]


@pytest.mark.parametrize("limit", [0, 100])
async def test_users_are_listed_with_presence_and_locale_if_wanted(scene: Scene, limit: int) -> None:
    await scene.connect("bob")

    async def listed(**arguments: Any) -> dict[str, Any]:
        members = (await scene.ok("alice", "users.list", limit=limit, **arguments))["members"]
        return {user["name"]: (user.get("presence"), user.get("locale")) for user in members}

    assert (await listed())["bob"] == (None, None)
    both = await listed(presence=True, include_locale=True)
    assert (both["bob"], both["alice"]) == (("active", "en-US"), ("away", "en-US"))
    assert (await listed(presence=1))["bob"] == ("active", None)
    assert (await listed(include_locale="true"))["bob"] == (None, "en-US")


async def test_a_user_is_found_by_the_address(scene: Scene) -> None:
    for address in ("alice@example.test", "ALICE@example.TEST", " alice@example.test "):
        found = await scene.ok("relaybot", "users.lookupByEmail", email=address)
        assert (found["user"]["id"], found["user"]["profile"]["email"]) == (scene.users["alice"], "alice@example.test")
    for address in ("", "nobody@example.test", "alice"):
        assert await scene.error("alice", "users.lookupByEmail", email=address) == "users_not_found"
    await set_profile(scene, email="")
    assert await scene.error("alice", "users.lookupByEmail", email="alice@example.test") == "users_not_found"


async def test_the_conversations_of_a_user_are_those_that_the_caller_may_see(scene: Scene) -> None:
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    kinds = "public_channel,private_channel,mpim,im"

    async def found(who: str, user: str | None = None, **arguments: Any) -> set[str]:
        of = {"user": scene.users[user]} if user else {}
        answer = await scene.ok(who, "users.conversations", types=kinds, **of, **arguments)
        for channel in answer["channels"]:
            assert not {"is_member", "num_members"} & channel.keys()
        return {channel["id"] for channel in answer["channels"]}

    assert await found("alice") == {scene.general, scene.ops, direct}
    assert await found("bob", "alice") == {scene.general, direct}
    assert await found("carol", "alice") == {scene.general}
    assert await found("relaybot", "alice") == {scene.general, scene.ops}
    assert await found("carol") == set()
    public = await scene.ok("alice", "users.conversations")
    assert [channel["id"] for channel in public["channels"]] == [scene.general]
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    await scene.ok("alice", "conversations.archive", channel=town)
    assert town in await found("alice")
    assert town not in await found("alice", exclude_archived=True)
    assert await scene.error("alice", "users.conversations", user="UNOBODY") == "user_not_found"
    assert await scene.error("alice", "users.conversations", types="public") == "invalid_types"
    assert await scene.error("alice", "users.conversations", cursor="x") == "invalid_cursor"
    assert await scene.error("alice", "users.conversations", limit=-1) == "invalid_limit"


async def test_the_conversations_of_a_user_come_in_pages(scene: Scene) -> None:
    seen: list[str] = []
    cursor, pages = "", 0
    while pages == 0 or cursor:
        answer = await scene.ok(
            "alice", "users.conversations", types="public_channel,private_channel", limit=1, cursor=cursor
        )
        seen += [channel["id"] for channel in answer["channels"]]
        cursor, pages = answer["response_metadata"]["next_cursor"], pages + 1
    assert seen == sorted([scene.general, scene.ops])
    assert pages == 2


async def test_what_clients_ask_at_their_start_is_answered(scene: Scene) -> None:
    """wee-slack does not start without the first two."""
    assert (await scene.ok("alice", "usergroups.list"))["usergroups"] == []
    assert (await scene.ok("alice", "users.prefs.get"))["prefs"]["muted_channels"] == ""
    assert await scene.ok("alice", "users.setActive") == {"ok": True}
    emoji = await scene.ok("alice", "emoji.list", include_categories=True)
    assert (emoji["emoji"], emoji["categories"]) == ({}, [])
    assert isinstance(emoji["cache_ts"], str)
    assert "categories" not in await scene.ok("alice", "emoji.list")
    assert await scene.error("alice", "usergroups.users.list", usergroup="S1") == "no_such_subteam"


async def test_the_workspace_is_described(scene: Scene) -> None:
    team = (await scene.ok("relaybot", "team.info"))["team"]
    assert (team["name"], team["domain"], team["icon"]["image_default"]) == ("Acme", "acme", True)
    assert (await scene.ok("alice", "team.info", team=team["id"], domain="acme"))["team"] == team
    assert await scene.error("alice", "team.info", team="T_OTHER") == "team_not_found"
    assert await scene.error("alice", "team.info", domain="other") == "team_not_found"
