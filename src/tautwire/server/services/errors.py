"""The error of a service; the Web API turns it into ``ok: false``, RTM into an error reply."""

from tautwire.protocol.errors import TautwireError


class MethodError(TautwireError):
    """A rule refuses a call.

    Args:
        code: the error string on the wire, such as ``channel_not_found``.
        members: further members of the answer, such as ``needed`` and ``provided``.
    """

    def __init__(self, code: str, **members: object) -> None:
        super().__init__(code)
        self.code = code
        self.members = members
