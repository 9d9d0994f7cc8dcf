"""What happened in a workspace, for people to read and for tests to compare.

``records`` makes plain dicts without ids and times, so two runs of a test have equal ones; ``written`` makes text of
the same. A message is referred to by its place in the list of records.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tautwire.testing.names import Names
from tautwire.testing.observer import Happening

QUOTED: Final = 40
"""Characters of a message that are shown where another line refers to it."""

Record = dict[str, Any]


def records(happenings: Sequence[Happening], names: Names) -> list[Record]:
    """Return one dict for each happening, in order.

    All have ``kind``, ``channel`` and ``user``, by name. A message has ``text`` with the names of those it mentions;
    if they apply, also ``subtype``, ``username`` (posted under another name), ``reply_to``, ``only_for`` (ephemeral)
    and ``blocks`` (a summary of each). An edit has ``of`` and the new ``text``, a deletion ``of``, a reaction (added
    or removed) ``to`` and ``name``. ``reply_to``, ``of`` and ``to`` are places in the list; None if the message is
    not in it.
    """
    places: dict[tuple[str, str], int] = {}
    found = []
    for place, each in enumerate(happenings):
        record: Record = {
            "kind": each.kind,
            "channel": names.label(each.channel),
            "user": names.user_name(each.user),
        }
        target = places.get((each.channel, each.ts))
        match each.kind:
            case "message":
                record |= _message(each, places, names)
                places[each.channel, each.ts] = place
            case "edit":
                record |= {"of": target} | _content(each.event["message"], names)
            case "deletion":
                record["of"] = target
            case _:
                record |= {"to": target, "name": each.text}
        found.append(record)
    return found


def written(happenings: Sequence[Happening], names: Names, *, mark_found: bool = False) -> str:
    """Return what happened as text, a line each, on request with those marked that a wait returned."""
    current: dict[int, str] = {}  # by place, what the message says by now
    lines = []
    for place, (each, record) in enumerate(zip(happenings, records(happenings, names), strict=True)):
        said = _said(record)
        match each.kind:
            case "message":
                line = f"{record['user']}: {said}{_remarks(record, current)}"
                current[place] = said
            case "edit":
                line = f"{record['user']} edited {_quote(current, record['of'])}: {said}"
                if record["of"] is not None:
                    current[record["of"]] = said
            case "deletion":
                line = f"{record['user']} deleted {_quote(current, record['of'])}"
            case "reaction":
                line = f"{record['user']} reacted :{record['name']}: to {_quote(current, record['to'])}"
            case _:
                line = f"{record['user']} removed :{record['name']}: from {_quote(current, record['to'])}"
        found = "  (found before)" if mark_found and each.is_found else ""
        lines.append(f"  {record['channel']} {line}{found}")
    return "\n".join(lines) or "  (nothing)"


def quoted(text: str) -> str:
    """Return a text in quotes, cut off if it is long."""
    return f'"{text}"' if len(text) <= QUOTED else f'"{text[: QUOTED - 1]}…"'


def _message(happening: Happening, places: Mapping[tuple[str, str], int], names: Names) -> Record:
    event = happening.event
    record: Record = {}
    subtype = event.get("subtype")
    if subtype is not None and not happening.only_for:
        record["subtype"] = subtype
    if "username" in event:
        record["username"] = event["username"]
    record |= _content(event, names)
    thread = event.get("thread_ts")
    if thread is not None and thread != happening.ts:
        record["reply_to"] = places.get((happening.channel, thread))
    if happening.only_for:
        record["only_for"] = names.user_name(happening.only_for)
    return record


def _content(message: Mapping[str, Any], names: Names) -> Record:
    """Return what a message says: its text, and a summary of its blocks if it has any."""
    content: Record = {"text": names.read(message.get("text", ""))}
    blocks = [_block(block, names) for block in message.get("blocks") or []]
    blocks += [_attachment(each, names) for each in message.get("attachments") or []]
    return content | ({"blocks": blocks} if blocks else {})


def _block(block: Any, names: Names) -> str:
    """Return a block in short: its type and the texts in it, such as ``actions: Approve, Deny``."""
    if not isinstance(block, dict):
        return "block"
    texts = [names.read(text) for text in _texts(block)]
    return f"{block.get('type', 'block')}: {', '.join(texts)}" if texts else str(block.get("type", "block"))


def _attachment(attachment: Any, names: Names) -> str:
    told = attachment if isinstance(attachment, dict) else {}
    words = [str(told[name]) for name in ("pretext", "title", "text", "fallback") if told.get(name)]
    return f"attachment: {names.read(words[0])}" if words else "attachment"


def _texts(part: Any) -> list[str]:
    """Return the texts in a part of a block, outermost first, each once."""
    if isinstance(part, str):
        return [part] if part else []
    if isinstance(part, list):
        return [text for each in part for text in _texts(each)]
    if not isinstance(part, dict):
        return []
    found = []
    for name in ("text", "title", "alt_text", "label", "placeholder", "fields", "elements", "accessory", "element"):
        found += _texts(part.get(name))
    return found


def _said(record: Record) -> str:
    """Return what a record says, in a line: the text, or the blocks of a message that has no text."""
    return record.get("text") or " ".join(f"[{block}]" for block in record.get("blocks", []))


def _remarks(record: Record, current: Mapping[int, str]) -> str:
    remarks = []
    if "username" in record:
        remarks.append(f"as {record['username']}")
    if "reply_to" in record:
        remarks.append(f"reply to {_quote(current, record['reply_to'])}")
    if "only_for" in record:
        remarks.append(f"only {record['only_for']} sees it")
    return f"  ({', '.join(remarks)})" if remarks else ""


def _quote(current: Mapping[int, str], place: int | None) -> str:
    if place is None:
        return "an older message"
    return quoted(current[place])
