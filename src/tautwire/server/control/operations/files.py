"""Operations about files: a user uploads one, and its object and bytes can be read."""

import base64
import binascii
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from tautwire.server.control.operation import Result, operation
from tautwire.server.control.operations.acts import Deed, Position, actor, find_deed, mark
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.files import reading, sharing
from tautwire.server.services.files.intake import BusyError
from tautwire.server.services.files.sharing import Titled
from tautwire.server.services.files.uploads import Announced
from tautwire.server.services.messaging.messages import Draft
from tautwire.server.services.messaging.texts import MAX_TEXT
from tautwire.server.services.workspace import Workspace

MAX_SHOWN: Final = 262_144
"""Bytes of a file that ``files.get`` shows."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class Uploading(Deed, kw_only=True, forbid_unknown_fields=True):
    """A file: its name, its content as ``text`` or in ``base64``, and what the user says about it.

    ``ts`` names the message in whose thread it is shared.
    """

    name: Name
    text: str = ""
    base64: str = ""
    title: str = ""
    comment: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] = ""
    ts: str | None = None


class Uploaded(Position, kw_only=True):
    """The file object of the wire, its channel."""

    channel: str
    file: dict[str, Any]


class OneFile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A file by its id, as ``user`` sees it."""

    user: str
    file: str


class Seen(msgspec.Struct, kw_only=True):
    """The file object of the wire, and the beginning of its bytes in base64; ``is_cut`` if it has more."""

    file: dict[str, Any]
    base64: str
    is_cut: bool


@operation("upload", Uploading, Uploaded)
async def upload(workspace: Workspace, args: Uploading) -> Result:
    """Upload a file and share it in a channel."""
    who, channel = await find_deed(workspace, args)
    data = _content(args)
    before = mark(workspace)
    announced = Announced(args.name, len(data), args.title)
    try:
        async with await workspace.files.receive(who.user, announced) as intake:
            await intake.feed(data)
            file = await intake.end()
    except BusyError:
        raise Refused("busy", "too many files arrive: try again") from None
    draft = Draft(text=args.comment, thread_ts=args.ts)

    def complete(tx: Transaction) -> list[dict[str, Any]]:
        return sharing.complete(tx, workspace.team, who, [Titled(file)], [channel], draft, workspace.base_url)

    try:
        (found,) = await workspace.writer.write(complete)
    except BaseException:
        workspace.files.drop(file)
        raise
    return {**before, "channel": channel, "file": found}


@operation("files.get", OneFile, Seen, reads=True)
async def get(workspace: Workspace, args: OneFile) -> Result:
    """Return a file and its first 256 KiB."""
    who = await workspace.reader.read(partial(actor, text=args.user))
    record, found = await workspace.reader.read(
        partial(reading.show_file, who=who, file=args.file, team=workspace.team, base_url=workspace.base_url)
    )
    data = await workspace.reader.read(partial(reading.read_bytes, record=record, limit=MAX_SHOWN))
    return {"file": found, "base64": base64.b64encode(data).decode(), "is_cut": record.size > MAX_SHOWN}


def _content(args: Uploading) -> bytes:
    if bool(args.text) == bool(args.base64):
        raise Refused("no_file_data", "give the content as text or as base64, and not empty")
    if args.text:
        return args.text.encode(errors="replace")
    try:
        return base64.b64decode(args.base64, validate=True)
    except binascii.Error as error:
        raise Refused("invalid_base64", f"base64 is not valid: {error}") from None
