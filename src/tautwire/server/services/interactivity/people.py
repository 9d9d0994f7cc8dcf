"""What a person does with apps: uses a command or a shortcut, presses a button, chooses in a menu, looks for options.

Each act is checked as a client would (what is not there cannot be pressed), sent to the app, and its answer is carried
out and returned. ``messages_of`` finds where the person acts. Acts in views are those of another module.
"""

from functools import partial
from typing import Any, Final

import msgspec

from tautwire.protocol.ids import ts_from_micros
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.features import Owned, find_owner
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity import payloads
from tautwire.server.services.interactivity.answers import Reply, read_reply
from tautwire.server.services.interactivity.escapes import escape
from tautwire.server.services.interactivity.messages_of import Target, find_conversation, find_target
from tautwire.server.services.interactivity.payloads import Payload, Person
from tautwire.server.services.interactivity.requests import Answer, NotAnswered, Request
from tautwire.server.services.interactivity.response_urls import Source, issue, respond
from tautwire.server.services.messaging.messages import Draft, Posted
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.features import find_apps_of_shortcut
from tautwire.server.store.records import ChannelRecord

NO_ANSWER: Final = "dispatch_failed"
SCOPE: Final = "commands"
"""Of slash commands and shortcuts. Source: wire/apps.md#app-manifest."""


class Outcome(msgspec.Struct, kw_only=True):
    """What an app answered, and what the person sees of it."""

    app: str
    is_sent: bool = True
    """Whether the app was asked: a choice in an input block is sent with the whole only."""
    error: str | None = None
    """Why the app did not answer, or its answer cannot be used."""
    notice: str = ""
    """The error in words, as the person sees it."""
    answer: dict[str, Any] | None = None
    """The JSON object that the app answered."""
    text: str = ""
    """The text that the app answered in place of JSON."""
    shown: list[dict[str, Any]] = []
    """The messages that the answer has posted or replaced."""


async def use_command(workspace: Workspace, who: Identity, channel: str, line: str) -> Outcome:
    """Send a slash command to its app, and show the answer.

    Args:
        line: what the person types, with the slash.

    Raises:
        MethodError: channel_not_found, not_in_channel, is_archived.
        NotFound: no app has the command.
        Refused: missing_scope (ours): the app is installed without the scope of commands.
    """
    typed, _, rest = line.strip().partition(" ")
    text = rest.strip()

    def read(query: Query) -> tuple[ChannelRecord, Owned, str]:
        found = find_conversation(query, who, channel)
        owned = find_owner(query, typed.lower())
        if owned is None:
            raise NotFound("unknown_command", f"no app has the command {typed[:80]!r}: app.features adds one")
        return found, owned, escape(query, who, text) if owned.command.should_escape else text

    record, owned, sent = await workspace.reader.read(read)
    name = owned.command.name
    workspace.require_scope(owned.app, SCOPE, f"the command {name}")
    source = Source(kind="command", channel=record.id)
    url = await response_url(workspace, owned.app, who.user, source)
    fields = payloads.slash_command(
        workspace.team, owned.app, _person(who), record, command=name, text=sent,
        trigger_id=workspace.triggers.issue(owned.app, who.user), response_url=url,
    )  # fmt: skip
    request = Request(app=owned.app, kind="slash_commands", payload=msgspec.json.encode(fields), command=name)
    outcome = await ask(workspace, request, f"{name} failed with the error")
    return await show_answer(workspace, who, source, outcome, said=line.strip())


async def use_global_shortcut(workspace: Workspace, who: Identity, callback_id: str, app: str = "") -> Outcome:
    """Send a global shortcut to its app.

    Args:
        app: which one, if several have the shortcut.
    """
    found = await workspace.reader.read(partial(_find_shortcut, callback_id=callback_id, kind="global", app=app))
    workspace.require_scope(found, SCOPE, "a shortcut")
    payload = payloads.interaction("shortcut", workspace.team, found, _person(who)) | {
        "callback_id": callback_id,
        "trigger_id": workspace.triggers.issue(found, who.user),
        "action_ts": now_ts(workspace),
    }
    return await ask(workspace, interactive(found, payload))


async def use_message_shortcut(
    workspace: Workspace, who: Identity, channel: str, ts: str, callback_id: str, app: str = ""
) -> Outcome:
    """Send a shortcut on a message to its app; ephemeral messages have none."""

    def read(query: Query) -> tuple[str, Target]:
        target = find_target(query, who, channel, ts, None)
        return _find_shortcut(query, callback_id, "message", app), target

    found, target = await workspace.reader.read(read)
    workspace.require_scope(found, SCOPE, "a shortcut")
    source = Source(kind="shortcut", channel=target.channel.id, ts=ts)
    url = await response_url(workspace, found, who.user, source)
    payload = payloads.interaction("message_action", workspace.team, found, _person(who)) | {
        "callback_id": callback_id,
        "trigger_id": workspace.triggers.issue(found, who.user),
        "action_ts": now_ts(workspace),
        "response_url": url,
        "message_ts": ts,
        "message": target.message,
        **payloads.in_channel(target.channel),
    }
    return await ask(workspace, interactive(found, payload))


async def ask(workspace: Workspace, request: Request, subject: str = "the app failed with the error") -> Outcome:
    """Send a request to its app; a failure is an outcome."""
    try:
        answer = await workspace.requests.ask(request)
    except NotAnswered as failure:
        return Outcome(app=request.app, error=failure.reason, notice=f'{subject} "{failure.reason}"')
    return Outcome(app=request.app, answer=answer.body, text=answer.text)


def interactive(app: str, payload: Payload, *, wants_options: bool = False) -> Request:
    """Return the request with an interaction."""
    return Request(app=app, kind="interactive", payload=msgspec.json.encode(payload), wants_options=wants_options)


async def response_url(workspace: Workspace, app: str, user: str, source: Source) -> str:
    """Return a new response_url."""
    path = await workspace.writer.write(partial(issue, team=workspace.team, app=app, user=user, source=source))
    return workspace.base_url + path


def now_ts(workspace: Workspace) -> str:
    """Return the present time as ``action_ts``."""
    return ts_from_micros(workspace.clock.micros())


async def show_answer(
    workspace: Workspace, who: Identity, source: Source, outcome: Outcome, *, said: str = ""
) -> Outcome:
    """Carry out the message in an answer to a command, or to an act in a message with legacy buttons.

    Args:
        said: the command as it was typed.
    """
    answer = Answer(outcome.answer, outcome.text)
    if answer.is_empty:
        return outcome

    def show(tx: Transaction) -> list[Posted]:
        return respond(tx, workspace.team, outcome.app, who.user, source, reply, said=said)

    try:
        reply = read_reply(answer.body, needs_content=False) if answer.body else Reply(draft=Draft(text=answer.text))
        posted = await workspace.writer.write(show)
    except MethodError as error:
        outcome.error, outcome.notice = NO_ANSWER, f"the answer of the app cannot be shown: {error.code}"
        return outcome
    outcome.shown = [each.body for each in posted]
    return outcome


def _person(who: Identity) -> Person:
    return Person(who.user, who.name)


def _find_shortcut(query: Query, callback_id: str, kind: str, app: str) -> str:
    found = find_apps_of_shortcut(query, callback_id, kind)
    wanted = [each for each in found if app in ("", each)]
    if not wanted:
        raise NotFound("unknown_shortcut", f"no app has the {kind} shortcut {callback_id[:80]!r}: add it")
    if len(wanted) > 1:
        raise Refused("ambiguous_shortcut", f"{callback_id[:80]!r} is of {' and '.join(wanted[:5])}: give the app")
    return wanted[0]
