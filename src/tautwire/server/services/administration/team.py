"""The name, domain and picture of the workspace."""

import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tautwire.server.log.entry import WORKSPACE
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.administration.people import checked_line
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.queries.workspace import find_workspace, set_workspace

_DOMAIN: Final = re.compile(r"[a-z0-9-]{1,60}")


class TeamChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change; None stays as it is."""

    name: str | None = None
    domain: str | None = None
    icon: str | None = None
    """The URL of a picture; empty for the default picture."""


def read_team(query: Query) -> Team:
    """Return the team; raise ``StoreError`` if there is none."""
    row = find_workspace(query)
    if row is None:
        raise StoreError("the database has no workspace")
    return Team(row["id"], row["name"], row["domain"], row["icon"])


def change(tx: Transaction, wanted: TeamChange, url: str) -> Team:
    """Change the team (a unit); return it as it is now.

    Events: ``team_rename`` and ``team_domain_change`` with ``url``; none is known for the picture.
    Source: wire/delivery.md#audiences.
    """
    _check(wanted)
    before = read_team(tx)
    now = Team(
        before.id,
        before.name if wanted.name is None else wanted.name,
        before.domain if wanted.domain is None else wanted.domain,
        before.icon if wanted.icon is None else wanted.icon,
    )
    if now == before:
        return now
    set_workspace(tx, name=now.name, domain=now.domain, icon=now.icon)
    tx.note("room", WORKSPACE, msgspec.json.encode(now))
    if now.name != before.name:
        tx.emit(WORKSPACE, event("team_rename", name=now.name, event_ts=next_event_ts(tx)))
    if now.domain != before.domain:
        tx.emit(WORKSPACE, event("team_domain_change", url=url, domain=now.domain, event_ts=next_event_ts(tx)))
    return now


def _check(wanted: TeamChange) -> None:
    if wanted.name is not None and not checked_line(wanted.name, "the name of the workspace").strip():
        raise Refused("invalid_name", "the name of the workspace must not be empty: give one")
    if wanted.domain is not None and not _DOMAIN.fullmatch(wanted.domain):
        raise Refused(
            "invalid_domain",
            "a domain must be 1 to 60 lower-case letters, digits and hyphens, "
            f"got {wanted.domain[:100]!r}: choose another",
        )
    if wanted.icon and not _is_url(wanted.icon):
        raise Refused(
            "invalid_icon",
            f"an icon must be an http or https URL of at most 2000 characters, got {wanted.icon[:100]!r}: correct it",
        )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return len(text) <= 2_000 and text.isprintable() and parts.scheme in ("http", "https") and bool(parts.hostname)
