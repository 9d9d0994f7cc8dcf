"""Ids of channels for the names by which old bots call them."""

from typing import Any, Final

from tautwire.gateway.proxy.calls import Calls
from tautwire.server.services.errors import MethodError

PAGE: Final = 999
_IDS: Final = ("C", "D", "G", "U", "W")
_ALL: Final = "public_channel,private_channel"


class Names:
    """Looks names up at the upstream."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def id_of(self, place: str) -> str:
        """Return the id of a channel for its id or its name.

        Raises:
            MethodError: there is none (channel_not_found), or the upstream does not tell.
        """
        if place.startswith(_IDS) and place.isalnum() and place.isupper():
            return place
        found = await self.find(place.removeprefix("#"), _ALL)
        if found is None:
            raise MethodError("channel_not_found")
        return str(found["id"])

    async def find(self, name: str, types: str = _ALL) -> dict[str, Any] | None:
        """Return the channel of a name, None if the bot sees none."""
        arguments = {"types": types, "limit": PAGE, "exclude_archived": True}
        for channel in await self._calls.gather("conversations.list", arguments, "channels"):
            if isinstance(channel, dict) and channel.get("name") == name and "id" in channel:
                return channel
        return None
