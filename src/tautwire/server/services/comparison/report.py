"""The answer of a comparison: lists of what was posted, edited, deleted and so on, with ids and names.

The lists are in an order that does not depend on ids, which differ from one workspace to the next: messages by ts, all
else by name. So two runs of the same test can be compared as text.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tautwire.server.services.comparison.changes import Change, Facts, bounded
from tautwire.server.services.comparison.difference import (
    Changed,
    ChannelChange,
    ChannelChanges,
    Difference,
    FileChange,
    FileChanges,
    MemberChange,
    MemberChanges,
    MessageChange,
    MessageChanges,
    PersonChange,
    PersonChanges,
    PinChange,
    PinChanges,
    ReactionChange,
    ReactionChanges,
    ScheduledChange,
    ScheduledChanges,
)
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channel
from tautwire.server.store.queries.files import find_file
from tautwire.server.store.queries.users import find_user


def report(changes: Iterable[Change], *states: Query) -> Difference:
    """Return the changes as an answer.

    Args:
        states: databases with the names, the newest first.

    Raises:
        Refused: there are more changes than one answer may have.
    """
    found = list(bounded(changes))
    names = _Names(states, found)
    of: dict[str, list[Change]] = {}
    for change in found:
        of.setdefault(change.kind, []).append(change)

    def split(kind: str) -> tuple[list[Change], list[Change], list[Change]]:
        """Return what was added, changed and removed."""
        all_ = of.get(kind, [])
        return (
            [each for each in all_ if each.before is None],
            [each for each in all_ if each.before is not None and each.after is not None],
            [each for each in all_ if each.after is None],
        )

    posted, edited, deleted = ([names.message(each) for each in part] for part in split("message"))
    reacted, _, unreacted = ([names.reaction(each) for each in part] for part in split("reaction"))
    pinned, repinned, unpinned = split("pin")
    joined, _, left = ([names.member(each) for each in part] for part in split("member"))
    created, altered, _ = ([names.channel_change(each) for each in part] for part in split("channel"))
    new, other, _ = ([names.person(each) for each in part] for part in split("person"))
    planned, moved, cancelled = split("scheduled")
    uploaded, _, removed = ([names.file(each) for each in part] for part in split("file"))
    team = of.get("team", [])
    return Difference(
        count=len(found),
        messages=MessageChanges(posted=_by_ts(posted), edited=_by_ts(edited), deleted=_by_ts(deleted)),
        reactions=ReactionChanges(added=_by_ts(reacted), removed=_by_ts(unreacted)),
        pins=PinChanges(
            added=_by_ts([names.pin(each, each.after) for each in pinned + repinned]),
            removed=_by_ts([names.pin(each, each.before) for each in unpinned + repinned]),
        ),
        members=MemberChanges(joined=_by_name(joined), left=_by_name(left)),
        channels=ChannelChanges(created=_by_name(created), changed=_by_name(altered)),
        people=PersonChanges(added=_by_name(new), changed=_by_name(other)),
        scheduled=ScheduledChanges(
            added=_by_time([names.scheduled(each, each.after) for each in planned + moved]),
            removed=_by_time([names.scheduled(each, each.before) for each in cancelled + moved]),
        ),
        files=FileChanges(uploaded=_by_name(uploaded), deleted=_by_name(removed)),
        team=_changed(team[0]) if team else {},
    )


class _Names:
    """Names of users and conversations: as they are after the changes, else as they were."""

    def __init__(self, states: Sequence[Query], changes: Iterable[Change]) -> None:
        self._states = states
        self._users: dict[str, str] = {}
        self._channels: dict[str, tuple[str, str]] = {}
        for change in changes:
            name = (change.after or {}).get("name")
            if change.kind == "person" and name:
                self._users[change.key[0]] = name

    def user(self, user: str | None) -> str:
        """Return the name of a user, the id if there is none."""
        if user is None:
            return ""
        if user not in self._users:
            records = (find_user(state, user) for state in self._states)
            self._users[user] = next((record.name for record in records if record is not None), user)
        return self._users[user]

    def channel(self, channel: str) -> tuple[str, str]:
        """Return name and kind of a conversation."""
        if channel not in self._channels:
            records = (find_channel(state, channel) for state in self._states)
            record = next((record for record in records if record is not None), None)
            if record is None:
                self._channels[channel] = (channel, "")
            elif record.is_direct:
                people = ",".join(sorted(map(self.user, record.members_of_direct)))
                self._channels[channel] = (people, record.kind)
            else:
                self._channels[channel] = (record.name or channel, record.kind)
        return self._channels[channel]

    def message(self, change: Change) -> MessageChange:
        channel, ts = change.key
        facts = change.after or change.before or {}
        user = facts.get("user")
        return MessageChange(
            channel=channel, channel_name=self.channel(channel)[0], ts=ts, thread_ts=facts.get("thread_ts"), user=user,
            user_name=self.user(user) if user else facts.get("username"), subtype=facts.get("subtype"),
            text=facts.get("text", ""), message=facts,
            previous=change.before if change.after is not None else None,
        )  # fmt: skip

    def reaction(self, change: Change) -> ReactionChange:
        channel, ts, name, user = change.key
        return ReactionChange(
            channel=channel, channel_name=self.channel(channel)[0], ts=ts, name=name, user=user,
            user_name=self.user(user),
        )  # fmt: skip

    def pin(self, change: Change, facts: Facts | None) -> PinChange:
        channel, ts = change.key
        user = (facts or {})["user"]
        return PinChange(
            channel=channel, channel_name=self.channel(channel)[0], ts=ts, user=user, user_name=self.user(user)
        )

    def member(self, change: Change) -> MemberChange:
        channel, user = change.key
        return MemberChange(
            channel=channel, channel_name=self.channel(channel)[0], user=user, user_name=self.user(user)
        )

    def channel_change(self, change: Change) -> ChannelChange:
        (channel,) = change.key
        name, kind = self.channel(channel)
        return ChannelChange(channel=channel, channel_name=name, kind=kind, changes=_changed(change))

    def person(self, change: Change) -> PersonChange:
        (user,) = change.key
        facts = change.after or change.before or {}
        return PersonChange(
            user=user, user_name=self.user(user), is_bot=facts.get("is_bot", False), changes=_changed(change)
        )

    def file(self, change: Change) -> FileChange:
        (file,) = change.key
        record = next((found for state in self._states if (found := find_file(state, file)) is not None), None)
        if record is None:
            return FileChange(id=file, name="", title="", mimetype="", user="", user_name="")
        return FileChange(
            id=file, name=record.name, title=record.title, mimetype=record.mimetype, user=record.user_id,
            user_name=self.user(record.user_id),
        )  # fmt: skip

    def scheduled(self, change: Change, facts: Facts | None) -> ScheduledChange:
        known = facts or {}
        channel = known["channel"]
        return ScheduledChange(
            id=change.key[0], channel=channel, channel_name=self.channel(channel)[0], user=known["user"],
            user_name=self.user(known["user"]), post_at=known["post_at"], text=known["draft"].get("text", ""),
        )  # fmt: skip


def _changed(change: Change) -> dict[str, Changed]:
    """Return the facts that differ, by name; those of a profile under ``profile.`` and their own."""
    before, after = _flat(change.before or {}), _flat(change.after or {})
    names = sorted(after.keys() if change.is_partial else after.keys() | before.keys())
    pairs = {name: Changed(before=before.get(name), after=after.get(name)) for name in names}
    # What is empty and what is missing are the same to those who look.
    return {
        name: pair for name, pair in pairs.items() if change.is_partial or (pair.before or None) != (pair.after or None)
    }


def _flat(facts: Facts) -> Facts:
    profile = facts.get("profile")
    plain = {name: value for name, value in facts.items() if name != "profile"}
    return plain | {f"profile.{name}": value for name, value in (profile or {}).items()}


def _by_ts(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: (item.ts, item.channel_name, getattr(item, "name", ""), item.user_name or ""))


def _by_name(items: list[Any]) -> list[Any]:
    names = ("channel_name", "user_name", "name")
    return sorted(items, key=lambda item: [getattr(item, name, "") for name in names])


def _by_time(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: (item.post_at, item.channel_name, item.text))
