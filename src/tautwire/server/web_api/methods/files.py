"""The ``files`` family. Source: wire/files.md. The bytes themselves are taken and sent by ``server.files``."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files import reading, sharing, uploads
from tautwire.server.services.files.intake import BusyError
from tautwire.server.services.files.objects import upload_url
from tautwire.server.services.files.sharing import MAX_CHANNELS, MAX_FILES, Titled
from tautwire.server.services.files.uploads import SNIPPET, Announced
from tautwire.server.services.messaging.contents import message_blocks
from tautwire.server.services.messaging.messages import Draft
from tautwire.server.store.queries.files import KINDS, Wanted
from tautwire.server.web_api.access import access, users_and_bots
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.content import checked, find_target
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method

READS: Final = users_and_bots("files:read")
WRITES: Final = users_and_bots("files:write")
MAX_SNIPPET: Final = 1_048_576
"""Bytes of a snippet. Source: wire/files.md#limits (documented)."""
MAX_ALT_TEXT: Final = 1_000
"""Characters. Source: wire/files.md#limits (documented)."""
MAX_COUNT: Final = 1_000
MAX_PAGES: Final = 100

Name = Annotated[str, msgspec.Meta(max_length=4_096)]
FileId = Annotated[str, msgspec.Meta(max_length=64)]
_STORING: Final = ("file_upload_size_restricted", "storage_limit_reached")
_SHARING: Final = ("channel_not_found", "channels_limit_exceeded", "invalid_thread_ts", "is_archived", "not_in_channel")


class FilesGetUploadURLExternal(Arguments, frozen=True, kw_only=True):
    """Arguments of files.getUploadURLExternal."""

    REQUIRED = ("filename", "length")

    filename: Name = ""
    length: int = 0
    alt_txt: str = ""
    alt_text: str = ""
    """The name under which Node's SDK sends ``alt_txt``."""
    snippet_type: str = ""


class FilesCompleteUploadExternal(Arguments, frozen=True, kw_only=True):
    """Arguments of files.completeUploadExternal."""

    REQUIRED = ("files",)

    files: Json = None
    channel_id: Place = ""
    channels: tuple[Place, ...] = ()
    thread_ts: str | None = None
    initial_comment: str = ""
    blocks: Json = None


class FilesUpload(Arguments, frozen=True, kw_only=True):
    """Arguments of files.upload. ``file`` is a part of a multipart body."""

    ONE_OF = ("file", "content")

    file: str | None = None
    content: str | None = None
    channels: tuple[Place, ...] = ()
    filename: Name = ""
    filetype: str = ""
    title: str = ""
    initial_comment: str = ""
    thread_ts: str | None = None


class FilesInfo(Arguments, frozen=True, kw_only=True):
    """Arguments of files.info."""

    REQUIRED = ("file",)

    file: FileId = ""
    count: int = 100
    page: int = 1
    cursor: str = ""
    limit: int = 0


class FilesList(Arguments, frozen=True, kw_only=True):
    """Arguments of files.list."""

    user: str = ""
    channel: Place = ""
    ts_from: float = 0
    ts_to: float | None = None
    types: list[str] | None = None
    count: int = 100
    page: int = 1


class FilesDelete(Arguments, frozen=True, kw_only=True):
    """Arguments of files.delete."""

    REQUIRED = ("file",)

    file: FileId = ""


class FilesSharedPublicURL(FilesDelete, frozen=True, kw_only=True):
    """Arguments of files.sharedPublicURL."""


class FilesRevokePublicURL(FilesDelete, frozen=True, kw_only=True):
    """Arguments of files.revokePublicURL."""


@method(
    "files.getUploadURLExternal", FilesGetUploadURLExternal, Tier.FOUR, WRITES,
    errors=["alt_txt_too_large", "missing_argument", "snippet_too_large", *_STORING],
)  # fmt: skip
async def get_upload_url(call: Call, args: FilesGetUploadURLExternal) -> Answer:
    """Return a URL to which the bytes of a file are sent, once."""
    if not args.filename or args.length <= 0:
        raise MethodError("missing_argument")
    alt_text = args.alt_txt or args.alt_text
    if len(alt_text) > MAX_ALT_TEXT:
        raise MethodError("alt_txt_too_large")
    if args.snippet_type and args.length > MAX_SNIPPET:
        raise MethodError("snippet_too_large")
    reserved = await call.workspace.files.reserve(
        call.who.user,
        Announced(
            args.filename,
            args.length,
            alt_text=alt_text,
            filetype=args.snippet_type,
            is_snippet=bool(args.snippet_type),
        ),
    )
    return {"upload_url": upload_url(call.base_url, call.team.id, reserved.id, reserved.secret), "file_id": reserved.id}


@method(
    "files.completeUploadExternal", FilesCompleteUploadExternal, Tier.FOUR, WRITES,
    errors=[
        "file_not_found", "invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", *_SHARING,
    ],
)  # fmt: skip
async def complete_upload(call: Call, args: FilesCompleteUploadExternal) -> Answer:
    """Complete uploaded files and share them, with one message in each channel."""
    draft = Draft(text=checked(args.initial_comment), thread_ts=args.thread_ts or None)
    if args.blocks and not args.initial_comment:
        draft.blocks = message_blocks(args.blocks)
    channels = [args.channel_id] if args.channel_id else args.channels
    found = await _complete(call, _titled(args.files), channels, draft)
    return {"files": found}


@method(
    "files.upload", FilesUpload, Tier.TWO, WRITES, successor="files.getUploadURLExternal", takes_file=True,
    errors=["file_not_found", "msg_too_long", "no_file_data", "post_contents_too_large", *_STORING, *_SHARING],
)  # fmt: skip
async def upload(call: Call, args: FilesUpload) -> Answer:
    """Upload a file in one request, and share it."""
    draft = Draft(text=checked(args.initial_comment), thread_ts=args.thread_ts or None)
    file = call.file or await _store_content(call, args)

    def describe(tx: Transaction) -> None:
        uploads.describe(tx, file, name=args.filename, title=args.title, filetype=args.filetype)

    try:
        await call.write(describe)
        (found,) = await _complete(call, [Titled(file)], args.channels, draft)
    except BaseException:
        call.workspace.files.drop(file)
        raise
    return {"file": found}


@method("files.info", FilesInfo, Tier.FOUR, READS, errors=["file_deleted", "file_not_found"])
async def info(call: Call, args: FilesInfo) -> Answer:
    """Return a file. Files have no comments any more, so every page of them is empty."""
    record, found = await call.read(
        partial(reading.show_file, who=call.who, file=args.file, team=call.team, base_url=call.base_url)
    )
    answer: dict[str, Any] = {"file": found, "comments": []}
    if args.limit or args.cursor:
        answer["response_metadata"] = {"next_cursor": ""}
    else:
        answer["paging"] = {"count": min(max(args.count, 1), MAX_COUNT), "total": 0, "page": args.page, "pages": 0}
    if record.mode == SNIPPET:
        text, is_cut = await call.read(partial(reading.read_text, record=record, limit=MAX_SNIPPET))
        answer |= {"content": text, "is_truncated": is_cut}
    return answer


@method(
    "files.list", FilesList, Tier.THREE, READS,
    errors=["channel_not_found", "over_pagination_limit", "unknown_type", "user_not_found"],
)  # fmt: skip
async def list_files(call: Call, args: FilesList) -> Answer:
    """Return the files that the caller may see, the newest first."""
    if args.page > MAX_PAGES:
        raise MethodError("over_pagination_limit")
    kinds = [kind for kind in args.types or () if kind != "all"]
    if any(kind not in KINDS for kind in kinds):
        raise MethodError("unknown_type")
    page, count = max(args.page, 1), min(max(args.count, 1), MAX_COUNT)
    high = 0 if args.ts_to is None or args.ts_to == 0 else _seconds(args.ts_to)
    wanted = Wanted(args.user, args.channel, _seconds(args.ts_from), high, () if "all" in (args.types or ()) else kinds)
    files, total = await call.read_long(
        partial(
            reading.show_files, who=call.who, wanted=wanted, page=page, count=count, team=call.team,
            base_url=call.base_url,
        )
    )  # fmt: skip
    return {"files": files, "paging": {"count": count, "total": total, "page": page, "pages": -(-total // count)}}


@method(
    "files.delete", FilesDelete, Tier.THREE, WRITES, errors=["cant_delete_file", "file_deleted", "file_not_found"],
)  # fmt: skip
async def delete(call: Call, args: FilesDelete) -> Answer:
    """Delete a file of the caller."""
    await call.write(partial(sharing.delete, who=call.who, file=args.file))
    call.workspace.files.removals.expect(0)
    return {}


@method(
    "files.sharedPublicURL", FilesSharedPublicURL, Tier.THREE, access(user=["files:write"]),
    errors=["file_deleted", "file_not_found"],
)  # fmt: skip
async def shared_public_url(call: Call, args: FilesSharedPublicURL) -> Answer:
    """Give a file of the caller a URL for which no token is needed."""
    return {"file": await _publish(call, args.file, is_public=True), "comments": []}


@method("files.revokePublicURL", FilesRevokePublicURL, Tier.THREE, WRITES, errors=["file_deleted", "file_not_found"])
async def revoke_public_url(call: Call, args: FilesRevokePublicURL) -> Answer:
    """Take the public URL of a file of the caller away."""
    return {"file": await _publish(call, args.file, is_public=False)}


async def _publish(call: Call, file: str, *, is_public: bool) -> dict[str, Any]:
    return await call.write(
        partial(sharing.publish, team=call.team, who=call.who, file=file, base_url=call.base_url, is_public=is_public)
    )


async def _complete(call: Call, files: Sequence[Titled], channels: Sequence[str], draft: Draft) -> list[dict[str, Any]]:
    if len(channels) > MAX_CHANNELS:
        raise MethodError("channels_limit_exceeded")

    def complete(tx: Transaction) -> list[dict[str, Any]]:
        found = [find_target(tx, call, channel) for channel in channels]
        return sharing.complete(tx, call.team, call.who, files, found, draft, call.base_url)

    return await call.write(complete)


async def _store_content(call: Call, args: FilesUpload) -> str:
    """Store the text of a snippet; return the id of the file."""
    data = (args.content or "").encode(errors="replace")
    if not data:
        raise MethodError("no_file_data")
    if len(data) > MAX_SNIPPET:
        raise MethodError("post_contents_too_large")
    name = args.filename or "-"
    announced = Announced(name, len(data), filetype=args.filetype, is_snippet=True)
    try:
        async with await call.workspace.files.receive(call.who.user, announced) as intake:
            await intake.feed(data)
            return await intake.end()
    except BusyError:
        raise MethodError("service_unavailable") from None


def _titled(files: Any) -> list[Titled]:
    """Return the files of an argument such as ``[{"id": "F…", "title": "…"}]``."""
    try:
        found = msgspec.convert(files, list[_Listed])
    except msgspec.ValidationError:
        found = []
    if not 1 <= len(found) <= MAX_FILES:
        text = f"[ERROR] files must be 1 to {MAX_FILES} objects with id"
        raise MethodError("invalid_arguments", response_metadata={"messages": [text]})
    return list({each.id: Titled(each.id, each.title or "") for each in found}.values())


class _Listed(msgspec.Struct):
    id: str
    title: str | None = None


def _seconds(ts: float) -> int:
    return int(min(max(ts, 0), 2**40))
