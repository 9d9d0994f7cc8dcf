"""The slash commands and shortcuts that a person uses: each is sent to its app, and the answer is shown.

What a client would not offer is refused. What people do in messages is in ``actions``, in views in ``services.views``.
"""

from functools import partial
from typing import Final

import msgspec

from tautwire.server.services.access.features import Owned, find_owner
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.interactivity import payloads
from tautwire.server.services.interactivity.asking import (
    Outcome,
    ask,
    interactive,
    now_ts,
    response_url,
    show_answer,
)
from tautwire.server.services.interactivity.escapes import escape
from tautwire.server.services.interactivity.requests import Request
from tautwire.server.services.interactivity.response_urls import Source
from tautwire.server.services.interactivity.targets import Target, find_conversation, find_target
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.features import find_apps_of_shortcut
from tautwire.server.store.records import ChannelRecord

SCOPE: Final = "commands"
"""Of slash commands and shortcuts. Source: wire/apps.md#app-manifest."""


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
        workspace.team, owned.app, who, record, command=name, text=sent,
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
    payload = payloads.interaction("shortcut", workspace.team, found, who) | {
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
    payload = payloads.interaction("message_action", workspace.team, found, who) | {
        "callback_id": callback_id,
        "trigger_id": workspace.triggers.issue(found, who.user),
        "action_ts": now_ts(workspace),
        "response_url": url,
        "message_ts": ts,
        "message": target.message,
        **payloads.in_channel(target.channel),
    }
    return await ask(workspace, interactive(found, payload))


def _find_shortcut(query: Query, callback_id: str, kind: str, app: str) -> str:
    found = find_apps_of_shortcut(query, callback_id, kind)
    wanted = [each for each in found if app in ("", each)]
    if not wanted:
        raise NotFound(
            "unknown_shortcut", f"no app has the {kind} shortcut {callback_id[:80]!r}: app.features adds one"
        )
    if len(wanted) > 1:
        raise Refused("ambiguous_shortcut", f"{callback_id[:80]!r} is of {' and '.join(wanted[:5])}: give the app")
    return wanted[0]
