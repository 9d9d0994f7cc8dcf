"""Another writer on the database of a scene, as a second node has it."""

from functools import partial

from stores import engine_beside

from scene import Scene
from tautwire.server.clock import Clock
from tautwire.server.log.writer import Writer
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.messaging import messages


class Other:
    """A second writer: its people post as those of the server do."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._engine = engine_beside(scene.server.settings)
        self.writer = Writer(self._engine, clock=Clock())

    def who(self, name: str) -> Identity:
        return self._scene.server.workspace.identities.authenticate(self._scene.tokens[name])

    async def post(self, name: str, channel: str, text: str) -> str:
        team = self._scene.server.workspace.team
        unit = partial(messages.post, team=team, who=self.who(name), channel=channel, draft=messages.Draft(text=text))
        return (await self.writer.write(unit)).ts

    async def close(self) -> None:
        await self.writer.close()
        self._engine.close()
