"""The errors of services: what a door answers for them is here too, if it is the same at several doors."""

from collections.abc import Mapping

from tautwire.protocol.errors import TautwireError


class MethodError(TautwireError):
    """A rule refuses a call; the Web API turns it into ``ok: false``, RTM into an error reply.

    Args:
        code: the error string on the wire, such as ``channel_not_found``.
        members: further members of the answer, such as ``needed`` and ``provided``.
    """

    def __init__(self, code: str, **members: object) -> None:
        super().__init__(code)
        self.code = code
        self.members = members


class Failure(Exception):  # noqa: N818 - an answer
    """The answer to a request of the control API, or of the page, that is not carried out.

    Args:
        status: of HTTP.
        code: what a program compares.
        message: what is wrong and what to do.
        headers: further headers.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] = {}) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = {"error": {"code": code, "message": message}}
