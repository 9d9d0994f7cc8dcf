"""The operations on single events: the types that there are, and one sent to one connection."""

import pytest

from controlled import SECRET, operate, refusal
from scene import OpenScene, Scene
from tautwire.protocol.events import CATALOGUE


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def test_the_types_are_those_of_the_catalogue_with_their_fields(scene: Scene) -> None:
    types = (await operate(scene, "event.types"))["types"]

    assert {(each["type"], each["subtype"]) for each in types} == set(CATALOGUE)
    added = next(each for each in types if each["type"] == "reaction_added")
    assert added["sent"]
    fields = {each["name"]: (each["kind"], each["required"]) for each in added["fields"]}
    assert fields["user"] == ("string", True)
    assert fields["item"] == ("object", True)
    assert fields["item_user"] == ("string", False)
    assert "type" not in fields


async def test_an_event_goes_to_one_connection_and_changes_nothing(scene: Scene) -> None:
    one, other = await scene.connect("alice"), await scene.connect("alice")
    before = scene.server.workspace.tail.position
    number = (await operate(scene, "connections"))["connections"][0]["number"]
    event = {"type": "team_rename", "name": "Ä", "event_ts": "1700000000.000100"}

    sent = await operate(scene, "event.send", connection=number, event=event)

    assert sent["connection"] == number
    assert await one.until("team_rename") == event
    assert scene.server.workspace.tail.position == before
    await scene.post("alice", scene.general, "after it")
    assert "team_rename" not in [frame["type"] for frame in await other.fence()]


async def test_no_event_is_sent_without_a_type_or_a_connection(scene: Scene) -> None:
    await scene.connect("alice")
    number = (await operate(scene, "connections"))["connections"][0]["number"]

    assert await refusal(scene, "event.send", connection=number, event={"text": "x"}) == "invalid_event"
    assert await refusal(scene, "event.send", connection=9999, event={"type": "x"}) == "connection_not_found"
