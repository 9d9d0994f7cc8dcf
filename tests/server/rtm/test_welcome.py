"""What a person sees who opens the server's address in a browser."""

import pytest

import tautwire
from scene import OpenScene, Scene


async def text_at_the_root(scene: Scene, **headers: str) -> str:
    async with scene.http.get(scene.server.api_url.removesuffix("api/"), headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        return await response.text()


async def test_the_root_says_what_this_is_and_where_a_bot_goes(scene: Scene) -> None:
    text = await text_at_the_root(scene)

    assert f"tautwire {tautwire.__version__}" in text
    assert f"SLACK_API_URL={scene.server.api_url}" in text
    assert not any(token in text for token in scene.tokens.values())


async def test_the_root_names_the_address_by_which_it_is_reached(scene: Scene) -> None:
    text = await text_at_the_root(scene, **{"Host": "chat.example", "X-Forwarded-Proto": "https"})

    assert "SLACK_API_URL=https://chat.example/api/" in text


async def test_the_root_names_the_public_url(open_scene: OpenScene) -> None:
    scene = await open_scene(public_url="https://example.test/chat/")

    assert "SLACK_API_URL=https://example.test/chat/api/" in await text_at_the_root(scene)


@pytest.mark.parametrize("verb", ["POST", "DELETE"])
async def test_the_root_is_only_read(scene: Scene, verb: str) -> None:
    async with scene.http.request(verb, scene.server.api_url.removesuffix("api/")) as response:
        assert response.status == 405
