"""Messages of the ``chat`` family that grow while they are written."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.blockkit.blocks import MAX_BLOCKS
from tautwire.server.services.blockkit.filling import fill_blocks
from tautwire.server.services.blockkit.validation import are_objects
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import streams
from tautwire.server.services.messaging.chunks import Mode, Parts
from tautwire.server.services.messaging.contents import MAX_MARKDOWN, check_blocks, structure
from tautwire.server.services.messaging.messages import Posted
from tautwire.server.web_api.access import access
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.content import Authored, author_of
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method

STREAMS: Final = access(bot=["chat:write"])
STREAM_ERRORS: Final = (
    "channel_not_found", "invalid_attachments", "invalid_blocks", "invalid_chunks", "is_archived",
    "msg_blocks_too_long", "msg_blocks_too_many", "not_in_channel",
)  # fmt: skip
"""The errors of all three methods."""


class ChatStartStream(Authored, frozen=True, kw_only=True):
    """Arguments of chat.startStream."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("channel", "recipient_user_id", "recipient_team_id")

    channel: Place = ""
    chunks: Json = None
    markdown_text: str = ""
    thread_ts: str | None = None
    recipient_user_id: str = ""
    recipient_team_id: str = ""
    task_display_mode: Mode = "timeline"


class ChatAppendStream(Arguments, frozen=True, kw_only=True):
    """Arguments of chat.appendStream."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("channel", "ts")
    ONE_OF: ClassVar[tuple[str, ...]] = ("markdown_text", "chunks")

    channel: Place = ""
    ts: str = ""
    markdown_text: str = ""
    chunks: Json = None


class ChatStopStream(ChatAppendStream, frozen=True, kw_only=True):
    """Arguments of chat.stopStream."""

    ONE_OF = ()
    MALFORMED: ClassVar[Mapping[str, str]] = {**Arguments.MALFORMED, "blocks": "invalid_blocks"}

    blocks: Json = None
    metadata: Json = None


@method(
    "chat.startStream", ChatStartStream, Tier.TWO, STREAMS,
    errors=[
        *STREAM_ERRORS, "messages_tab_disabled", "missing_recipient_team_id", "missing_recipient_user_id",
        "team_not_found", "user_not_found",
    ],
)  # fmt: skip
async def start_stream(call: Call, args: ChatStartStream) -> Answer:
    """Post the beginning of a message. In a direct message the recipient may be left out."""
    parts = Parts(mode=args.task_display_mode)
    parts.add(_chunks(args.markdown_text, args.chunks))
    draft = author_of(call, args)
    draft.thread_ts = args.thread_ts
    recipient = (args.recipient_user_id, args.recipient_team_id)

    def start(tx: Transaction) -> Posted:
        return streams.start(tx, call.team, call.who, args.channel, draft, parts, recipient)

    posted = await call.write(start)
    call.workspace.streams.expect(call.workspace.clock.seconds() + streams.PATIENCE)
    if args.thread_ts is not None:
        call.workspace.statuses.posted(posted.channel, args.thread_ts, call.who.user)
    return {"channel": posted.channel, "ts": posted.ts}


@method(
    "chat.appendStream", ChatAppendStream, Tier.FOUR, STREAMS,
    errors=[
        *STREAM_ERRORS, "message_not_found", "message_not_in_streaming_state", "message_not_owned_by_app", "no_text",
    ],
)  # fmt: skip
async def append_stream(call: Call, args: ChatAppendStream) -> Answer:
    """Add to a message in progress."""
    chunks = _chunks(args.markdown_text, args.chunks)
    if not chunks:
        raise MethodError("no_text")
    posted = await call.write(lambda tx: streams.append(tx, call.who, args.channel, args.ts, chunks))
    return {"channel": posted.channel, "ts": posted.ts}


@method(
    "chat.stopStream", ChatStopStream, Tier.TWO, STREAMS,
    errors=[
        *STREAM_ERRORS, "invalid_metadata_format", "message_not_found",
        "message_not_in_streaming_state", "message_not_owned_by_app", "metadata_too_large",
    ],
)  # fmt: skip
async def stop_stream(call: Call, args: ChatStopStream) -> Answer:
    """Add the rest of a message; ``blocks`` stand below what it has."""
    chunks = _chunks(args.markdown_text, args.chunks)
    structure(args.blocks, list, args.MALFORMED["blocks"], "msg_blocks_too_long")
    structure(args.metadata, dict, "invalid_metadata_format", "metadata_too_large")
    blocks: list[Any] = args.blocks or []
    if len(blocks) > MAX_BLOCKS["message"]:
        raise MethodError("msg_blocks_too_many")
    if blocks:
        check_blocks(blocks, malformed=args.MALFORMED["blocks"])
        blocks = fill_blocks(blocks)

    def stop(tx: Transaction) -> Posted:
        return streams.stop(tx, call.who, args.channel, args.ts, chunks, blocks=blocks, metadata=args.metadata)

    posted = await call.write(stop)
    return {"channel": posted.channel, "ts": posted.ts, "message": posted.body}


def _chunks(markdown_text: str, chunks: Any) -> list[Any]:
    """Return the chunks of a call, with the text as the first of them."""
    structure(chunks, list, "invalid_chunks", "msg_blocks_too_long")
    if len(markdown_text) > MAX_MARKDOWN:
        raise MethodError("msg_blocks_too_long")
    filled = [*(chunks or ())]
    for index, chunk in enumerate(filled):
        blocks = chunk.get("blocks") if isinstance(chunk, dict) and chunk.get("type") == "blocks" else None
        if are_objects(blocks) and len(blocks) <= MAX_BLOCKS["message"]:  # others are refused where chunks are added
            check_blocks(blocks, "chunks", index, "blocks")
            filled[index] = {**chunk, "blocks": fill_blocks(blocks)}
    text = [{"type": "markdown_text", "text": markdown_text}] if markdown_text else []
    return [*text, *filled]
