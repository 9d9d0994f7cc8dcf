"""The kinds of values that settings have: how each is checked, read from text or TOML, and shown.

A kind knows nothing of names and sources: ``WrongValueError`` says what a value must be. The callers add which setting
it is and what was found there (``server.table``, ``server.sources``).
"""

import math
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit


class WrongValueError(ValueError):
    """A value cannot be used. The text begins with "must be" and says what can."""


class Kind(ABC):
    """A kind of value."""

    word: str
    """Stands behind the name of an option: ``--drain DURATION``."""
    is_secret: bool = False
    """Whether a value may hold a password."""

    @abstractmethod
    def check(self, value: object) -> Any:
        """Return a value of a Python program in its normal form.

        Raises:
            WrongValueError: the value cannot be used.
        """

    def read(self, written: object) -> Any:
        """Return the value that was written as text (an option, a variable) or as a value of TOML.

        Raises:
            WrongValueError: it cannot be used.
        """
        return self.check(written)

    def show(self, value: Any) -> str | int | bool:
        """Return a value as a TOML file has it, secrets masked; ``read`` returns an equal value if there are none."""
        return str(value)

    def quote(self, written: object) -> str:
        """Return what was written, as an error repeats it."""
        return repr(written)


class Text(Kind):
    """A text of at least one character."""

    word = "TEXT"

    def check(self, value: object) -> str:
        """Return the text."""
        if not isinstance(value, str) or not value.isprintable() or not value.strip():
            raise WrongValueError("must be a text of at least one character")
        return value


class FilePath(Kind):
    """A path; programs may give a str."""

    word = "PATH"

    def check(self, value: object) -> Path:
        """Return the path."""
        if not isinstance(value, str | os.PathLike) or not os.fspath(value) or "\0" in str(value):
            raise WrongValueError("must be a path")
        return Path(value)


class Flag(Kind):
    """On or off."""

    word = "on|off"
    _words: Final = {"on": True, "true": True, "yes": True, "1": True,
                     "off": False, "false": False, "no": False, "0": False}  # fmt: skip

    def check(self, value: object) -> bool:
        """Return the value."""
        if not isinstance(value, bool):
            raise WrongValueError("must be True or False")
        return value

    def read(self, written: object) -> bool:
        """Return whether it is on."""
        if isinstance(written, str):
            written = self._words.get(written.strip().lower())
        if not isinstance(written, bool):
            raise WrongValueError("must be on or off")
        return written

    def show(self, value: bool) -> bool:
        """Return the value: TOML has true and false."""
        return value


class Choice(Kind):
    """One of some words."""

    def __init__(self, options: Sequence[str]) -> None:
        self.options = options
        self.word = "|".join(options)

    def check(self, value: object) -> str:
        """Return the word, as the member of an enumeration if it is one."""
        for option in self.options:
            if option == value:
                return option
        raise WrongValueError(f"must be {', '.join(self.options[:-1])} or {self.options[-1]}")


_MOST: Final = 2**31 - 1

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_LONGEST: Final = 36_500 * DAY


class Number(Kind):
    """A number between bounds: an amount in Python, with units in text."""

    def __init__(self, *, least: float, most: float) -> None:
        self.least = least
        self.most = most

    def _bounded(self, value: Any, show: Any) -> Any:
        if value < self.least:
            raise WrongValueError(f"must be at least {show(self.least)}")
        if value > self.most:
            raise WrongValueError(f"must be at most {show(self.most)}")
        return value

    @property
    def bounds(self) -> str:
        """The bounds for readers. A general one, which only keeps arithmetic from overflowing, is left out."""
        most = "" if self.most in (_MOST, _LONGEST) else f" to {self.show(self.most)}"
        return f"{self.show(self.least)}{most or ' or more'}"


class Whole(Number):
    """A whole number."""

    word = "NUMBER"

    def __init__(self, *, least: int, most: int = _MOST) -> None:
        super().__init__(least=least, most=most)

    def check(self, value: object) -> int:
        """Return the number."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise WrongValueError("must be a whole number")
        return int(self._bounded(value, str))

    def read(self, written: object) -> int:
        """Return the number."""
        if isinstance(written, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", written):
            written = int(written)
        return self.check(written)

    def show(self, value: Any) -> int:
        """Return the number."""
        return int(value)


_MEASURE: Final = re.compile(
    r"\s*([+-]?[0-9]{1,19}(?:\.[0-9]{1,40})?(?:e[+-]?[0-9]{1,3})?)\s*([a-z]*)\s*", re.IGNORECASE | re.ASCII
)

_TIMES: Final = {"ms": 0.001, "s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY}
_UNIT_NAMES: Final = {"s": "seconds", "d": "days"}


class Duration(Number):
    """A time: seconds in Python, ``30s``, ``5m``, ``7d`` in text.

    Args:
        unit: of a number without one in text: s or d.
    """

    word = "DURATION"

    def __init__(self, *, least: float, most: float = _LONGEST, unit: str = "s") -> None:
        super().__init__(least=least, most=most)
        self.unit = unit

    def check(self, value: object) -> float:
        """Return the seconds."""
        if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
            raise WrongValueError("must be a number of seconds")
        return float(self._bounded(value, lambda bound: f"{bound:g} seconds"))

    def read(self, written: object) -> float:
        """Return the seconds."""
        match = _MEASURE.fullmatch(str(written)) if isinstance(written, str | int | float) else None
        factor = _TIMES.get(match[2].lower() or self.unit) if match else None
        if match is None or factor is None:
            raise WrongValueError("must be a time such as 500ms, 30s, 5m, 12h or 7d")
        return float(self._bounded(float(match[1]) * factor, self.show))

    def show(self, value: Any) -> str:
        """Return the time in the largest unit in which it is a whole number."""
        for unit in ("d", "h", "m"):
            if value and value % _TIMES[unit] == 0:
                return f"{value / _TIMES[unit]:.0f}{unit}"
        return f"{int(value) if value == int(value) else value}s"

    def quote(self, written: object) -> str:
        """Return what was written; a number without a unit gets the one that it has."""
        has_unit = isinstance(written, bool) or not re.fullmatch(r"\s*[+-]?[0-9.]+\s*", str(written))
        return repr(written) if has_unit else f"{str(written).strip()} {_UNIT_NAMES[self.unit]}"


class Reach(Duration):
    """A time back from now, or ``all``, or ``none``: infinity and 0 in Python."""

    word = "DURATION|all|none"
    _words: Final = {"all": math.inf, "none": 0.0}

    def check(self, value: object) -> float:
        """Return the seconds."""
        return math.inf if value == math.inf else super().check(value)

    def read(self, written: object) -> float:
        """Return the seconds."""
        word = written.strip().lower() if isinstance(written, str) else ""
        try:
            return self._words[word] if word in self._words else super().read(written)
        except WrongValueError as wrong:
            raise WrongValueError(f"{wrong}, or all, or none") from None

    def show(self, value: Any) -> str:
        """Return the word, or the time."""
        return next((word for word, seconds in self._words.items() if seconds == value), None) or super().show(value)


KIB: Final = 1_024
MIB: Final = 1_024 * KIB
GIB: Final = 1_024 * MIB
_SIZES: Final = {"": 1, "b": 1, "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000, "kib": KIB, "mib": MIB, "gib": GIB}


class Size(Number):
    """An amount of memory: bytes in Python, ``64KiB``, ``1MiB`` in text."""

    word = "SIZE"

    def __init__(self, *, least: int, most: int) -> None:
        super().__init__(least=least, most=most)

    def check(self, value: object) -> int:
        """Return the bytes."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise WrongValueError("must be a whole number of bytes")
        return int(self._bounded(value, lambda bound: f"{bound} bytes"))

    def read(self, written: object) -> int:
        """Return the bytes."""
        is_number = isinstance(written, str | int | float) and not isinstance(written, bool)
        match = _MEASURE.fullmatch(str(written)) if is_number else None
        factor = _SIZES.get(match[2].lower()) if match else None
        if match is None or factor is None or not (size := float(match[1]) * factor).is_integer():
            raise WrongValueError("must be a size such as 65536, 64KiB or 1MiB")
        return int(self._bounded(int(size), self.show))

    def show(self, value: Any) -> str | int:
        """Return the size in the largest unit in which it is a whole number."""
        for name, unit in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
            if value and value % unit == 0:
                return f"{value // unit}{name}"
        return int(value)


_CHARACTERS: Final = re.compile(r"[!-~]+")
"""The characters of a URL; host names in other letters are written in punycode."""


class Url(Kind):
    """An http or https URL without query; a slash at the end is taken off."""

    word = "URL"

    def check(self, value: object) -> str:
        """Return the URL."""
        try:
            is_good = isinstance(value, str) and _CHARACTERS.fullmatch(value) is not None
            parts = urlsplit(str(value))
            is_good = is_good and parts.port != 0
        except ValueError:  # an incomplete IPv6 address, or an invalid port
            is_good = False
        if (
            not is_good
            or parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or parts.username
        ):
            raise WrongValueError("must be an http or https URL without query, such as https://chat.example.com")
        return str(value).rstrip("/")


class Networks(Kind):
    """Addresses and networks separated by commas, or ``*``; in TOML an array will do.

    Args:
        may_mix: whether ``*`` may stand beside others, since it is not everything.
    """

    word = "ADDRESSES"

    def __init__(self, *, may_mix: bool = False) -> None:
        self._may_mix = may_mix

    def check(self, value: object) -> str:
        """Return the text. uvicorn, which uses it, would ignore what is not an address without a word."""
        wanted = "must be addresses or networks such as 10.0.0.0/8, separated by commas, or *"
        if not isinstance(value, str):
            raise WrongValueError(wanted)
        for host in value.split(","):
            if value == "*" or not host.strip() or (self._may_mix and host.strip() == "*"):
                continue
            try:
                ip_network(host.strip())
            except ValueError as error:
                raise WrongValueError(f"{wanted} ({error})") from None
        return value

    def read(self, written: object) -> str:
        """Return the addresses as one text."""
        if isinstance(written, list) and all(isinstance(each, str) for each in written):
            written = ",".join(written)
        return self.check(written)


_HOST: Final = r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.%~-]*)(?::[0-9]{1,5})?"
_DATABASE: Final = re.compile(
    r"(?P<scheme>postgres(?:ql)?)://"
    r"(?:(?P<user>[^:@/?#\[\]\s]*)(?::(?P<password>[^@/?#\[\]\s]*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"(?P<path>/[^@/?#\s]*)?"
    r"(?:\?(?P<query>[^@?#\s]*))?",
    re.ASCII,
)
"""A connection URI of libpq. In user and password, characters with a meaning have to be written as %40 and the like:
where they are not, programs disagree about where the password ends."""
_SECRET_PARAMETER: Final = re.compile(r"(?:password|secret|token|_key)$", re.IGNORECASE)


class Secret(Kind):
    """A secret of a header, which is never shown."""

    word = "SECRET"
    is_secret = True
    _pattern: Final = re.compile(r"[!-~]{16,200}")

    def check(self, value: object) -> str:
        """Return the secret."""
        if not isinstance(value, str) or not self._pattern.fullmatch(value):
            raise WrongValueError("must be 16 to 200 letters, digits or signs of ASCII, without blanks")
        return value

    def show(self, value: Any) -> str:
        """Return ``…``."""
        return "…"

    def quote(self, written: object) -> str:
        """Return ``…``: a wrong secret may differ from a right one by little."""
        return "…"


class ProxyUrl(Kind):
    """The URL of an HTTP proxy. It may hold a password, which is never shown."""

    word = "URL"
    is_secret = True

    def check(self, value: object) -> str:
        """Return the URL; without a scheme, as curl takes it, it gets one."""
        url = value if isinstance(value, str) and "://" in value else f"http://{value}"
        try:
            parts = urlsplit(url)
            is_good = isinstance(value, str) and _CHARACTERS.fullmatch(url) is not None and parts.port != 0
            is_good = is_good and parts.scheme == "http" and bool(parts.hostname)
        except ValueError:
            is_good = False
        if not is_good:
            raise WrongValueError(
                "must be http://host:port or http://user:password@host:port, with special characters of the password "
                "written as %40 and the like"
            )
        return url

    def show(self, value: Any) -> str:
        """Return the URL with ``…`` for user and password."""
        before, at, host = str(value).rpartition("@")
        return f"http://…@{host}" if at and before else str(value)

    def quote(self, written: object) -> str:
        """Return ``…``: in a wrong URL a password may stand anywhere."""
        return "…"


class DatabaseUrl(Kind):
    """The URL of a PostgreSQL database. It may hold a password, which is never shown."""

    word = "URL"
    is_secret = True

    def check(self, value: object) -> str:
        """Return the URL."""
        match = _DATABASE.fullmatch(value) if isinstance(value, str) and value.isprintable() else None
        if match is None or any("=" not in each for each in (match["query"] or "=").split("&")):
            raise WrongValueError(
                "must be a URL such as postgresql://user:password@host:5432/name, "
                "with special characters of the password written as %40 and the like"
            )
        return match[0]

    def show(self, value: Any) -> str:
        """Return the URL with ``…`` for its password, and for passwords among its parameters."""
        match = _DATABASE.fullmatch(value)
        if match is None:
            return self.quote(value)
        user = match["user"] or ""
        before = "" if match["user"] is None else f"{user}{'' if match['password'] is None else ':…'}@"
        shown = f"{match['scheme']}://{before}{match['hosts']}{match['path'] or ''}"
        if match["query"] is None:
            return shown
        return f"{shown}?{'&'.join(map(_masked, match['query'].split('&')))}"

    def quote(self, written: object) -> str:
        """Return the scheme at most: in a wrong URL a password may stand anywhere."""
        match = re.match(r"[a-z][a-z0-9+]{0,15}://", written) if isinstance(written, str) else None
        return f"{match[0]}…" if match else "…"


def _masked(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    return f"{name}{equals}{'…' if _SECRET_PARAMETER.search(unquote(name)) else value}"
