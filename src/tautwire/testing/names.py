"""Who and what is in a workspace, by name and by id, and how both are written in texts.

Tests use names, the wire uses ids. People, bots and the first channels are known from the start; channels and direct
messages that come later are learnt from their events.
"""

import re
from collections.abc import Iterable
from typing import Any

from tautwire.protocol.ids import ChannelId, UserId
from tautwire.protocol.text import escape
from tautwire.server.directory import Directory

_TYPED_MENTION = re.compile(r"(?<![\w@])@([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)")
"""``@name``, the full stop or colon after it left aside, and no e-mail address."""

_MENTION = re.compile(r"<([@#])([A-Z0-9]+)(?:\|([^<>]*))?>")


class UnknownName(KeyError):  # noqa: N818 - reads as what it says in a failing test
    """The workspace has nothing of that name; the text lists the names it has."""

    def __str__(self) -> str:
        """Return the sentence as it is: ``KeyError`` would put it in quotes."""
        return str(self.args[0])


class Names:
    """The names of one workspace."""

    def __init__(self) -> None:
        self._users: dict[str, UserId] = {}
        self._tokens: dict[str, str] = {}
        self._channels: dict[str, ChannelId] = {}
        self._user_names: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self.by_token: dict[str, str] = {}
        """The names of people and bots by their tokens."""

    def fill(self, directory: Directory) -> None:
        """Know what the workspace has at its beginning, and nothing else."""
        for known in (self._users, self._tokens, self._channels, self._user_names, self._labels, self.by_token):
            known.clear()
        self._user_names["USLACKBOT"] = "slackbot"
        for name, facts in directory.users.items():
            self._users[name] = UserId(str(facts["id"]))
            self._tokens[name] = str(facts["token"])
            self._user_names[self._users[name]] = name
            self.by_token[self._tokens[name]] = name
        for name, channel in directory.channels.items():
            self._channels[name] = ChannelId(channel)
            self._labels[channel] = f"#{name}"

    @property
    def bots(self) -> frozenset[str]:
        """The ids of the bots, whose tokens begin with ``xoxb-``."""
        return frozenset(self._users[name] for token, name in self.by_token.items() if token.startswith("xoxb-"))

    def learn(self, event: dict[str, Any]) -> None:
        """Note the channel or direct message that an event announces."""
        channel = event.get("channel")
        if not isinstance(channel, dict):
            return
        if event["type"] == "im_created":
            self._labels[channel["id"]] = self._direct([event["user"], channel["user"]])
        elif event["type"] == "mpim_joined":
            self._labels[channel["id"]] = self._direct(channel["members"])
        elif event["type"] in ("channel_created", "channel_joined") or (
            event["type"] == "group_joined" and not channel.get("is_mpim")
        ):
            self._channels[channel["name"]] = ChannelId(channel["id"])
            self._labels[channel["id"]] = f"#{channel['name']}"

    def user_id(self, name: str) -> UserId:
        """Return the id of a person or a bot.

        Raises:
            UnknownName: there is no such person or bot.
        """
        try:
            return self._users[name.removeprefix("@")]
        except KeyError:
            raise UnknownName(f"there is no person or bot {name!r}; there are {_listed(self._users)}") from None

    def token(self, name: str) -> str:
        """Return the token of a person or a bot; raise ``UnknownName`` if the name is unknown."""
        self.user_id(name)
        return self._tokens[name.removeprefix("@")]

    def channel_id(self, channel: str) -> ChannelId:
        """Return the id of a channel by its name, with or without ``#``; an id stands for itself.

        Raises:
            UnknownName: there is no such channel.
        """
        if channel in self._labels:
            return ChannelId(channel)
        try:
            return self._channels[channel.removeprefix("#")]
        except KeyError:
            there = _listed(f"#{name}" for name in list(self._channels))
            raise UnknownName(f"there is no channel {channel!r}; there are {there}") from None

    def user_name(self, user: str) -> str:
        """Return the name of a user id, the id itself if it has none."""
        return self._user_names.get(user, user)

    def label(self, channel: str) -> str:
        """Return what a channel id is called: ``#general``, ``DM alice+bot``; the id itself if it has no name."""
        return self._labels.get(channel, channel)

    def typed(self, text: str) -> str:
        """Return what an app makes of what a person typed: characters escaped, ``@name`` a mention."""

        def mention(found: re.Match[str]) -> str:
            return f"<@{self._users[found[1]]}>" if found[1] in self._users else found[0]

        return _TYPED_MENTION.sub(mention, escape(text))

    def read(self, text: str) -> str:
        """Return a text with the names of those it mentions: ``<@U…>`` becomes ``@alice``, ``<#C…>`` ``#general``."""

        def name(found: re.Match[str]) -> str:
            if found[1] == "@":
                return f"@{found[3] or self.user_name(found[2])}"
            return f"#{found[3] or self.label(found[2]).removeprefix('#')}"

        return _MENTION.sub(name, text)

    def _direct(self, users: Iterable[str]) -> str:
        """Return what a direct message is called: those in it, in the order of the workspace."""
        there = set(users)
        known = [name for name, id_ in self._users.items() if id_ in there]
        return f"DM {'+'.join(known)}" if known else "DM"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
