"""The retired families as a table: every name, its answer under the old keys, and which conversations it serves."""

from typing import Any

import pytest

from catalogue import METHODS as DOCUMENTED
from samples import place, sample
from scene import Scene
from tautwire.server.web_api.method import METHODS
from tautwire.server.web_api.methods.retired import ALIASES, Alias
from tautwire.server.web_api.unserved import RETIRED

NOT_SERVED = {"channels.delete", "groups.createChild"}

ANSWERS = {
    "channels.archive": set(), "channels.create": {"channel"}, "channels.history": {"messages", "has_more"},
    "channels.info": {"channel"}, "channels.invite": {"channel"}, "channels.join": {"channel"},
    "channels.kick": set(), "channels.leave": set(), "channels.list": {"channels", "response_metadata"},
    "channels.mark": set(), "channels.rename": {"channel"}, "channels.replies": {"messages", "has_more"},
    "channels.setPurpose": {"purpose"}, "channels.setTopic": {"topic"}, "channels.unarchive": set(),
    "groups.archive": set(), "groups.close": set(), "groups.create": {"group"},
    "groups.history": {"messages", "has_more"}, "groups.info": {"group"}, "groups.invite": {"group"},
    "groups.kick": set(), "groups.leave": set(), "groups.list": {"groups", "response_metadata"},
    "groups.mark": set(), "groups.open": {"no_op", "already_open"}, "groups.rename": {"channel"},
    "groups.replies": {"messages", "has_more"}, "groups.setPurpose": {"purpose"}, "groups.setTopic": {"topic"},
    "groups.unarchive": set(), "im.close": set(), "im.history": {"messages", "has_more"},
    "im.list": {"ims", "response_metadata"}, "im.mark": set(), "im.open": {"channel"},
    "im.replies": {"messages", "has_more"}, "mpim.close": set(), "mpim.history": {"messages", "has_more"},
    "mpim.list": {"groups", "response_metadata"}, "mpim.mark": set(), "mpim.open": {"group"},
    "mpim.replies": {"messages", "has_more"}, "presence.set": set(),
}  # fmt: skip
"""The members of the answers beside ``ok``. Source: wire/retired-methods.md (documented)."""


def test_every_retired_name_is_served_but_two() -> None:
    retired = {name for name in DOCUMENTED if name.partition(".")[0] in RETIRED}

    assert len(retired) == 46
    assert {alias.name for alias in ALIASES} == retired - NOT_SERVED == set(ANSWERS)


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias.name)
def test_an_old_name_takes_the_documented_arguments_and_points_to_what_it_calls(alias: Alias) -> None:
    made = METHODS[alias.name]

    assert set(made.arguments.__struct_fields__) <= set(DOCUMENTED[alias.name]["args"])
    assert (made.successor, made.access) == (alias.successor, METHODS[alias.successor].access)
    assert set(alias.sends.values()) <= set(METHODS[alias.successor].arguments.__struct_fields__)


@pytest.mark.parametrize("name", sorted(ANSWERS))
async def test_an_old_name_answers_under_its_old_keys(scene: Scene, name: str) -> None:
    arguments = await sample(scene, "alice", name, await place(scene, name))

    answer = await scene.ok("alice", name, **arguments)

    assert answer.keys() - {"ok"} == ANSWERS[name]


@pytest.mark.parametrize("alias", [alias for alias in ALIASES if alias.kinds], ids=lambda alias: alias.name)
async def test_a_conversation_of_another_kind_is_not_found(scene: Scene, alias: Alias) -> None:
    wrong = scene.ops if alias.name.startswith("channels.") else scene.general
    arguments: dict[str, Any] = await sample(scene, "alice", alias.name, await place(scene, alias.name))

    assert await scene.error("alice", alias.name, **arguments | {"channel": wrong}) == "channel_not_found"


async def test_old_lists_have_the_members_and_their_own_kinds(scene: Scene) -> None:
    direct = (await scene.ok("alice", "im.open", user=scene.users["bob"]))["channel"]["id"]
    group = (await scene.ok("alice", "mpim.open", users=f"{scene.users['bob']},{scene.users['carol']}"))["group"]

    async def ids(method: str, key: str, **arguments: Any) -> list[str]:
        return [channel["id"] for channel in (await scene.ok("alice", method, **arguments))[key]]

    (general,) = (await scene.ok("alice", "channels.list"))["channels"]
    assert sorted(general["members"]) == sorted(scene.users[name] for name in ("alice", "bob", "relaybot"))
    assert (general["is_member"], general["num_members"]) == (True, 3)
    (short,) = (await scene.ok("alice", "channels.list", exclude_members=1))["channels"]
    assert "members" not in short
    assert sorted(await ids("groups.list", "groups")) == sorted([scene.ops, group["id"]])
    assert await ids("im.list", "ims") == [direct]
    assert await ids("mpim.list", "groups") == [group["id"]]
    assert await ids("channels.list", "channels", cursor="", limit=1) == [scene.general]


async def test_a_direct_message_is_opened_the_old_way(scene: Scene) -> None:
    bob = scene.users["bob"]
    opened = await scene.ok("alice", "im.open", user=bob)
    assert opened["channel"].keys() == {"id"}

    again = await scene.ok("alice", "im.open", user=bob, return_im=True)
    assert (again["channel"]["id"], again["channel"]["user"]) == (opened["channel"]["id"], bob)
    assert (again["no_op"], again["already_open"]) == (True, True)
    for nobody in ("", "UNOBODY"):
        assert await scene.error("alice", "im.open", user=nobody) == "user_not_found"
    assert await scene.ok("alice", "im.close", channel=opened["channel"]["id"]) == {"ok": True}


async def test_a_channel_is_joined_by_name_and_made_if_it_is_missing(scene: Scene) -> None:
    joined = await scene.ok("carol", "channels.join", name="#general")
    assert (joined["channel"]["id"], joined["channel"]["is_member"]) == (scene.general, True)
    assert (await scene.ok("carol", "channels.join", name="general"))["already_in_channel"] is True
    made = (await scene.ok("carol", "channels.join", name="town"))["channel"]
    assert made["creator"] == scene.users["carol"]
    assert await scene.error("carol", "channels.join", name="ops") == "name_taken"
    assert await scene.error("carol", "channels.join", name="") == "invalid_name_required"


async def test_a_history_is_read_the_old_way(scene: Scene) -> None:
    first = await scene.post("alice", scene.general, "one")
    await scene.post("alice", scene.general, "a reply", thread_ts=first)
    await scene.post("alice", scene.general, "two")

    page = await scene.ok("alice", "channels.history", channel=scene.general, count=1)
    assert ([message["text"] for message in page["messages"]], page["has_more"]) == (["two"], True)
    thread = await scene.ok("alice", "channels.replies", channel=scene.general, thread_ts=first)
    assert [message["text"] for message in thread["messages"]] == ["one", "a reply"]


async def test_someone_who_is_in_a_group_already_is_no_error(scene: Scene) -> None:
    answer = await scene.ok("alice", "groups.invite", channel=scene.ops, user=scene.users["relaybot"])
    assert (answer["group"]["id"], answer["already_in_group"]) == (scene.ops, True)
    assert await scene.error("alice", "groups.invite", channel=scene.ops, user="UNOBODY") == "user_not_found"
    assert await scene.error("alice", "groups.invite", channel=scene.ops, user="") == "no_user"


async def test_a_group_direct_message_is_opened_and_closed_the_old_way(scene: Scene) -> None:
    users = f"{scene.users['bob']},{scene.users['carol']}"
    group = (await scene.ok("alice", "mpim.open", users=users))["group"]
    assert (group["is_mpim"], len(group["members"])) == (True, 3)
    assert await scene.ok("alice", "groups.close", channel=group["id"]) == {"ok": True}
    assert await scene.ok("alice", "groups.open", channel=group["id"]) == {"ok": True}
    assert (await scene.ok("alice", "groups.open", channel=group["id"]))["already_open"] is True
    assert await scene.error("alice", "mpim.open", users="") == "users_list_not_supplied"
