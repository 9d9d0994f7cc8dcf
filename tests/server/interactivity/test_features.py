"""Commands, shortcuts and interactivity of apps: from a seed or the control API, and whose a command is."""

from pathlib import Path

import pytest

from asked import SocketApp, command, open_controlled, seed
from controlled import operate, refusal
from scene import SEED, OpenScene, Scene
from tautwire.server.services.access import features
from tautwire.server.services.access.features import Command, Features, Interactivity, Shortcut, find_owner
from tautwire.server.services.errors import MethodError
from tautwire.server.services.seed import SeedError, read_seed
from tautwire.server.store.queries.apps import find_signing_secret

ALL = Features(
    commands=(Command(name="/x", url="http://127.0.0.1:1/x", description="d", usage_hint="u", should_escape=True),),
    shortcuts=(Shortcut(callback_id="a", type="message"), Shortcut(callback_id="a", name="A")),
    interactivity=Interactivity(is_enabled=True, request_url="http://127.0.0.1:1/"),
)


async def app_of_relaybot(scene: Scene) -> str:
    bot = (await scene.ok("relaybot", "auth.test"))["bot_id"]
    return str((await scene.ok("relaybot", "bots.info", bot=bot))["bot"]["app_id"])


async def configure(scene: Scene, app: str, wanted: Features) -> None:
    await scene.server.workspace.writer.write(lambda tx: features.configure(tx, app, wanted))


async def test_what_is_set_can_be_read(scene: Scene) -> None:
    workspace = scene.server.workspace
    app = await app_of_relaybot(scene)
    await configure(scene, app, ALL)
    found = await workspace.reader.read(lambda query: features.read_features(query, app))
    assert (found.commands, found.interactivity) == (ALL.commands, ALL.interactivity)
    assert sorted(each.type for each in found.shortcuts) == ["global", "message"]
    assert await workspace.reader.read(lambda query: find_signing_secret(query, app))
    await configure(scene, app, Features())
    assert await workspace.reader.read(lambda query: features.read_features(query, app)) == Features()


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Features(commands=(Command(name="x"),)), "invalid_command"),
        (Features(commands=(Command(name="/X"),)), "invalid_command"),
        (Features(commands=(Command(name="/a b"),)), "invalid_command"),
        (Features(commands=(Command(name="/" + "x" * 32),)), "invalid_command"),
        (Features(commands=(Command(name="/x"), Command(name="/x"))), "invalid_command"),
        (Features(commands=(Command(name="/x", description="x" * 2_001),)), "invalid_command"),
        (Features(commands=(Command(name="/x", url="file:///etc"),)), "invalid_request_url"),
        (Features(shortcuts=(Shortcut(callback_id=""),)), "invalid_shortcut"),
        (Features(shortcuts=(Shortcut(callback_id="a"), Shortcut(callback_id="a"))), "invalid_shortcut"),
        (Features(shortcuts=tuple(Shortcut(callback_id=str(each)) for each in range(11))), "invalid_shortcut"),
        (Features(shortcuts=(Shortcut(callback_id="a", name="x" * 2_001),)), "invalid_shortcut"),
        (Features(interactivity=Interactivity(options_url="http://u:p@x/")), "invalid_request_url"),
    ],
)
def test_what_is_not_valid_is_refused(wanted: Features, error: str) -> None:
    with pytest.raises(MethodError) as refused:
        features.check(wanted)
    assert refused.value.code == error


async def test_the_app_that_added_a_command_last_has_it(open_scene: OpenScene) -> None:
    scene = await open_controlled(open_scene, seed("socket_mode: true, commands: [/deploy]"))
    workspace = scene.server.workspace
    desk = scene.directory.apps["desk"]["id"] or ""
    other = await app_of_relaybot(scene)

    async def owner() -> str:
        found = await workspace.reader.read(lambda query: find_owner(query, "/deploy"))
        return found.app if found is not None else ""

    assert await owner() == desk
    wanted = Features(commands=(Command(name="/deploy"),))
    await configure(scene, other, wanted)
    assert await owner() == other
    await configure(scene, desk, wanted)  # the command was there before: nothing is new
    assert await owner() == other
    await configure(scene, other, Features())
    assert await owner() == desk
    await operate(scene, "app.delete", app="desk")
    assert await owner() == ""


async def test_the_control_api_sets_them(open_scene: OpenScene) -> None:
    scene = await open_controlled(open_scene, seed("socket_mode: true"))
    app = await SocketApp.connected(scene)
    wanted = {"commands": [{"name": "/new"}], "interactivity": {"is_enabled": True}}
    answer = await operate(scene, "app.features", app="desk", features=wanted)
    assert answer["features"]["commands"][0]["name"] == "/new"
    assert (await command(scene, "/new"))["error"] is None
    assert (await operate(scene, "app.features", app="desk"))["features"] == answer["features"]
    assert await refusal(scene, "app.features", app="desk", features={"commands": [{"name": "x"}]}) == "invalid_command"
    await app.close()


@pytest.mark.parametrize(
    "fields",
    [
        "commands: [deploy]",
        "commands: [{name: /x, url: ftp://x}]",
        "shortcuts: [{callback_id: ''}]",
        "commands: [/x, /x]",
    ],
)
def test_a_seed_with_what_is_not_valid_is_refused(tmp_path: Path, fields: str) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(f"{SEED}apps:\n  - {{name: desk, {fields}}}\n")
    with pytest.raises(SeedError, match="desk"):
        read_seed(path)
