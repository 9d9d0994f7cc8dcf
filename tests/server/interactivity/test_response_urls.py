"""Response URLs: what an app does with them, how often, how long, and after a restart."""

from collections.abc import AsyncIterator
from functools import partial
from io import BytesIO
from typing import Any

import pytest

from asked import BUTTON, SocketApp, click, command, open_controlled, use
from controlled import operate
from scene import OpenScene, Scene
from tautwire.server.services.access.apps import delete_app
from tautwire.server.services.interactivity.response_urls import Source, issue


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_controlled(open_scene)


@pytest.fixture
async def app(scene: Scene) -> AsyncIterator[SocketApp]:
    app = await SocketApp.connected(scene)
    yield app
    await app.close()


async def of_command(scene: Scene, app: SocketApp) -> str:
    await command(scene, "/deploy")
    return str(app.payload["response_url"])


async def of_click(scene: Scene, app: SocketApp) -> tuple[str, str]:
    ts = await scene.post("desk", scene.general, "Ticket 7", blocks=[BUTTON])
    await click(scene, ts)
    return str(app.payload["response_url"]), ts


async def test_it_works_five_times(scene: Scene, app: SocketApp) -> None:
    url = await of_command(scene, app)
    alice = await scene.connect("alice")
    for number in range(5):
        assert await use(url, {"text": str(number)}) == (200, "ok")
    assert await use(url, {"text": "6"}) == (404, '{"ok":false,"error":"used_url"}')
    assert [frame["text"] for frame in await alice.fence()] == ["0", "1", "2", "3", "4"]


async def test_it_works_for_half_an_hour(scene: Scene, app: SocketApp) -> None:
    url = await of_command(scene, app)
    scene.clock.offset += 1_799
    assert await use(url, {"text": "in time"}) == (200, "ok")
    scene.clock.offset += 1
    assert await use(url, {"text": "late"}) == (404, '{"ok":false,"error":"expired_url"}')


async def test_old_ones_are_deleted_and_no_secret_is_stored(scene: Scene, app: SocketApp) -> None:
    workspace = scene.server.workspace
    source = Source(kind="command", channel=scene.general)
    unit = partial(issue, team=workspace.team, app=app.side.id, user=scene.users["alice"], source=source)
    await workspace.writer.write(unit)
    scene.clock.offset += 1_800 + 86_400
    await workspace.writer.write(unit)
    assert len(await workspace.reader.read(lambda query: query.all("SELECT hash FROM response_url"))) == 2
    scene.clock.offset += 1
    path = await workspace.writer.write(unit)
    rows = await workspace.reader.read(lambda query: query.all("SELECT * FROM response_url"))
    assert len(rows) == 2
    assert all(path.rpartition("/")[2] not in str(value) for row in rows for value in row)


async def test_one_that_is_refused_does_not_count(scene: Scene, app: SocketApp) -> None:
    url = await of_command(scene, app)
    for body, error in (
        ({}, "no_text"),
        (b"[1", "invalid_payload"),
        (b"", "invalid_payload"),
        ([], "invalid_payload"),
        ({"text": 7}, "invalid_payload"),
        ({"text": "x", "replace_original": "maybe"}, "invalid_payload"),
        ({"blocks": [{"type": "no"}]}, "invalid_blocks"),
        ({"blocks": {}}, "no_text"),
        ({"blocks": {"a": 1}}, "invalid_blocks"),
    ):
        assert await use(url, body) == (400, error)
    for _ in range(5):
        assert await use(url, {"text": "x"}) == (200, "ok")


async def test_a_form_and_switches_as_texts_are_accepted(scene: Scene, app: SocketApp) -> None:
    url, ts = await of_click(scene, app)
    form = {"payload": '{"text": "new", "replace_original": "true"}'}
    async with scene.http.post(url, data=form) as response:
        assert (response.status, await response.text()) == (200, "ok")
    (message,) = await scene.history("bob", scene.general)
    assert (message["ts"], message["text"], "blocks" in message) == (ts, "new", False)


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"text": "new"}, ["Ticket 7"]),  # for the person alone, since it is less visible than the message
        ({"text": "new", "response_type": "in_channel"}, ["new"]),
        ({"text": "new", "response_type": "in_channel", "replace_original": False}, ["new", "Ticket 7"]),
        ({"text": "new", "replace_original": True}, ["new"]),
        ({"delete_original": True}, []),
        ({"text": "new", "response_type": "in_channel", "delete_original": "true"}, ["new"]),
    ],
)
async def test_what_becomes_of_the_message(
    scene: Scene, app: SocketApp, body: dict[str, Any], texts: list[str]
) -> None:
    url, _ = await of_click(scene, app)
    assert await use(url, body) == (200, "ok")
    assert [message["text"] for message in await scene.history("bob", scene.general)] == texts


async def test_the_replacement_is_an_edit_of_the_app(scene: Scene, app: SocketApp) -> None:
    bob = await scene.connect("bob")
    url, ts = await of_click(scene, app)
    await use(url, {"text": "new", "replace_original": True})
    changed = await bob.until(lambda frame: frame.get("subtype") == "message_changed")
    assert (changed["message"]["ts"], changed["message"]["edited"]["user"]) == (ts, scene.users["desk"])
    assert changed["previous_message"]["text"] == "Ticket 7"


async def test_an_answer_can_go_to_a_thread(scene: Scene, app: SocketApp) -> None:
    url, ts = await of_click(scene, app)
    body = {"text": "reply", "response_type": "in_channel", "replace_original": False, "thread_ts": ts}
    assert await use(url, body) == (200, "ok")
    replies = await scene.ok("bob", "conversations.replies", channel=scene.general, ts=ts)
    assert [message["text"] for message in replies["messages"]] == ["Ticket 7", "reply"]


async def test_a_command_has_nothing_to_replace_or_delete(scene: Scene, app: SocketApp) -> None:
    url = await of_command(scene, app)
    await use(url, {"text": "one", "response_type": "in_channel"})
    assert await use(url, {"text": "two", "response_type": "in_channel", "replace_original": True}) == (
        200,
        "ok",
    )
    assert await use(url, {"delete_original": True}) == (200, "ok")
    assert [message["text"] for message in await scene.history("bob", scene.general)] == ["two", "one"]


async def test_it_survives_a_restart(open_scene: OpenScene, scene: Scene, app: SocketApp) -> None:
    url, ts = await of_click(scene, app)
    shown = await scene.ok(
        "desk", "chat.postEphemeral", channel=scene.general, user=scene.users["alice"], text="psst", blocks=[BUTTON]
    )
    await click(scene, str(shown["message_ts"]))
    ephemeral = str(app.payload["response_url"])
    await app.close()
    await scene.server.stop()
    again = await open_controlled(open_scene)
    alice = await again.connect("alice")

    def moved(old: str) -> str:
        return again.server.api_url.removesuffix("/api/") + old[old.index("/hooks/") :]

    assert await use(moved(url), {"text": "after", "replace_original": True}) == (200, "ok")
    assert await use(moved(ephemeral), {"delete_original": True}) == (200, "ok")
    changed, deleted = await alice.fence()
    assert (changed["message"]["ts"], changed["message"]["text"]) == (ts, "after")
    assert deleted["deleted_ts"] == shown["message_ts"]


async def test_an_app_that_is_deleted_answers_no_more(scene: Scene, app: SocketApp) -> None:
    url = await of_command(scene, app)
    workspace = scene.server.workspace
    await workspace.writer.write(lambda tx: delete_app(tx, workspace.team, app.side.id))
    assert await use(url, {"text": "x"}) == (404, '{"ok":false,"error":"expired_url"}')


async def test_an_archived_channel_takes_no_answer(scene: Scene, app: SocketApp) -> None:
    await operate(scene, "command", user="alice", channel="ops", text="/deploy")
    await scene.ok("alice", "conversations.archive", channel=scene.ops)
    assert await use(app.payload["response_url"], {"text": "x"}) == (410, "channel_is_archived")


async def test_secrets_cannot_be_guessed_fast(open_scene: OpenScene) -> None:
    scene = await open_controlled(open_scene, rate_limits=True)
    team = scene.directory.team["id"]
    root = scene.server.api_url.removesuffix("/api/")
    seen = set()
    for number in range(70):
        seen.add(await use(f"{root}/hooks/actions/{team}/1/{'a' * 22}{number:02}", {"text": "x"}))
    assert seen == {(404, '{"ok":false,"error":"expired_url"}'), (429, "ratelimited")}
    assert await use(f"{root}/hooks/actions/T0/1/x", {"text": "x"}) == (429, "ratelimited")


async def test_a_body_without_end_is_cut_off(scene: Scene, app: SocketApp) -> None:
    url = await of_command(scene, app)
    body = BytesIO(b'{"text": "' + b"x" * 1_100_000 + b'"}')
    async with scene.http.post(url, data=body) as response:
        assert (response.status, await response.text()) == (413, "request_too_large")


@pytest.mark.parametrize("path", ["", "actions", "actions/T/1", "no/T/1/x", "actions/T/1/x/y", "services/T/B/x"])
async def test_other_paths_are_not_found(scene: Scene, path: str) -> None:
    root = scene.server.api_url.removesuffix("/api/")
    status, text = await use(f"{root}/hooks/{path}", {"text": "x"})
    assert (status, text) in [(404, "no_service"), (404, "no_team")]
    async with scene.http.get(f"{root}/hooks/{path}") as response:
        assert (response.status, await response.text()) == (405, "method_not_allowed")
