"""The file object. Source: wire/objects.md#file and wire/files.md#urls-and-downloads (documented, captured)."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tautwire.server.services.files.facts import Facts
from tautwire.server.services.files.names import name_in_url, pretty_type
from tautwire.server.services.files.uploads import SNIPPET
from tautwire.server.store.queries.files import FileRecord, Share

PRIVATE_PATH: Final = "/files-pri/"
PUBLIC_PATH: Final = "/files-pub/"
UPLOAD_PATH: Final = "/files-upload/"


def upload_url(base_url: str, team: str, file: str, secret: str) -> str:
    """Return the URL to which the bytes of a file go, once."""
    return f"{base_url}{UPLOAD_PATH}{team}-{file}-{secret}"


def file_object(record: FileRecord, team: str, base_url: str) -> dict[str, Any]:
    """Return the file object as it is in a message: without the places where the file is shared."""
    facts = msgspec.json.decode(record.facts, type=Facts)
    place = f"{base_url}{PRIVATE_PATH}{team}-{record.id}"
    name = name_in_url(record.name)
    found: dict[str, Any] = {
        "id": record.id,
        "created": record.created,
        "timestamp": record.created,
        "name": record.name,
        "title": record.title,
        "mimetype": record.mimetype,
        "filetype": record.filetype,
        "pretty_type": pretty_type(record.filetype),
        "user": record.user_id,
        "user_team": team,
        "editable": record.mode == SNIPPET,
        "size": record.size,
        "mode": record.mode,
        "is_external": False,
        "external_type": "",
        "is_public": False,
        "public_url_shared": record.public is not None,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{place}/{name}",
        "url_private_download": f"{place}/download/{name}",
        "media_display_type": _display(record.mimetype),
        "permalink": f"{base_url}/files/{record.user_id}/{record.id}/{name}",
        "has_rich_preview": False,
        "file_access": "visible",
    }
    if record.public is not None:
        found["permalink_public"] = f"{base_url}{PUBLIC_PATH}{team}-{record.id}-{record.public}/{name}"
    if record.alt_text:
        found["alt_txt"] = record.alt_text
    if facts.width:
        found |= {"original_w": facts.width, "original_h": facts.height}
    if record.mode == SNIPPET:
        found |= {
            "preview": facts.preview,
            "edit_link": found["permalink"] + "/edit",
            "lines": facts.lines,
            "lines_more": facts.has_more,
            "preview_is_truncated": facts.has_more > 0,
        }
    return found


def shared_object(
    found: dict[str, Any], shares: Sequence[Share], kinds: dict[str, str], names: dict[str, str], team: str
) -> dict[str, Any]:
    """Return a file object with the places where the caller sees that the file is shared.

    Args:
        kinds: the kinds of these conversations by id.
        names: their names.
    """
    places: dict[str, list[str]] = {"channels": [], "groups": [], "ims": []}
    shown: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for share in shares:
        kind = kinds[share.channel]
        place = places[_PLACES[kind]]
        if share.channel not in place:
            place.append(share.channel)
        shown.setdefault("public" if kind == "public" else "private", {}).setdefault(share.channel, []).append(
            {
                "ts": share.ts,
                "channel_name": names[share.channel],
                "team_id": team,
                "reply_users": [],
                "reply_users_count": 0,
                "reply_count": 0,
            }
        )
    return found | places | {"is_public": bool(places["channels"]), "shares": shown, "comments_count": 0}


_PLACES: Final = {"public": "channels", "private": "groups", "mpim": "groups", "im": "ims"}


def tombstone(file: str) -> dict[str, Any]:
    """Return what stands for a deleted file in a message."""
    return {"id": file, "mode": "tombstone"}


def _display(mimetype: str) -> str:
    kind = mimetype.partition("/")[0]
    return kind if kind in ("audio", "video") else "unknown"
