"""The things of a workspace as typed values: users, channels, messages, files, bots, teams, user groups.

Events and answers carry them. They are lenient on purpose; see ``WireObject``.
"""

from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.objects.bot import Bot
from tautwire.protocol.objects.channel import Channel, Note
from tautwire.protocol.objects.file import File, FileComment
from tautwire.protocol.objects.item import Item
from tautwire.protocol.objects.message import Edited, Message, Reaction, Reply
from tautwire.protocol.objects.team import Team
from tautwire.protocol.objects.thread import ThreadSubscription
from tautwire.protocol.objects.user import DndStatus, EnterpriseUser, Profile, User
from tautwire.protocol.objects.usergroup import Usergroup

__all__ = [
    "Bot",
    "Channel",
    "DndStatus",
    "Edited",
    "EnterpriseUser",
    "File",
    "FileComment",
    "Item",
    "Message",
    "Note",
    "Profile",
    "Reaction",
    "Reply",
    "Team",
    "ThreadSubscription",
    "User",
    "Usergroup",
    "WireObject",
]
