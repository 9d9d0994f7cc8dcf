"""The text of a slash command whose app wants users, channels and URLs as links.

Source: wire/interactivity.md#slash-commands (documented).
"""

import re
from typing import Final

from tautwire.protocol.text import link_urls
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.messaging.texts import link_names
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channel
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import ChannelKind

_LINK: Final = re.compile(r"<([@#])(\w{1,40})>")


def escape(query: Query, who: Identity, text: str) -> str:
    """Return a text with links in place of names: ``<@U…|name>``, ``<#C…|name>``, of private channels ``<#C…|>``."""

    def name(match: re.Match[str]) -> str:
        sign, id_ = match[1], match[2]
        if sign == "@":
            user = find_user(query, id_)
            return f"<@{id_}|{user.name}>" if user is not None else match[0]
        channel = find_channel(query, id_)
        is_public = channel is not None and channel.kind is ChannelKind.PUBLIC
        return f"<#{id_}|{channel.name if channel is not None and is_public else ''}>"

    return _LINK.sub(name, link_names(query, who, link_urls(text)))
