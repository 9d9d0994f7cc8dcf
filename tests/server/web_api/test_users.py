"""Who is who: auth.test, users.*, bots.info, and the whole workspace in rtm.start."""

import json
from typing import Any

import msgspec
import pytest

from scene import Scene
from tautwire.protocol.objects import Bot, Channel, Team, User


def fits(kind: type, value: dict[str, Any]) -> None:
    """See that an object is one that our own client can read."""
    msgspec.json.decode(json.dumps(value), type=kind)


async def test_auth_test_tells_who_one_is(scene: Scene) -> None:
    answer = await scene.ok("alice", "auth.test")
    assert (
        answer
        | {
            "user": "alice",
            "user_id": scene.users["alice"],
            "team": "Acme",
            "team_id": scene.directory.team["id"],
        }
        == answer
    )
    assert answer["url"] == scene.server.api_url.removesuffix("api/")
    assert "bot_id" not in answer


async def test_a_bot_is_told_its_bot_id(scene: Scene) -> None:
    """slack_sdk's rtm_v2 hears nothing without it."""
    bot_id = (await scene.ok("relaybot", "auth.test"))["bot_id"]
    user = (await scene.ok("alice", "users.info", user=scene.users["relaybot"]))["user"]
    assert bot_id.startswith("B")
    assert user["profile"]["bot_id"] == bot_id
    assert user["is_bot"] is True
    bot = (await scene.ok("alice", "bots.info", bot=bot_id))["bot"]
    assert (bot["id"], bot["name"], bot["user_id"]) == (bot_id, "Relay Bot", scene.users["relaybot"])
    fits(Bot, bot)


async def test_bots_that_are_not_there(scene: Scene) -> None:
    for bot in ("", "B_NOPE", scene.users["relaybot"]):
        assert await scene.error("alice", "bots.info", bot=bot) == "bot_not_found"


async def test_a_person_is_described_to_others(scene: Scene) -> None:
    user = (await scene.ok("relaybot", "users.info", user=scene.users["alice"]))["user"]
    assert (user["name"], user["real_name"], user["is_bot"], user["deleted"]) == (
        "alice",
        "Alice Example",
        False,
        False,
    )
    assert user["profile"]["real_name"] == "Alice Example"
    fits(User, user)
    for nobody in ("", "UNOBODY", "alice"):
        assert await scene.error("alice", "users.info", user=nobody) == "user_not_found"


async def test_a_bot_without_the_scope_sees_no_email(scene: Scene) -> None:
    async def emails(who: str) -> list[str | None]:
        """Return alice's address as each method that describes users shows it."""
        info = (await scene.ok(who, "users.info", user=scene.users["alice"]))["user"]
        lists = [(await scene.ok(who, "users.list", limit=limit))["members"] for limit in (0, 100)]
        lists.append((await scene.ok(who, "rtm.start"))["users"])
        found = [info, *(next(user for user in users if user["name"] == "alice") for users in lists)]
        return [user["profile"].get("email") for user in found]

    assert await emails("bob") == ["alice@example.test"] * 4
    assert await emails("relaybot") == [None] * 4


async def test_a_conversation_has_a_locale_if_wanted(scene: Scene) -> None:
    asked = await scene.ok("alice", "conversations.info", channel=scene.general, include_locale=True)
    assert asked["channel"]["locale"] == "en-US"
    assert "locale" not in (await scene.ok("alice", "conversations.info", channel=scene.general))["channel"]


async def test_one_can_look_oneself_up(scene: Scene) -> None:
    """Java's client does, right after rtm.connect."""
    for who in scene.users:
        grant = await scene.grant(who)
        assert (await scene.ok(who, "users.info", user=grant["self"]["id"]))["user"]["name"] == who


async def test_everybody_is_listed(scene: Scene) -> None:
    answer = await scene.ok("alice", "users.list")
    assert {user["name"] for user in answer["members"]} == {"alice", "bob", "carol", "relaybot", "slackbot"}
    assert isinstance(answer["cache_ts"], int)
    for user in answer["members"]:
        fits(User, user)


async def test_the_list_comes_in_pages(scene: Scene) -> None:
    names: list[str] = []
    cursor, pages = "", 0
    while pages == 0 or cursor:
        answer = await scene.ok("alice", "users.list", limit=2, cursor=cursor)
        names += [user["name"] for user in answer["members"]]
        cursor, pages = answer["response_metadata"]["next_cursor"], pages + 1
    assert sorted(names) == ["alice", "bob", "carol", "relaybot", "slackbot"]
    assert pages == 3


@pytest.mark.parametrize("mpim_aware", [True, False])
async def test_rtm_start_describes_the_workspace(scene: Scene, mpim_aware: bool) -> None:
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    group = (await scene.ok("alice", "conversations.open", users=[scene.users["bob"], scene.users["carol"]]))["channel"]
    town = (await scene.ok("bob", "conversations.create", name="town"))["channel"]["id"]
    await scene.connect("bob")
    answer = await scene.ok("alice", "rtm.start", mpim_aware=mpim_aware)

    def ids(key: str) -> set[str]:
        for channel in answer[key]:
            fits(Channel, channel)
        return {channel["id"] for channel in answer[key]}

    assert ids("channels") == {scene.general, town}
    assert ids("ims") == {direct}
    assert ids("groups") | (ids("mpims") if mpim_aware else set()) == {scene.ops, group["id"]}
    assert ("mpims" in answer) is mpim_aware
    general, other = (next(c for c in answer["channels"] if c["id"] == channel) for channel in (scene.general, town))
    assert (general["is_member"], sorted(general["members"])) == (
        True,
        sorted(scene.users[name] for name in ("alice", "bob", "relaybot")),
    )
    assert (other["is_member"], "members" in other) == (False, False)
    assert {user["name"]: user["presence"] for user in answer["users"]} == {
        "alice": "away", "bob": "active", "carol": "away", "relaybot": "away", "slackbot": "away",
    }  # fmt: skip
    assert {bot["name"] for bot in answer["bots"]} == {"Relay Bot", "Slackbot"}
    assert (answer["self"]["id"], answer["self"]["name"]) == (scene.users["alice"], "alice")
    assert answer["team"]["domain"] == "acme"
    fits(Team, answer["team"])
    assert {"subteams", "dnd", "cache_ts", "latest_event_ts", "read_only_channels"} <= set(answer)


async def test_what_happens_while_rtm_start_answers_comes_on_the_socket(scene: Scene) -> None:
    answer = await scene.ok("alice", "rtm.start")
    await scene.post("bob", scene.general, "x")
    socket = await scene.dial(answer)
    assert await socket.events() == ["hello", "message"]


async def test_a_stranger_sees_no_private_channel_in_rtm_start(scene: Scene) -> None:
    answer = await scene.ok("bob", "rtm.start")
    assert answer["groups"] == answer["ims"] == []


async def test_a_bot_of_another_team_is_not_found(scene: Scene) -> None:
    bot = (await scene.ok("relaybot", "auth.test"))["bot_id"]

    assert (await scene.ok("alice", "bots.info", bot=bot, team_id=scene.directory.team["id"]))["bot"]["id"] == bot
    assert await scene.error("alice", "bots.info", bot=bot, team_id="T0") == "team_not_found"


async def test_a_revoked_token_is_refused_and_its_connection_is_closed(scene: Scene) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    assert (await scene.ok("alice", "auth.revoke", test=True))["revoked"] is False
    assert (await scene.ok("alice", "auth.test"))["ok"]

    assert (await scene.ok("alice", "auth.revoke"))["revoked"] is True
    assert await scene.error("alice", "auth.test") == "token_revoked"
    await alice.ended()
    assert await bob.fence() == []


async def test_the_teams_of_a_token(scene: Scene) -> None:
    team = {"id": scene.directory.team["id"], "name": "Acme"}

    assert (await scene.ok("relaybot", "auth.teams.list"))["teams"] == [team]
    (shown,) = (await scene.ok("alice", "auth.teams.list", include_icon=True))["teams"]
    assert shown == team | {"icon": shown["icon"]}
    assert await scene.error("alice", "auth.teams.list", cursor="x") == "invalid_cursor"
    assert await scene.error("alice", "auth.teams.list", limit=-1) == "invalid_limit"
