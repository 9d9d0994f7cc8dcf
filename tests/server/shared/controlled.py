"""The control API on the port of a server: requests of the tests, and their answers."""

import json
from typing import Any, NamedTuple

from scene import Scene

SECRET = "a-secret-of-the-tests-0123456789"
PATH = "/_control/v1/"


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Any
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])


def root(scene: Scene) -> str:
    return scene.server.api_url.removesuffix("/api/")


async def ask(
    scene: Scene, path: str, body: bytes = b"", *, verb: str = "POST", headers: dict[str, str] | None = None
) -> Reply:
    """Make a request; without headers it has the secret."""
    given = {"Authorization": f"Bearer {SECRET}"} if headers is None else headers
    async with scene.http.request(verb, root(scene) + path, data=body, headers=given) as response:
        assert response.content_type == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
        return Reply(response.status, response.headers, json.loads(await response.read()))


async def operate(scene: Scene, operation: str, /, **arguments: Any) -> dict[str, Any]:
    """Carry out an operation that has to succeed."""
    reply = await ask(scene, PATH + operation, json.dumps(arguments).encode())
    assert reply.status == 200, reply
    return reply.body


async def refusal(scene: Scene, operation: str, /, **arguments: Any) -> str:
    """Ask for an operation that has to be refused; return the code."""
    reply = await ask(scene, PATH + operation, json.dumps(arguments).encode())
    assert reply.status in (400, 404), reply
    assert reply.message
    return reply.code
