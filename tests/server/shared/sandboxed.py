"""A server on which tests make workspaces over the control API, and what they do in these."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from controlled import Reply
from tautwire.server.app import Server
from tautwire.server.config import Settings

SEED: dict[str, Any] = {
    "team": {"name": "Trial", "domain": "trial"},
    "users": [{"name": "ann", "real_name": "Ann Example"}, {"name": "ben"}],
    "apps": [{"name": "helper", "socket_mode": True, "bot_events": ["message.channels"]}],
    "channels": [{"name": "general"}, {"name": "plans", "private": True, "members": ["ann", "helper"]}],
}


class Farm:
    """The server, and its operations with the secret of the host."""

    def __init__(self, server: Server, http: aiohttp.ClientSession, url: str, secret: str) -> None:
        self.server, self.http, self.url, self.secret = server, http, url, secret

    async def ask(self, operation: str, body: bytes, secret: str | None = None) -> Reply:
        headers = {"Authorization": f"Bearer {secret or self.secret}"}
        async with self.http.post(self.url + operation, data=io.BytesIO(body), headers=headers) as response:
            return Reply(response.status, response.headers, json.loads(await response.read()))

    async def do(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        reply = await self.ask(operation, json.dumps(arguments).encode())
        assert reply.status == 200, reply
        return reply.body

    async def refusal(self, operation: str, /, **arguments: Any) -> str:
        reply = await self.ask(operation, json.dumps(arguments).encode())
        assert reply.status in (400, 404), reply
        return reply.code

    async def create(self, **arguments: Any) -> "Sandbox":
        return Sandbox(self, await self.do("workspaces.create", **({"seed": SEED} | arguments)))

    async def names(self) -> list[str]:
        return [each["name"] for each in (await self.do("workspaces.list"))["workspaces"]]


class Sandbox:
    """A workspace that a test has made."""

    def __init__(self, farm: Farm, made: dict[str, Any]) -> None:
        self.farm, self.made = farm, made
        self.id: str = made["workspace"]["id"]
        self.general: str = made["channels"]["general"]

    def token(self, name: str) -> str:
        return str(self.made["users"][name]["token"])

    async def do(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        reply = await self.ask(operation, **arguments)
        assert reply.status == 200, reply
        return reply.body

    async def ask(self, operation: str, /, **arguments: Any) -> Reply:
        return await self.farm.ask(operation, json.dumps(arguments).encode(), self.made["control"]["secret"])

    async def call(self, name: str, method: str, /, **arguments: str) -> dict[str, Any]:
        return await self.call_with(self.token(name), method, **arguments)

    async def call_with(self, token: str, method: str, /, **arguments: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.farm.http.post(self.made["api_url"] + method, data=arguments, headers=headers) as response:
            body: dict[str, Any] = await response.json()
            return body

    async def say(self, name: str, text: str) -> str:
        return str((await self.do("say", user=name, channel="general", text=text))["ts"])

    async def changes(self, **ends: str) -> dict[str, Any]:
        changes: dict[str, Any] = (await self.do("workspaces.diff", **ends))["changes"]
        return changes

    async def connect(self, name: str) -> aiohttp.ClientWebSocketResponse:
        grant = await self.call(name, "rtm.connect")
        socket = await self.farm.http.ws_connect(grant["url"])
        assert (await socket.receive_json())["type"] == "hello"
        return socket

    async def link(self, app: str) -> aiohttp.ClientWebSocketResponse:
        grant = await self.call_with(self.made["apps"][app]["app_token"], "apps.connections.open")
        socket = await self.farm.http.ws_connect(grant["url"])
        assert (await socket.receive_json())["type"] == "hello"
        return socket


@asynccontextmanager
async def opened(data: Path, **settings: Any) -> AsyncIterator[Farm]:
    """Start a server on a data directory."""
    given = {"port": 0, "drain": 0.0, "rate_limits": False} | settings
    async with Server(Settings(data=data, **given)) as server:
        host = next(iter((await server.directories()).values())).host
        assert host is not None
        # A connection for each request: those of a stopped server are not used again.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:
            yield Farm(server, http, host.url, host.secret)
