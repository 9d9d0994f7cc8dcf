"""slack_sdk as the receiver: its Socket Mode client gets a command and a button, and its webhook client answers."""

from typing import Any

from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from asked import BUTTON, click, command, open_controlled
from scene import OpenScene


async def test_a_command_and_a_button_are_answered_by_its_clients(open_scene: OpenScene) -> None:
    scene = await open_controlled(open_scene)
    taken: list[tuple[str, int, Any]] = []

    async def answer(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type == "slash_commands":
            response = SocketModeResponse(request.envelope_id, payload={"text": f"starting {request.payload['text']}"})
            await client.send_socket_mode_response(response)
        if request.type == "interactive":
            hook = AsyncWebhookClient(request.payload["response_url"])
            sent = await hook.send(text="taken", replace_original=True)
            taken.append((request.payload["actions"][0]["value"], sent.status_code, sent.body))
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    client = SocketModeClient(
        app_token=scene.directory.apps["desk"]["app_token"] or "",
        web_client=AsyncWebClient(base_url=scene.server.api_url),
    )
    client.socket_mode_request_listeners.append(answer)
    await client.connect()
    try:
        outcome = await command(scene, "/deploy web")
        assert (outcome["error"], [message["text"] for message in outcome["shown"]]) == (None, ["starting web"])
        ts = await scene.post("desk", scene.general, "Ticket 7", blocks=[BUTTON])
        assert (await click(scene, ts))["error"] is None
        assert taken == [("7", 200, "ok")]
        assert [message["text"] for message in await scene.history("bob", scene.general)] == ["taken"]
    finally:
        await client.close()
