"""Writes docs/reference/limits.md from the constants that set the limits.

Run with ``python -m tools.limits_page``; with ``--check`` it writes nothing and exits 1 if the page is out of date.
"""

import sys
from pathlib import Path
from typing import Final

from tautwire.client import rtm_client
from tautwire.client.connection import intake as client_intake
from tautwire.client.connection import transport
from tautwire.client.delivery import duplicates
from tautwire.client.handlers import binding
from tautwire.client.net import bounded
from tautwire.client.sending import pacer
from tautwire.client.settings import MESSAGE_RATE
from tautwire.server import incoming
from tautwire.server.config import Settings
from tautwire.server.control import door, operation, probe, watching
from tautwire.server.control.operations import waits, workspaces
from tautwire.server.events_api import delivery, receiver, verification
from tautwire.server.faults import book
from tautwire.server.http import connections, protocol
from tautwire.server.hub import frames
from tautwire.server.journal import entry, journal
from tautwire.server.log import catchup, tail
from tautwire.server.sandboxes import snapshots
from tautwire.server.services import nesting
from tautwire.server.services.access import features, logins
from tautwire.server.services.blockkit.blocks import MAX_BLOCKS
from tautwire.server.services.channels import conversations
from tautwire.server.services.comparison import changes, entries
from tautwire.server.services.files import intake, sharing, uploads
from tautwire.server.services.interactivity import recent, requests, response_urls, triggers, webhooks
from tautwire.server.services.messaging import contents, history, pins, reactions, scheduled, texts
from tautwire.server.services.people import presence
from tautwire.server.services.search import entries as search_entries
from tautwire.server.services.search import matches
from tautwire.server.services.views import views
from tautwire.server.values import DAY
from tautwire.server.web_api import arguments, bodies, pages
from tautwire.server.web_api.method import Tier
from tautwire.server.web_api.methods import files, search
from tautwire.session import client, outgoing, server
from tautwire.session.governor import Backoff
from tautwire.session.ratelimit import Rate
from tools.docstrings import write_or_check

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "limits.md"

INTRODUCTION: Final = """# Limits

How much is allowed, and what happens beyond it?

How much, how long, how often: every limit of the client and the server, and what happens beyond it.
This page is written by `python -m tools.limits_page` from the constants.

What Slack's own servers allow: [limits of the wire](wire/limits.md).
"""

ENDING: Final = """
`--rate-limits off` lifts the rates of the server. Its options: [run a server](../how-to/server/run-a-server.md).
"""

Row = tuple[str, str, str]

MIB: Final = 1_048_576


def size(count: int) -> str:
    """Return bytes as a reader says them."""
    for unit, name in ((MIB, "MiB"), (1_024, "KiB")):
        if count % unit == 0:
            return f"{count // unit:,} {name}"
    return f"{count:,} bytes"


def seconds(count: float) -> str:
    """Return a time as a reader says it."""
    return f"{count:g} s"


def rate(value: Rate) -> str:
    """Return a rate with its burst."""
    if float(value.per_second).is_integer():
        return f"{value.per_second:g} a second, {value.burst:,} at once"
    return f"{value.per_second * 60:g} a minute, {value.burst:,} at once"


DEFAULTS: Final = Settings(data=Path())

MESSAGES: Final[tuple[Row, ...]] = (
    ("text of a message over RTM", f"{server.MAX_TEXT_LENGTH:,} characters", "client: `FrameError`; server: error 3"),
    ("a frame to the server", size(outgoing.MAX_FRAME_SIZE), "client: `FrameError`; server: closes with 1009"),
    ("text of `chat.postMessage`", f"{texts.MAX_POST:,} characters", "cut off, with a warning"),
    ("text of `chat.update` and others", f"{texts.MAX_TEXT:,} characters", "`msg_too_long`"),
    ("`markdown_text`", f"{contents.MAX_MARKDOWN:,} characters", "`msg_too_long`"),
    ("names that `link_names` looks up for a text", f"{texts.MAX_NAMES}", "further ones stay words"),
    ("pins of a channel", f"{pins.MAX_PINS}", "`too_many_pins`"),
    ("scheduled messages of a channel in five minutes", f"{scheduled.MAX_IN_WINDOW}", "`restricted_too_many`"),
    ("blocks of a message", f"{MAX_BLOCKS['message']}", "`invalid_blocks`"),
    ("blocks of a view", f"{MAX_BLOCKS['modal']}", "`invalid_arguments`"),
    ("JSON of a view", f"{views.MAX_BYTES:,} bytes", "`view_too_large`"),
    ("modals on top of each other", f"{views.MAX_DEPTH}", "`push_limit_reached`"),
    ("stacks of modals of an app at a user", f"{views.MAX_STACKS}", "the oldest one is closed"),
    ("attachments of a message", f"{contents.MAX_ATTACHMENTS}", "`too_many_attachments`"),
    (
        "JSON of blocks, attachments or metadata",
        f"{contents.MAX_STRUCTURE:,} bytes",
        "`msg_blocks_too_long` and the like",
    ),
    ("different reactions to a message", f"{reactions.MAX_REACTIONS}", "`too_many_emoji`"),
    ("query of a search", f"{search.MAX_QUERY:,} characters", "`invalid_arguments`"),
    (
        "messages that a search finds",
        f"{matches.MAX_MATCHES:,}",
        "older ones are not found (with `sort_dir=asc` newer)",
    ),
    (
        "text of a message with its attachments",
        f"{search_entries.MAX_TEXT:,} characters",
        "a search does not find the rest",
    ),
    ("ids in one `presence_sub` or `presence_query`", f"{server.MAX_PRESENCE_IDS}", "further ids are ignored"),
    ("name of a channel", f"{conversations.MAX_NAME_LENGTH} characters", "`invalid_name_maxlength`"),
    ("other people in a group direct message", f"{conversations.MAX_OTHERS}", "`too_many_users`"),
)

CLIENT: Final[tuple[Row, ...]] = (
    ("messages sent", rate(MESSAGE_RATE), "they wait their turn (`message_rate`)"),
    ("messages that wait for their turn", f"{pacer.MAX_WAIT:,} s worth, at least {pacer.MAX_WAIT:,}", "`NotSent`"),
    ("events that wait for a handler", f"{binding.LIMIT:,} or {size(binding.LIMIT_BYTES)}", "by `overflow=`"),
    ("conversations at once, coroutine handler", f"{binding.TASKS}", "others wait (`concurrency=`)"),
    ("conversations at once, plain handler", f"{binding.THREADS}", "others wait (`concurrency=`)"),
    ("an incoming frame", size(transport.MAX_MESSAGE_SIZE), "the connection ends and is replaced"),
    ("events before the hello", size(client.MAX_EARLY_SIZE), "the connection ends and is replaced"),
    ("frames held during a handover", size(client_intake.MAX_HELD), "reading stops, but for replies"),
    ("an answer of `rtm.connect`", size(bounded.MAX_CONNECT_ANSWER), "`ConnectError`"),
    ("a page of a list or history", size(bounded.MAX_PAGE), "`ConnectError`"),
    ("redirects of a call", f"{bounded.MAX_REDIRECTS}", "`ConnectError`"),
    (
        "events remembered to find copies",
        f"{duplicates.MAX_COUNT:,} or {size(duplicates.MAX_SIZE)}, for {seconds(duplicates.LIFE)} after a hello",
        "the oldest are forgotten: a copy may be delivered",
    ),
    ("attempts to connect", rate(Backoff().budget), "they wait (`backoff`)"),
    ("pause between attempts", seconds(Backoff().cap), "`Retry-After` may ask for more"),
    ("grace of `close()`", seconds(rtm_client.GRACE), "handlers are cancelled"),
)

SERVER: Final[tuple[Row, ...]] = (
    ("messages of an RTM connection", rate(server.MESSAGE_RATE), "error -1, not stored"),
    ("presence frames of a connection", rate(server.PRESENCE_RATE), "error -1"),
    ("other frames of a connection", rate(server.OTHER_RATE), "a ping gets error -1; typing and tickles are dropped"),
    ("refusals for speed in a row", f"{server.MAX_REJECTIONS}", "the connection is closed"),
    ("messages of a connection that wait for their ack", f"{server.MAX_PENDING:,}", "it is not read for a while"),
    ("`chat.postMessage` of a token in a channel", rate(Tier.POST.value), "429 with `Retry-After`"),
    ("calls of tier 1, 2, 3, 4", "; ".join(rate(tier.value) for tier in list(Tier)[:4]), "429 with `Retry-After`"),
    ("results on a page", f"{pages.MAX_LIMIT:,}, and of history {size(history.MAX_PAGE)}", "the page ends earlier"),
    (
        "arguments of a call",
        f"{arguments.MAX_ARGUMENTS} in a form, {nesting.MAX_DEPTH} levels of JSON",
        "`invalid_form_data`, `invalid_json`",
    ),
    ("a request's body", f"{size(DEFAULTS.body_limit)}, {seconds(bodies.PATIENCE)}", "413, `request_timeout`"),
    ("request line and headers", f"{size(protocol.MAX_HEAD)}, {protocol.MAX_HEADERS} headers", "431"),
    ("incomplete heads of all connections", size(connections.MAX_HELD), "the oldest is ended"),
    ("bodies of callers without a token", size(bodies.MAX_ANONYMOUS), "429"),
    ("wrong tokens of an address", rate(logins.RATE), "429; good tokens go on"),
    ("a file", size(DEFAULTS.file_limit), "`file_upload_size_restricted` (`file_limit`)"),
    ("all files of a workspace", size(DEFAULTS.files_limit), "`storage_limit_reached` (`files_limit`)"),
    ("a snippet", size(files.MAX_SNIPPET), "`snippet_too_large`, `post_contents_too_large`"),
    ("files, and conversations, of one share", f"{sharing.MAX_FILES}, {sharing.MAX_CHANNELS}", "an error"),
    ("incomplete uploads of a user", f"{uploads.MAX_UNFINISHED}, {seconds(uploads.LIFETIME)}", "the oldest is dropped"),
    ("files that arrive at a time", f"{intake.MAX_ARRIVING}", "503 with `Retry-After`"),
    ("the bytes of a file", f"silence of {seconds(incoming.SILENCE)}, {size(incoming.SLOWEST)} a second", "408"),
    ("free disk that files leave", size(intake.FREE), "`storage_limit_reached`, 507"),
    ("a body of the control API", f"{size(operation.MAX_BODY)}, {seconds(door.PATIENCE)}", "413, 408"),
    ("the body of `workspaces.create`", size(workspaces.MAX_SEED), "413"),
    ("workspaces that callers create", f"{DEFAULTS.max_workspaces}", "`too_many_workspaces`"),
    (
        "snapshots of a workspace",
        f"{snapshots.MAX_SNAPSHOTS}, {size(snapshots.MAX_BYTES)}",
        "`too_many_snapshots`, `snapshots_too_large`",
    ),
    (
        "changes of a comparison",
        f"{changes.MAX_CHANGES:,}, {size(changes.MAX_BYTES)}, from {size(entries.MAX_LOG)} of the log",
        "`too_many_changes`",
    ),
    ("a `wait` of the control API", seconds(operation.MAX_TIMEOUT), "400"),
    ("its transcript", f"{waits.MAX_TRANSCRIPT} events", "the last ones are shown"),
    ("the journal of a workspace", size(journal.MAX_BYTES), "the oldest entries go"),
    ("a payload in the journal", size(entry.MAX_PART), "cut off, with its length"),
    ("watchers of a workspace", f"{watching.MAX_WATCHERS}", "400"),
    ("faults of a workspace", f"{book.MAX_RULES}", "400"),
    ("what a slow connection holds back", size(probe.MAX_HELD), "the connection is dropped"),
    ("answer of an app to an event", seconds(receiver.TIME_LIMIT), "the event is sent again"),
    ("events on their way to an app over HTTP", f"{receiver.CONCURRENCY}", "others wait in the log"),
    ("answer of an app to a command or an interaction", seconds(requests.TIME_LIMIT), "`operation_timeout`"),
    ("its size", size(requests.MAX_ANSWER), "`dispatch_failed`"),
    ("commands and interactions of an app at a time", f"{requests.MAX_OPEN}", "`dispatch_failed`"),
    ("slash commands of an app", f"{features.MAX_COMMANDS}", "`invalid_command`"),
    ("shortcuts of an app", f"{features.MAX_SHORTCUTS}", "`invalid_shortcut`"),
    ("a trigger_id", f"{seconds(triggers.LIFETIME)}, once", "`expired_trigger_id`, `exchanged_trigger_id`"),
    (
        "a response_url",
        f"{response_urls.LIFETIME // 60} min, {response_urls.MAX_USES} uses",
        "404 `expired_url`, `used_url`",
    ),
    ("incoming webhooks of an app", f"{webhooks.MAX_WEBHOOKS}", "`too_many_webhooks`"),
    ("posts at an incoming webhook", rate(Tier.POST.value), "429 with `Retry-After`"),
    (
        "remembered ephemeral messages, choices and options of menus",
        f"{size(recent.MAX_BYTES)} each",
        "the oldest are forgotten: nothing can be chosen in such a message",
    ),
    ("answer of an app to the challenge", size(verification.MAX_ANSWER), "the URL is not verified"),
    ("pause until the challenge is repeated", seconds(delivery.MAX_PAUSE), "after shorter ones"),
    ("life of an RTM URL", seconds(DEFAULTS.ticket_lifetime), "the upgrade is refused"),
    ("silence of an RTM connection", seconds(DEFAULTS.silence_limit), "closed"),
    ("a connection that is not read", seconds(DEFAULTS.slow_deadline), "closed; the client can resume"),
    ("bytes that wait for such a connection", size(DEFAULTS.backlog_limit), "closed; the client can resume"),
    (
        "events a client can resume",
        f"{tail.MAX_REPLAY:,} or {size(catchup.MAX_REPLAY_SIZE)}, from the last {DEFAULTS.log_keep / DAY:g} days",
        "`resync`: the gap is reported",
    ),
    ("log in memory", f"{tail.MAX_TAIL:,} entries or {size(tail.MAX_TAIL_SIZE)}", "older ones are read from disk"),
    ("frames shared by those who catch up", size(frames.MAX_SHARED), "they are made again"),
    ("presence subscriptions of all connections", size(presence.MAX_MEMORY), "new ones are refused"),
    ("connections", "what the limit of open files allows", "503 (`--max-connections`)"),
    ("connections of an address", "half of all", "503 (`--max-connections-per-address`)"),
)


def table(title: str, rows: tuple[Row, ...]) -> str:
    """Return a section with its table."""
    lines = [f"| {what} | {limit} | {beyond} |" for what, limit, beyond in rows]
    return f"\n## {title}\n\n| what | limit | beyond it |\n|---|---|---|\n" + "\n".join(lines) + "\n"


def page() -> str:
    """Return the whole page."""
    return INTRODUCTION + table("Messages", MESSAGES) + table("Client", CLIENT) + table("Server", SERVER) + ENDING


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: page()}, module="tools.limits_page", check="--check" in sys.argv[1:]))
