"""Errors of the administration: a code for programs, and a sentence for people that says what to do."""

from typing import Final

from tautwire.protocol.errors import TautwireError
from tautwire.server.services.errors import MethodError


class Refused(TautwireError):  # noqa: N818 - an outcome
    """A rule refuses what an operator asked for; nothing was changed.

    Args:
        code: for programs, such as ``name_taken``.
        message: what is wrong, with the value, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotFound(Refused):
    """A name or an id is not that of anything, or not of one thing only."""


def explained(error: MethodError, subject: str) -> Refused:
    """Return the refusal of a rule that the Web API has too, with a sentence about ``subject``."""
    faults = error.members.get("errors")
    more = f" ({'; '.join(map(str, faults[:MAX_FAULTS]))})" if isinstance(faults, list) else ""
    return Refused(error.code, f"{subject}: {_SENTENCES.get(error.code, error.code)}{more}")


MAX_FAULTS: Final = 5
"""Faults of blocks in a sentence."""

_SENTENCES: Final = {
    "account_inactive": "the user is deactivated; reactivate the user first",
    "already_reacted": "the user has reacted so already",
    "already_in_channel": "the user is a member already",
    "app_not_found": "the app is deleted; add another",
    "bot_not_found": "the app has no bot, with which people could talk; add another app",
    "cant_invite": "Slackbot cannot be a member",
    "cant_delete_message": "the message is of another user; name its author",
    "cant_leave_general": "members of the general channel stay in it; deactivate the user instead",
    "cant_update_message": "the message is of another user, or not one that can be edited",
    "channel_not_found": "the user cannot see the channel; add the user with `tautwire channel invite`",
    "cant_kick_from_general": "members of the general channel stay in it; deactivate the user instead",
    "invalid_command": "a name must be like /deploy, of at most 32 characters, and no other command have it",
    "file_deleted": "the file is deleted",
    "file_not_found": "there is no such file, or the user cannot see it",
    "file_upload_size_restricted": "the file is larger than the setting file_limit permits",
    "invalid_name": "the name of an emoji must be of letters, digits, _, +, - and '",
    "invalid_name_maxlength": "the name of a channel must have at most 80 characters; choose a shorter one",
    "invalid_name_punctuation": "the name of a channel must have a letter or digit; choose another",
    "invalid_name_required": "the name of a channel must not be empty; give one",
    "invalid_name_specials": "the name of a channel must be of lower case letters, digits, - and _; choose another",
    "bad_redirect_uri": "the redirect URI must be one of its redirect URLs or below one; add the URL to its manifest",
    "invalid_event": "there is no such event to subscribe to; see docs/reference/wire/events-api.md",
    "no_scopes": "it asks for no scopes; give some, or put them into its manifest",
    "invalid_shortcut": "shortcuts, at most 10, must have different callback_ids of at most 255 characters",
    "invalid_thread_ts": "the channel has no such message; ts is that of the answer to its post",
    "is_archived": "the channel is archived; choose another",
    "invalid_request_url": "it must be an http or https URL without user and #, such as http://127.0.0.1:3000/slack/events",
    "last_member": "a private channel keeps its last member; archive it instead",
    "message_not_found": "the channel has no such message; ts is that of the answer to its post",
    "messages_tab_disabled": "its messages tab is off; set features.app_home.messages_tab_enabled in its manifest",
    "method_not_supported_for_channel_type": "a direct message keeps its members; open another one",
    "name_taken": "the name is taken; choose another",
    "not_enabled": "its Home tab is off; set features.app_home.home_tab_enabled in its manifest",
    "no_service": "there is no such webhook; see webhooks.list",
    "no_text": "a message must have a text, blocks or attachments; give one of them",
    "no_reaction": "the user has not reacted so",
    "not_in_channel": "the user is not a member; see `tautwire channel show`",
    "streaming_state_conflict": "the message still grows; edit it when it has ended",
    "storage_limit_reached": "the files of the workspace are as large as files_limit permits, or the disk is full",
    "token_expired": "it has expired; issue a new one",
    "token_revoked": "it is revoked; issue a new one",
    "too_many_emoji": "the message has as many different reactions as it can have",
    "too_many_webhooks": "the app has 100 webhooks; revoke one first",
    "user_disabled": "the user is deactivated; reactivate the user first",
    "user_not_found": "the user is deactivated; reactivate the user first",
}
