"""Credentials as values that cannot be printed by accident, and the scrubbing of free text.

``Token`` is an API credential, ``Ticket`` the one-use secret in an RTM address. Code that needs the
secret calls ``reveal``, and is responsible for it from there; logs, errors and debuggers show the mask. ``redact`` is
for text of other programs, which may hold a secret anywhere.

Source: token kinds from wire/ids-and-timestamps.md#tokens (documented, those of first-party clients captured).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_SHOWN: Final = 4  # trailing characters a mask lets through
_SHORTEST_SHOWN: Final = 16  # secrets below this length show nothing: four of their characters would be too much


class TokenKind(StrEnum):
    """What a token may be used for, told by its prefix."""

    BOT = "bot"
    USER = "user"
    APP = "app"
    """Opens Socket Mode; never RTM."""

    REFRESH = "refresh"
    """Refresh and configuration tokens; never RTM."""

    WORKFLOW = "workflow"
    """Lives for minutes; never RTM."""

    SESSION = "session"
    """Of a first-party client; needs its cookie besides."""

    COOKIE = "cookie"
    """That cookie."""

    OLD = "old"
    """Of retired token schemes."""

    UNKNOWN = "unknown"


_KINDS: Final = {
    "xoxb-": TokenKind.BOT,
    "xoxp-": TokenKind.USER,
    "xoxe.xoxb-": TokenKind.BOT,
    "xoxe.xoxp-": TokenKind.USER,
    "xoxe-": TokenKind.REFRESH,
    "xapp-": TokenKind.APP,
    "xwfp-": TokenKind.WORKFLOW,
    "xoxc-": TokenKind.SESSION,
    "xoxs-": TokenKind.SESSION,
    "xoxd-": TokenKind.COOKIE,
    "xoxa-": TokenKind.OLD,
    "xoxr-": TokenKind.OLD,
    "xoxo-": TokenKind.OLD,
}


@dataclass(frozen=True, slots=True, repr=False)
class _Secret:
    """A text that shows only its mask, whichever way it is printed."""

    _text: str

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def __str__(self) -> str:
        return _mask(self._text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_mask(self._text)!r})"


class Token(_Secret):
    """An API credential, shown as ``xoxb-…1a2b``."""

    __slots__ = ()

    @property
    def kind(self) -> TokenKind:
        """What the prefix says the token is for."""
        return _KINDS.get(_prefix(self._text), TokenKind.UNKNOWN)


class Ticket(_Secret):
    """The one-use secret in the path of an RTM address, shown as ``…1a2b``."""

    __slots__ = ()


def _prefix(text: str) -> str:
    match = _PREFIX.match(text)
    return match[0] if match else ""


def _mask(text: str) -> str:
    return _prefix(text) + "…" + (text[-_SHOWN:] if len(text) >= _SHORTEST_SHOWN else "")


_PREFIX: Final = re.compile(r"(?:xoxe\.)?xox[a-z]-|xapp-|xwfp-")
_TOKEN: Final = re.compile(rf"(?:{_PREFIX.pattern})[\w%+/=.-]+", re.ASCII)
_USERINFO: Final = re.compile(r"(:\\?/\\?/)[^/\s\"'<>]*@")
_SOCKET_URL: Final = re.compile(r"(\bwss?:\\?/\\?/[^/\\?#\s\"'<>]+)[/\\?#][^\s\"'<>]*", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"((?:token|ticket|secret|password)=)[^&;,\s\"'<>]+", re.IGNORECASE)
_MEMBER: Final = re.compile(r"((?:token|ticket|secret|password)['\"]\s*:\s*['\"])[^'\"]+", re.IGNORECASE)
_BEARER: Final = re.compile(r"(\bBearer\s+)[^\s\"',;]+", re.IGNORECASE)
_HINT: Final = re.compile(r"xox|xapp-|xwfp-|:\\?/|token|ticket|secret|password|bearer|d=", re.IGNORECASE)
"""Stands in every text that one of these patterns changes: most texts are looked through once and not seven times."""
_COOKIE: Final = re.compile(r"((?<![\w.-])d=)[^;\s\"'&<>]+")


def redact(text: str) -> str:
    """Return the text with every secret in it masked.

    Masked are: tokens wherever they stand; all of a WebSocket address behind the host, because the ticket is in its
    path; user names and passwords in addresses of any scheme; parameters and JSON members whose name ends with token,
    ticket, secret or password; bearer headers; the cookie ``d``. Redacting twice changes nothing more.
    """
    if _HINT.search(text) is None:
        return text
    text = _TOKEN.sub(lambda match: _mask(match[0]), text)
    text = _USERINFO.sub(r"\1…@", text)
    text = _SOCKET_URL.sub(r"\1/…", text)
    for pattern in (_PARAMETER, _MEMBER, _BEARER, _COOKIE):
        text = pattern.sub(_hide, text)
    return text


def _hide(match: re.Match[str]) -> str:
    secret = match[0][match.end(1) - match.start() :]
    return match[0] if "…" in secret else match[1] + "…"
