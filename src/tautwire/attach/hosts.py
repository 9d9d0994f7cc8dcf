"""The host names that are intercepted: those of the Web API and of the WebSockets. All others go their own way.

Not here, on purpose: ``files.slack.com`` (uploads go to URLs that need no token, and file objects have URLs of the
server), ``hooks.slack.com`` (its URLs are secrets of another workspace), and the pages for people.
The preloads get the list by ``text``, so there is no second copy of it. Source of the names: what SDKs dial
(slackclient 2 calls www.slack.com, others slack.com; older documentation has api.slack.com), and the URLs that
rtm.connect returns at Slack (wss-primary.slack.com, wss-backup.slack.com, wss-mobile.slack.com).
"""

import re
from collections.abc import Sequence
from typing import Final

SOCKETS: Final = "wss-primary.slack.com"
"""The host of the WebSocket URLs that attached programs get."""
SOCKET_ORIGIN: Final = f"wss://{SOCKETS}"
"""Without a port: programs know only 443, and are led to the port of the front whatever it is."""
NAMES: Final = ("slack.com", "www.slack.com", "api.slack.com", "wss-*.slack.com")
"""``*`` stands for letters, digits and hyphens, at least one."""
ZONE: Final = "slack.com"
"""The domain of all of them, to which the certificate authority is limited."""
NEAR: Final = ("localhost", "127.0.0.1", "::1")
"""The names of this machine."""

_DOMAIN: Final = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)


class Hosts:
    """The intercepted names.

    Args:
        team: the domain of the workspace (``acme`` for acme.slack.com), by which some programs call it.
    """

    def __init__(self, team: str = "") -> None:
        own = (f"{team}.{ZONE}",) if _DOMAIN.fullmatch(team) else ()
        self.names: Sequence[str] = (*NAMES, *own)
        patterns = "|".join(re.escape(name).replace(r"\*", "[a-z0-9-]+") for name in self.names)
        self._pattern = re.compile(patterns, re.ASCII)

    def __contains__(self, name: object) -> bool:
        """Whether a name is intercepted, in any case, with or without the final dot."""
        return isinstance(name, str) and self._pattern.fullmatch(name.lower().removesuffix(".")) is not None

    @property
    def text(self) -> str:
        """The names separated by commas, for preloads."""
        return ",".join(self.names)
