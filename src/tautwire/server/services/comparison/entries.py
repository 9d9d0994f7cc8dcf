"""Changes between two positions of one log, by its events.

The log says what happened, not what was there before. So a change of a channel or a person has the new facts only, and
messages that are scheduled are not among the changes. What was made and undone between the two positions is no change.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final

import msgspec

from tautwire.server.log.entry import WORKSPACE, Entry
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.comparison.changes import Change, Facts, Kind, message_facts

_COUNTERS: Final = ("reply_count", "reply_users_count", "latest_reply", "reply_users", "is_locked")
"""What events show of a message that has replies, beside the message: ``services.messaging.threads``."""

MAX_LOG: Final = 64 * 1024 * 1024
"""Bytes of the entries of one comparison: it is made in memory."""

Key = tuple[Kind, tuple[str, ...]]


class Recorder:
    """Gathers what entries say, in their order."""

    def __init__(self) -> None:
        self._changes: dict[Key, Change] = {}
        self._size = 0
        self._readers: dict[str, Callable[[str, dict[str, Any]], None]] = {
            "message": self._message,
            "reaction_added": self._reaction_added,
            "reaction_removed": self._reaction_removed,
            "pin_added": self._pin_added,
            "pin_removed": self._pin_removed,
            "file_created": self._file_created,
            "file_deleted": self._file_deleted,
            "channel_created": self._channel_seen,
            "group_joined": self._channel_seen,
            "im_created": self._channel_seen,
            "channel_rename": self._channel_rename,
            "channel_archive": self._channel_archive,
            "channel_unarchive": self._channel_archive,
            "team_join": self._team_join,
            "user_change": self._user_change,
        }

    def add(self, entries: Iterable[Entry]) -> None:
        """Take the next entries of the log.

        Raises:
            Refused: they are more than one comparison may read.
        """
        for entry in entries:
            self._size += len(entry.payload)
            if self._size > MAX_LOG:
                raise Refused(
                    "too_many_changes",
                    f"a comparison may read at most {MAX_LOG} bytes of the log: compare shorter spans, or snapshots",
                )
            if entry.kind in ("join", "leave"):
                is_there = entry.kind == "join"
                self._note("member", (entry.topic, entry.payload.decode()), *_either(is_there))
            elif entry.kind == "room" and entry.topic == WORKSPACE:
                self._update("team", ("",), _team(msgspec.json.decode(entry.payload)))
            elif entry.kind == "event":
                event = msgspec.json.decode(entry.payload)
                read = self._readers.get(event.get("type", ""))
                if read is not None:
                    read(entry.topic, event)

    def changes(self, directs: Collection[str]) -> Iterator[Change]:
        """Yield the changes; the members of the direct messages ``directs`` never come and go."""
        for change in self._changes.values():
            if change.before != change.after and not (change.kind == "member" and change.key[0] in directs):
                yield change

    def _note(self, kind: Kind, key: tuple[str, ...], before: Facts | None, after: Facts | None) -> None:
        """Record a change of which the facts before are known; of several the first has them."""
        first = self._changes.get((kind, key))
        if first is not None:
            before = first.before
        is_partial = first is not None and first.is_partial
        self._changes[kind, key] = Change(kind, key, before, after, is_partial)

    def _update(self, kind: Kind, key: tuple[str, ...], facts: Facts) -> None:
        """Record new facts of a thing; those before are known only if this recorder has seen them."""
        first = self._changes.get((kind, key))
        known = first.after if first is not None and first.after is not None else {}
        before = first.before if first is not None else {}
        is_partial = first is None or first.is_partial
        self._changes[kind, key] = Change(kind, key, before, known | facts, is_partial)

    # -- the events -------------------------------------------------------------------------------------------

    def _message(self, topic: str, event: dict[str, Any]) -> None:
        if event.get("channel") != topic:  # shown to one user only
            return
        subtype = event.get("subtype")
        before: Facts | None = None
        if subtype == "message_changed":
            before, after = _body(event["previous_message"]), _body(event["message"])
            ts = event["message"]["ts"]
        elif subtype == "message_deleted":
            before, after, ts = _body(event["previous_message"]), None, event["deleted_ts"]
        elif event.get("hidden"):
            return
        else:
            ts = event["ts"]
            after = _body({name: value for name, value in event.items() if name not in ("channel", "event_ts")})
            self._describe(topic, event)
        self._note("message", (topic, ts), before, after)

    def _describe(self, topic: str, event: dict[str, Any]) -> None:
        """Record what a system message says of its channel."""
        for what in ("topic", "purpose"):
            if event.get("subtype") == f"channel_{what}":
                self._update("channel", (topic,), {what: event.get(what, "")})

    def _reaction_added(self, topic: str, event: dict[str, Any]) -> None:
        self._note("reaction", _reaction(event), None, {})

    def _reaction_removed(self, topic: str, event: dict[str, Any]) -> None:
        self._note("reaction", _reaction(event), {}, None)

    def _pin_added(self, topic: str, event: dict[str, Any]) -> None:
        self._note("pin", _pin(event), None, {"user": event["user"]})

    def _pin_removed(self, topic: str, event: dict[str, Any]) -> None:
        self._note("pin", _pin(event), {"user": event["pinned_info"]["pinned_by"]}, None)

    def _file_created(self, topic: str, event: dict[str, Any]) -> None:
        self._note("file", (event["file_id"],), None, {})

    def _file_deleted(self, topic: str, event: dict[str, Any]) -> None:
        self._note("file", (event["file_id"],), {}, None)

    def _channel_seen(self, topic: str, event: dict[str, Any]) -> None:
        """Take a channel that users were sent: it is new if it was made at this moment."""
        channel = event["channel"]
        made = int(channel.get("created", 0))
        if ("channel", (channel["id"],)) in self._changes or made < int(event["event_ts"].partition(".")[0]) - 1:
            return
        facts = {name: channel[name] for name in ("name", "creator") if name in channel and not channel.get("is_im")}
        self._note("channel", (channel["id"],), None, facts)

    def _channel_rename(self, topic: str, event: dict[str, Any]) -> None:
        self._update("channel", (event["channel"]["id"],), {"name": event["channel"]["name"]})

    def _channel_archive(self, topic: str, event: dict[str, Any]) -> None:
        self._update("channel", (event["channel"],), {"archived": event["type"] == "channel_archive"})

    def _team_join(self, topic: str, event: dict[str, Any]) -> None:
        self._note("person", (event["user"]["id"],), None, _person(event["user"]))

    def _user_change(self, topic: str, event: dict[str, Any]) -> None:
        self._update("person", (event["user"]["id"],), _person(event["user"]))


def _either(is_there: bool) -> tuple[Facts | None, Facts | None]:
    return (None, {}) if is_there else ({}, None)


def _body(message: dict[str, Any]) -> Facts | None:
    facts = {name: value for name, value in message.items() if name not in _COUNTERS}
    if "reply_count" in message and facts.get("thread_ts") == facts.get("ts"):
        del facts["thread_ts"]
    return message_facts(facts)


def _reaction(event: dict[str, Any]) -> tuple[str, ...]:
    return event["item"]["channel"], event["item"]["ts"], event["reaction"], event["user"]


def _pin(event: dict[str, Any]) -> tuple[str, ...]:
    return event["channel_id"], event["item"]["message"]["ts"]


def _person(user: dict[str, Any]) -> Facts:
    # Without the address: events do not show it.
    return {
        "name": user["name"], "real_name": user.get("real_name", ""), "deleted": user.get("deleted", False),
        "is_bot": user.get("is_bot", False), "profile": _written(user.get("profile", {})),
    }  # fmt: skip


def _written(profile: dict[str, Any]) -> Facts:
    """Return what users write into their profiles, of what events show of them."""
    names = ("title", "phone", "status_text", "status_emoji", "status_expiration", "pronouns", "fields")
    return {name: profile[name] for name in names if profile.get(name)}


def _team(team: dict[str, Any]) -> Facts:
    return {name: team[name] for name in ("name", "domain", "icon") if name in team}
