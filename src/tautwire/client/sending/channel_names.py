"""Names in the place of channel ids: ``#general`` and ``@alice``, looked up in the local view.

RTM takes ids only (wire/messages.md). A client without a view refuses a name, and says what to do.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tautwire.client.view.view import View
from tautwire.protocol.frames import ClientFrame, Message, Typing
from tautwire.protocol.ids import ChannelId
from tautwire.session.members import FrameError, member

Frame = ClientFrame | Mapping[str, Any]


def with_channel_id(frame: Frame, view: View | None) -> Frame:
    """Return a frame with the id of the channel that it names; the same frame if it names none.

    Raises:
        FrameError: there is no view to look the name up in, or it does not know the name.
    """
    name = member(frame, "channel")
    if not isinstance(name, str) or not name.startswith(("#", "@")):
        return frame
    found = _id_of(name, view)
    if isinstance(frame, Mapping):
        return {**frame, "channel": found}
    if isinstance(frame, Message | Typing):
        return msgspec.structs.replace(frame, channel=found)
    return frame


def _id_of(name: str, view: View | None) -> ChannelId:
    if view is None:
        raise FrameError(
            f"channel must be an id such as C024BE91L, got the name {name!r}; "
            "a client with view=ViewOptions() looks names up"
        )
    if not view.is_loaded:
        raise FrameError(f"the view is not loaded yet, so the id of {name!r} is not known; await load_view() first")
    if name.startswith("#"):
        channel = view.channel_named(name)
        if channel is None:
            raise FrameError(f"the view knows no channel {name!r}; give its id, or ask for its kind in ViewOptions")
        return channel.id
    user = view.user_named(name)
    if user is None:
        raise FrameError(f"the view knows no user {name!r}")
    direct = next((each.id for each in view.channels() if each.is_im and each.user == user.id), None)
    if direct is None:
        raise FrameError(f"the view knows no direct conversation with {name!r}; open one with conversations.open")
    return direct
