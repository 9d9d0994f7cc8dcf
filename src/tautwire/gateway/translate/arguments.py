"""Arguments of old calls as today's. Pure. Source: wire/web-api.md, wire/messages.md."""

from collections.abc import Mapping
from typing import Any, Final

LEFT_OUT: Final = frozenset({"as_user"})
"""Arguments that apps of today may not send (``deprecated_argument``, reported with granular bot tokens)."""
CUSTOM: Final = frozenset({"username", "icon_url", "icon_emoji"})
"""Arguments for which a message needs ``CUSTOMIZE``."""
CUSTOMIZE: Final = "chat:write.customize"
_CUSTOMIZED: Final = frozenset({"chat.postMessage", "chat.postEphemeral", "chat.scheduleMessage", "chat.meMessage"})
_PARSES: Final = frozenset({"full", "none"})
"""Values of ``parse`` that methods of today have; ``client`` was one of Slack's own programs."""


def of_today(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call without those that are refused today."""
    arguments = {each: value for each, value in given.items() if each not in LEFT_OUT}
    if name.startswith("chat.") and arguments.get("parse", "full") not in _PARSES:
        del arguments["parse"]
    return arguments


def is_custom(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a call posts a message with a name or a picture of its own."""
    return name in _CUSTOMIZED and any(arguments.get(each) for each in CUSTOM)
