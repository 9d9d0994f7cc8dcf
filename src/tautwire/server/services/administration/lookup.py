"""Users, channels and apps by what an operator types: an id, a name or an e-mail address.

Reads, run before the unit that needs the id: to search for similar names takes too long for the writer's thread. An id
stays valid, since no user or channel is ever removed.
"""

import difflib
from collections.abc import Sequence
from typing import Final, Literal

from tautwire.server.services.administration.refusals import NotFound
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import AppRecord, app_names_like, apps_called
from tautwire.server.store.queries.channels import channel_names_like, channels_called
from tautwire.server.store.queries.users import user_names_like, users_called
from tautwire.server.store.records import ChannelRecord, UserRecord

Kind = Literal["user", "person", "bot"]
"""What is wanted: any user, one who is not a bot, or a bot."""

MAX_COMPARED: Final = 2_000
"""Names compared with an unknown one, those of nearly the same length."""
MAX_SHOWN: Final = 5
"""Similar names in an error."""
MAX_QUOTED: Final = 80
"""Characters of an unknown name in an error."""


def find_user(query: Query, text: str, kind: Kind = "user") -> UserRecord:
    """Return the user with this id, name (also with ``@``) or e-mail address.

    Raises:
        NotFound: there is none, there are several, or it is a bot where a person is wanted or the other way round.
    """
    found = users_called(query, text.removeprefix("@"))
    if not found:
        names = user_names_like(query, text.removeprefix("@"), MAX_COMPARED)
        raise NotFound("unknown_user", f"there is no {kind} {_quoted(text)}{_similar(text, names)}")
    if len(found) > 1:
        raise NotFound("ambiguous_user", f"{_quoted(text)} may be {_choices(found)}: give the id")
    user = found[0]
    is_bot = user.bot_id is not None
    if kind != "user" and is_bot != (kind == "bot"):
        what, group = ("bot", "bot") if is_bot else ("person", "user")
        raise NotFound("wrong_kind", f"{user.name} ({user.id}) is a {what}: use `tautwire {group}`")
    return user


def find_users(query: Query, texts: Sequence[str]) -> list[UserRecord]:
    """Return the users with these ids, names or addresses, each once."""
    users = [find_user(query, text) for text in texts]
    return list({user.id: user for user in users}.values())


def find_channels(query: Query, texts: Sequence[str]) -> list[ChannelRecord]:
    """Return the channels with these ids or names, each once."""
    channels = [find_channel(query, text) for text in texts]
    return list({channel.id: channel for channel in channels}.values())


def find_channel(query: Query, text: str) -> ChannelRecord:
    """Return the channel with this id or name, also with ``#``.

    Raises:
        NotFound: there is none, or there are several.
    """
    found = channels_called(query, text.removeprefix("#"))
    if not found:
        names = channel_names_like(query, text.removeprefix("#"), MAX_COMPARED)
        raise NotFound("unknown_channel", f"there is no channel {_quoted(text)}{_similar(text, names)}")
    if len(found) > 1:
        raise NotFound("ambiguous_channel", f"{_quoted(text)} may be {_choices(found)}: give the id")
    return found[0]


def find_app(query: Query, text: str) -> AppRecord:
    """Return the app with this id or name.

    Raises:
        NotFound: there is none, or there are several.
    """
    found = apps_called(query, text)
    if not found:
        names = app_names_like(query, text, MAX_COMPARED)
        raise NotFound("unknown_app", f"there is no app {_quoted(text)}{_similar(text, names)}")
    if len(found) > 1:
        raise NotFound("ambiguous_app", f"{_quoted(text)} may be {_choices(found)}: give the id")
    return found[0]


def _choices(found: Sequence[UserRecord | ChannelRecord | AppRecord]) -> str:
    return " or ".join(f"{each.name} ({each.id})" for each in found[:MAX_SHOWN])


def _quoted(text: str) -> str:
    return repr(text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…")


def _similar(text: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(text.lstrip("@#").lower(), names, MAX_SHOWN, 0.5)
    return f": did you mean {' or '.join(close)}?" if close else "; the command `list` shows all"
