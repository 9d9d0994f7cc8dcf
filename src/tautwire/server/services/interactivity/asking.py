"""Asking an app about what a person did, and what the person sees of its answer.

The acts of people build their payloads and come here: ``commands``, ``actions``, and those of ``services.views``.
"""

from functools import partial
from typing import Any, Final

import msgspec

from tautwire.protocol.ids import ts_from_micros
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity.answers import Reply, read_reply
from tautwire.server.services.interactivity.payloads import Payload
from tautwire.server.services.interactivity.requests import Answer, NotAnswered, Request
from tautwire.server.services.interactivity.response_urls import Source, issue, respond
from tautwire.server.services.messaging.messages import Draft, Posted
from tautwire.server.services.workspace import Workspace

NO_ANSWER: Final = "dispatch_failed"


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
