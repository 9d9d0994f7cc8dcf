"""What each warning and error of the server's log means, and what to do: the table of docs/how-to/server/runbook.md.

The keys are the texts as they stand in the code; tests/docs/test_runbook.py compares them with the calls.
"""

import ast
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
PLACES: Final = ("src/tautwire/server", "src/tautwire/cli/service.py")
LEVELS: Final = ("warning", "error", "exception", "critical")

_DEFECT: Final = "A defect of the server; the traceback follows. Keep both, and report them."
_BY_ITSELF: Final = "Nothing, unless it repeats: then look at the faults `store` and `database`."


class Advice(NamedTuple):
    """One line."""

    means: str
    do: str


LINES: Final[dict[str, Advice]] = {
    # The start and the stop
    "the server was not stopped cleanly: %d bytes of the write-ahead log are recovered": Advice(
        "The process was killed, or the machine lost power. What was acked is there.",
        "Find out why: `journalctl -u tautwire`, `dmesg` for want of memory.",
    ),
    "the check of the database was ended after %.0f s: the database is too large for a full check": Advice(
        "After such a stop a large database is looked over in part only.", "Run `tautwire db check` at a quiet hour."
    ),
    "other users of this machine can read %s: set its mode with chmod 700": Advice(
        "The data directory has messages and hashes of tokens.", "`chmod 700` it."
    ),
    "a new workspace begins; the tokens of the old one are in %s": Advice(
        "The server was started with `--new`.", "Nothing. Without that intent: stop it, and restore a backup."
    ),
    "%s: %s has no effect: %s": Advice("A key of an app's manifest in the seed file is not served.", "Take it out."),
    "requests that did not end are cancelled: %d": Advice(
        "A stop does not wait for them longer than three seconds.", "Nothing: their callers see a closed connection."
    ),
    "the database does not answer; %d changes are given up": Advice(
        "The server stops, and the disk or PostgreSQL hangs. None of these changes was acked.",
        "Look at the disk before the next start.",
    ),
    "the service manager did not take %s: %s": Advice(
        "systemd did not take a message, so its watchdog may restart the server.",
        "Look whether the unit has `Type=notify` and `NotifyAccess=main`.",
    ),
    # Faults and the store
    "not ready: %s: %s": Advice("A fault begins; its name and its reason.", "See [faults](#faults)."),
    "%s is not served any more: %s": Advice(
        "The store of one workspace is broken for good; the others are served.",
        "[Restore its backup](back-up-a-server.md#restore), and restart the server.",
    ),
    "the database cannot be read: %s": Advice("A read failed; its caller got an error.", "See the fault `database`."),
    "a batch of %d changes could not be stored%s": Advice(
        "The posts in it got errors; nothing of it was acked.", "The traceback has the reason: see the fault `store`."
    ),
    "the rollback failed (%s); the database is opened again": Advice(
        "The connection to the database was in no usable state.", _BY_ITSELF
    ),
    "%s; the database says that its changes are %sstored": Advice(
        "The connection to PostgreSQL was lost during a commit; the server asked what became of it.",
        "Nothing: callers get the true answer. Look why connections break.",
    ),
    "a check of the server failed; the next one follows": Advice(
        "A look at disk, store or writer raised an error.",
        "The traceback has the reason; a missing directory is usual.",
    ),
    "old entries of the log stay for now: %s": Advice("They are deleted at a later try.", _BY_ITSELF),
    "old entries of the log stay for now": Advice("They are deleted at a later try.", _DEFECT),
    "what is due has to wait: %s": Advice("Scheduled messages and expiries are late.", _BY_ITSELF),
    "what is due has to wait": Advice("Scheduled messages and expiries are late.", _DEFECT),
    "%s is due and fails; it is dropped": Advice("A scheduled message or an expiry cannot be carried out.", _DEFECT),
    # The log and its readers
    "entries %d to %d of the log are read from the store": Advice(
        "They did not come by the short way, as when another process wrote to the workspace.",
        "Nothing once. If it repeats, look for a second writer.",
    ),
    "the log cannot be read from entry %d on; trying again": Advice(
        "Events are late for all; none is left out.", "See the fault `database`."
    ),
    "a reader of the log raised at entries %d to %d; the others go on": Advice(
        "One part of the server did not take some events.", _DEFECT
    ),
    "entries %d to %d were not delivered to all": Advice(
        "Connections that missed them are closed, and resume.", _DEFECT
    ),
    "entry %d of the log (%s) was not delivered": Advice("Connections that missed it are closed, and resume.", _DEFECT),
    "entry %d of the log (auth) cannot be read: restart the server": Advice(
        "A revoked token may go on working.", "Restart the server, which reads all tokens anew. Report the traceback."
    ),
    "connections of tokens that are no longer accepted were not closed": Advice(
        "A revoked token may keep its connection.", "Restart the server. Report the traceback."
    ),
    "the members of %s are not certain until the server is started again": Advice(
        "A join or leave was not applied in memory.", "Restart the server. Report the traceback."
    ),
    "a result could not be reported": Advice("A change is stored, and its caller got no answer.", _DEFECT),
    # Connections
    "connections refused: %d, the last because %s": Advice(
        "The limit of all connections, or of one address, is reached.",
        "Look for an address with very many; else raise `--max-connections` and the limit of open files.",
    ),
    "still nearly full: %s": Advice("The fault `descriptors` goes on.", "As for the fault."),
    "connection %d of %s ended: %s": Advice("One client was dropped for an error of the server.", _DEFECT),
    "connection %d of %s could not be dropped": Advice("As above.", _DEFECT),
    "connection %d of %s stays among those of %s": Advice("As above.", _DEFECT),
    "presence_sub of %s refused: all subscriptions take %d bytes": Advice(
        "Subscriptions to presence have reached their limit.", "Look what this user subscribes to."
    ),
    "a message of %s could not be posted": Advice("The client got an error.", _DEFECT),
    # Calls
    "%s failed": Advice("A method of the Web API raised an error; the answer is `internal_error`.", _DEFECT),
    "the answer of %s is not JSON": Advice("As above.", _DEFECT),
    "a message at a hook failed": Advice("A webhook or response URL was answered with an error.", _DEFECT),
    "an operator's %s failed": Advice("A command got the error `internal_error`.", _DEFECT),
    # The search
    "a search does not find all messages: they are still being entered": Advice(
        "After an upgrade or a restore old messages are entered in the background.", "Wait."
    ),
    "a search may not find the newest messages: %s": Advice("The database did not answer in time.", _BY_ITSELF),
    "a search may not find the newest messages": Advice("The search goes on without them.", _DEFECT),
    "messages are not entered into the search for now: %s": Advice("They are at a later try.", _BY_ITSELF),
    "messages are not entered into the search for now": Advice("They are at a later try.", _DEFECT),
    # Apps
    "app %s cannot be reached over HTTP; its events wait for it": Advice(
        "Its request URL does not answer; `app_keep` says how long its events are kept.", "Start the app."
    ),
    "the request URL of app %s did not answer the challenge (%s); asking again in %g s": Advice(
        "Its events wait until it does.", "Start the app, or correct its URL: `tautwire app request-url`."
    ),
    "app %s gets no more events over HTTP: nearly all attempts of the last hour failed; repair it, and set its "
    "request URL again": Advice("It was switched off, as at Slack.", "Repair it, then `tautwire app request-url`."),
    "app %s is not served over HTTP yet: %s": Advice("The store did not answer; it is tried again.", _BY_ITSELF),
    "app %s is not served over HTTP yet": Advice("It is tried again.", _DEFECT),
    "serving an app over HTTP failed": Advice("It is tried again.", _DEFECT),
    "an app that fails is not switched off yet: %s": Advice("The store did not answer.", _BY_ITSELF),
    "an event of app %s could not be sent": Advice("It counts as refused, and is tried again.", _DEFECT),
    "app %s was away too long: %d entries of the log are deleted": Advice(
        "Its events of that time are lost to it.", "Raise `--log-keep` if apps are away for so long."
    ),
    "app %s has had app_event_limit events in an hour; more are dropped": Advice(
        "The app got `app_rate_limited`.", "Raise `--app-event-limit`, or have the app subscribe to less."
    ),
    "the events of app %s could not be read; trying again": Advice("They are late.", "See the fault `database`."),
    "how far apps are done was not stored": Advice("After a restart they get some events again.", _DEFECT),
    "apps get again what they acknowledged last: %s": Advice(
        "After a restart they get some events again, with the same ids.", _BY_ITSELF
    ),
    # Housekeeping
    "a sweep of %s failed; the next one follows": Advice("The work of one second is left to the next.", _DEFECT),
    "a sweep failed; the next one follows": Advice("The work of one second is left to the next.", _DEFECT),
    # Answers and the page
    "an answer broke off: %s": Advice(
        "A long answer that a gateway passes on has ended before its end; the program sees a connection that is cut.",
        "Look at the link to the upstream; the program asks again.",
    ),
    "there is no new link to the page of %s: %s": Advice(
        "The one-time link was used, and `page.txt` in the data directory could not be written again.",
        "Look at the disk and at the mode of the directory, then restart the server for a new link.",
    ),
}


def logged() -> dict[str, str]:
    """Return the texts of all warnings and errors in the code, with the word that the log has for their level."""
    found: dict[str, str] = {}
    for place in PLACES:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for call in ast.walk(ast.parse(file.read_text())):
                level = _level(call)
                if level is not None and isinstance(call, ast.Call) and isinstance(call.args[0], ast.Constant):
                    text = str(call.args[0].value)
                    if text != "%s":  # a sentence of its own
                        found[text] = "WARNING" if level == "warning" else "ERROR"
    return found


def _level(node: ast.AST) -> str | None:
    """Return the method of the log that a call calls."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    is_log = isinstance(node.func.value, ast.Name) and node.func.value.id == "log"
    return node.func.attr if is_log and node.func.attr in LEVELS else None
