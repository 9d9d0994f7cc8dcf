"""Incoming webhooks: made by the operator, used without a token."""

from pathlib import Path

import pytest
from slack_sdk.webhook.async_client import AsyncWebhookClient

from asked import SocketApp, command, open_controlled, use
from controlled import operate, refusal
from scene import SEED, OpenScene, Scene
from tautwire.server.services.nesting import MAX_DEPTH
from tautwire.server.services.seed import SeedError, read_seed


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_controlled(open_scene)


@pytest.fixture
async def url(scene: Scene) -> str:
    return str((await operate(scene, "webhooks.create", app="desk", channel="ops"))["url"])


async def test_it_posts_as_the_app_where_its_bot_is_no_member(scene: Scene, url: str) -> None:
    client = AsyncWebhookClient(url)
    answer = await client.send(text="see https://x.test", blocks=[{"type": "divider"}])
    assert (answer.status_code, answer.body) == (200, "ok")
    (message,) = await scene.history("alice", scene.ops)
    assert (message["subtype"], message["text"]) == ("bot_message", "see <https://x.test>")
    assert message["app_id"] == scene.directory.apps["desk"]["id"]
    assert message["blocks"][0]["block_id"]


async def test_refusals_are_plain_texts_with_a_status(scene: Scene, url: str) -> None:
    assert await use(url, {}) == (400, "no_text")
    assert await use(url, {"delete_original": True}) == (400, "no_text")
    assert await use(url, b"[1") == (400, "invalid_payload")
    assert await use(url, b"payload=%7B%22text%22%3A1%7D") == (400, "invalid_payload")
    assert await use(url, {"blocks": [{"type": "section"}]}) == (400, "invalid_blocks")
    assert await use(url, {"attachments": [{"text": "x"}] * 101}) == (400, "too_many_attachments")
    wrong = f"{url[:-1]}{'a' if url[-1] != 'a' else 'b'}"
    assert await use(wrong, {"text": "x"}) == (404, "no_service")
    other = url.replace(f"/{url.split('/')[-2]}/", "/B0OTHER/")
    assert await use(other, {"text": "x"}) == (404, "no_service")
    await scene.ok("alice", "conversations.archive", channel=scene.ops)
    assert await use(url, {"text": "x"}) == (410, "channel_is_archived")


async def test_one_that_is_revoked_posts_no_more(scene: Scene, url: str) -> None:
    (listed,) = (await operate(scene, "webhooks.list", app="desk"))["webhooks"]
    assert url.split("/")[-2] == listed["id"]
    assert url.rsplit("/", maxsplit=1)[-1] not in str(listed)
    await operate(scene, "webhooks.revoke", webhook=listed["id"])
    assert await use(url, {"text": "x"}) == (404, "no_service")
    assert (await operate(scene, "webhooks.list", app="desk"))["webhooks"] == []
    assert await refusal(scene, "webhooks.revoke", webhook=listed["id"]) == "no_service"


async def test_it_survives_a_restart(open_scene: OpenScene, scene: Scene, url: str) -> None:
    await scene.server.stop()
    again = await open_controlled(open_scene)
    moved = again.server.api_url.removesuffix("/api/") + url[url.index("/hooks/") :]
    assert await use(moved, {"text": "after"}) == (200, "ok")
    assert [message["text"] for message in await again.history("alice", again.ops)] == ["after"]


async def test_the_rate_is_that_of_posts(open_scene: OpenScene) -> None:
    scene = await open_controlled(open_scene, rate_limits=True)
    url = str((await operate(scene, "webhooks.create", app="desk", channel="ops"))["url"])
    answers = [await use(url, {"text": "x"}) for _ in range(22)]
    assert answers[0] == (200, "ok")
    assert answers[-1] == (429, "ratelimited")
    assert len(await scene.history("alice", scene.ops)) == answers.count((200, "ok"))


async def test_only_the_operator_sees_the_secret_and_only_its_hash_is_stored(scene: Scene, url: str) -> None:
    secret = url.rpartition("/")[2]
    (row,) = await scene.server.workspace.reader.read(lambda query: query.all("SELECT * FROM webhook"))
    assert all(secret not in str(value) for value in row)
    assert await refusal(scene, "webhooks.create", app="no", channel="ops") == "unknown_app"


async def test_a_message_that_is_nested_too_deeply_is_refused(scene: Scene, url: str) -> None:
    """The log wraps what it keeps: readers fail at an entry that the door could just decode."""
    await use(url, {"text": "first"})
    for levels in (MAX_DEPTH, 900, 972, 100_000):
        deep = "[" * levels + "]" * levels
        assert await use(url, f'{{"text": "x", "attachments": [{{"a": {deep}}}]}}'.encode()) == (400, "invalid_payload")
        assert await use(url, {"text": "x", "attachments": f"[{deep}]"}) == (400, "invalid_payload")
    assert [message["text"] for message in await scene.history("alice", scene.ops)] == ["first"]


async def test_an_app_that_is_uninstalled_posts_no_more(scene: Scene, url: str) -> None:
    app = await SocketApp.connected(scene)
    await command(scene, "/deploy")
    answer_url = app.payload["response_url"]
    await app.close()
    await operate(scene, "app.uninstall", app="desk")
    assert await use(url, {"text": "x"}) == (404, "no_service")
    assert (await use(answer_url, {"text": "x", "response_type": "in_channel"}))[0] == 404
    for channel in (scene.ops, scene.general):
        assert await scene.history("alice", channel) == []
    assert (await operate(scene, "webhooks.list", app="desk"))["webhooks"] == []


async def test_an_app_whose_bot_is_deactivated_posts_no_more(scene: Scene, url: str) -> None:
    await operate(scene, "bot.deactivate", user="desk")
    assert (await use(url, {"text": "x"}))[0] == 404
    await operate(scene, "bot.reactivate", user="desk")
    assert await use(url, {"text": "x"}) == (200, "ok")


SEEDED = (
    SEED
    + """apps:
  - {name: desk, webhooks: [general, ops]}
  - {name: hook, scopes: [incoming-webhook], webhooks: [ops]}
"""
)


async def test_a_seed_has_webhooks_and_the_directory_their_urls(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=SEEDED)
    found = scene.directory.webhooks
    assert {app: sorted(urls) for app, urls in found.items()} == {"desk": ["general", "ops"], "hook": ["ops"]}
    for app, channel, place in (("desk", "general", scene.general), ("hook", "ops", scene.ops)):
        assert await use(found[app][channel], {"text": f"from {app}"}) == (200, "ok")
        assert [each["text"] for each in await scene.history("alice", place)] == [f"from {app}"]


async def test_a_restart_keeps_the_webhooks_of_a_seed(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=SEEDED)
    before = scene.directory.webhooks
    await scene.server.stop()
    await scene.server.start()
    after = (await scene.server.directory()).webhooks
    assert [url.partition("/hooks/")[2] for url in before["desk"].values()] == [
        url.partition("/hooks/")[2] for url in after["desk"].values()
    ]
    assert await use(after["desk"]["general"], {"text": "still here"}) == (200, "ok")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("scopes: [chat:write], webhooks: [general]", "need the scope incoming-webhook"),
        ("webhooks: [nowhere]", "must name channels of the file, got 'nowhere'"),
        ("webhooks: [general, general]", "'general' twice"),
    ],
)
def test_mistakes_in_webhooks_of_a_seed_are_named(tmp_path: Path, fields: str, says: str) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(f"{SEED}apps:\n  - {{name: desk, {fields}}}\n")
    with pytest.raises(SeedError, match=says):
        read_seed(path)
