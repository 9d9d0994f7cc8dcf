"""The settings of a client, and the checks of their values.

One place for token, addresses, proxy and TLS, so that HTTP and WebSocket are configured alike
(``client/net/web_client``, ``client/connection/connection``). A wrong value is refused where it is given.
"""

import difflib
import inspect
import math
import os
import ssl as ssl_module
import urllib.parse
import urllib.request
import warnings
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Final, Literal, get_args

from tautwire.protocol.errors import ConfigError
from tautwire.protocol.tokens import Token
from tautwire.session.client import Timeouts
from tautwire.session.governor import Backoff
from tautwire.session.ratelimit import Rate

Offline = Literal["wait", "fail", "drop"]
"""What becomes of a frame while there is no connection but one is being made."""

SLACK_API_URL: Final = "https://slack.com/api/"

MESSAGE_RATE: Final = Rate(per_second=1.0, burst=10)
"""Messages sent by one client. Source: wire/limits.md#rate (1/s documented; the burst is recommended)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a client; times in seconds.

    Raises:
        ConfigError: one of them has a value it cannot have.
    """

    token: Token
    base_url: str = SLACK_API_URL
    proxy: str | None = field(default=None, repr=False)
    """A proxy URL for both ways; None: as the environment says."""
    ssl: ssl_module.SSLContext | None = None
    """For both ways; None: the system's certificates."""
    connect_timeout: float = 30.0
    """For ``rtm.connect``, and again for opening the socket."""
    send_timeout: float = 30.0
    """For a connection to come back before a frame that waits for it is given up."""
    offline: Offline = "wait"
    message_rate: Rate | None = MESSAGE_RATE
    """None for no limit."""
    auto_reconnect: bool = True
    timeouts: Timeouts = field(default_factory=Timeouts)
    backoff: Backoff = field(default_factory=Backoff)
    is_default_address: bool = False
    """Whether ``base_url`` is Slack's because nothing else was said."""

    def __post_init__(self) -> None:
        check_seconds("connect_timeout", self.connect_timeout)
        check_seconds("send_timeout", self.send_timeout, zero=True)
        check_choice("offline", self.offline, get_args(Offline))
        if self.message_rate is not None:
            check_rate("message_rate", self.message_rate)
        check_timeouts("timeouts", self.timeouts)
        check_backoff("backoff", self.backoff)

    @classmethod
    def of(
        cls,
        token: Token | str | None,
        base_url: str | None,
        *,
        ssl: ssl_module.SSLContext | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        **others: object,
    ) -> "Settings":
        """Fill what was not given from ``SLACK_BOT_TOKEN`` and ``SLACK_API_URL``.

        Args:
            token: see the class.
            base_url: see the class.
            ssl: see the class.
            ca_file: certificates in PEM form to trust besides the system's; instead of ``ssl``.
            others: the other fields.

        Raises:
            ConfigError: there is no token, an address or a file is not one, or another setting has a value it
                cannot have.
            TypeError: there is no setting of a name.
        """
        token = token or os.environ.get("SLACK_BOT_TOKEN") or ""
        if isinstance(token, str):
            token = Token(token.strip())
        if not isinstance(token, Token):
            raise ConfigError(f"token must be a str or a Token, got a {type(token).__name__}")
        if not token.reveal():
            raise ConfigError("no token: give token=…, or set SLACK_BOT_TOKEN")
        if ca_file is not None:
            ssl = _trusting(ca_file, ssl)
        if "patience" in others:
            _take_patience(others)
        names = [each.name for each in fields(cls) if each.name != "is_default_address"]
        for name in others:
            if name not in names:
                close = difflib.get_close_matches(name, names, 1)
                raise TypeError(f"there is no option {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        for name in ("timeouts", "backoff"):
            if others.get(name, ...) is None:
                del others[name]
        is_default = base_url is None and "SLACK_API_URL" not in os.environ
        return cls(token=token, base_url=_api_address(base_url), ssl=ssl, is_default_address=is_default, **others)  # type: ignore[arg-type]

    @property
    def address_note(self) -> str:
        """What an error says about where the address came from; "" if it was given."""
        if not self.is_default_address:
            return ""
        return f"base_url is Slack's own address, {self.base_url}, because SLACK_API_URL is not set"

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy to use for a URL: the one that was set, else what HTTP(S)_PROXY and NO_PROXY say.

        Raises:
            ConfigError: the proxy URL is not supported.
        """
        if self.proxy is not None:
            return _checked(self.proxy)
        parts = urllib.parse.urlsplit(url)
        if parts.hostname is None or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
            return None
        proxies = urllib.request.getproxies()
        return _checked(proxies.get("https" if parts.scheme in ("https", "wss") else "http"))


def _take_patience(options: dict[str, object]) -> None:
    """Put what was given by the former name of ``timeouts`` where it belongs now.

    Raises:
        ConfigError: both names are given.
    """
    given = options.pop("patience")
    if "timeouts" in options:
        raise ConfigError("give timeouts or patience, not both: patience is the former name of timeouts")
    warn_deprecated("the option patience is called timeouts now: write timeouts=Timeouts(…)")
    options["timeouts"] = given


def warn_deprecated(text: str) -> None:
    """Warn with a ``DeprecationWarning`` that points at the line of the program, whatever calls of ours lie between."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "tautwire":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, DeprecationWarning, stacklevel=level)


def _api_address(base_url: str | None) -> str:
    """Return the address of the Web API, with a slash at its end. Where none is given, the environment has it.

    An empty one is refused: it is a variable that was forgotten, and Slack's own address would get the token.
    """
    name = "base_url"
    if base_url is None:
        name, base_url = "SLACK_API_URL", os.environ.get("SLACK_API_URL", SLACK_API_URL)
    try:
        parts = urllib.parse.urlsplit(base_url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        has_credentials = "@" in parts.netloc
    except (ValueError, AttributeError, TypeError):  # its text would hold the address
        is_good = has_credentials = False
    if has_credentials:
        raise ConfigError(f"{name} must not have a user name or password in it: the token goes into token=…")
    if not is_good:
        shown = "an empty text" if base_url == "" else repr(base_url)
        raise ConfigError(
            f"{name} must be the address of the Web API, such as http://127.0.0.1:8065/api/, got {shown}; "
            f"for Slack's own give {SLACK_API_URL} or leave it out"
        )
    return base_url if base_url.endswith("/") else f"{base_url}/"


def _checked(proxy: str | None) -> str | None:
    """Return a proxy's URL in the one form that all layers below understand."""
    if not proxy:
        return None
    if "://" not in proxy:  # as curl takes it
        proxy = f"http://{proxy}"
    try:
        parts = urllib.parse.urlsplit(proxy)
        is_good = parts.scheme == "http" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # its text would hold the URL
        is_good = False
    if not is_good:
        raise ConfigError("proxy must be http://host:port or http://user:password@host:port")
    return proxy


def _trusting(ca_file: str | os.PathLike[str], ssl: ssl_module.SSLContext | None) -> ssl_module.SSLContext:
    if ssl is not None:
        raise ConfigError("give ca_file or ssl, not both: load the file into your context")
    context = ssl_module.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:  # ssl's own error is one, too
        raise ConfigError(f"ca_file: no certificates in {os.fspath(ca_file)!r}: {error.strerror or error}") from None
    return context


def check_seconds(name: str, value: object, *, zero: bool = False) -> None:
    """Check that a value is a positive number of seconds, or 0 where ``zero`` is allowed.

    Raises:
        ConfigError: it is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < 0 or (value == 0 and not zero):  # type: ignore[operator]
        wanted = "0 or a positive number of seconds" if zero else "a positive number of seconds"
        raise ConfigError(f"{name} must be {wanted}, got {value!r}")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Check that a value is one of a few words. Raises as ``check_seconds``."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_rate(name: str, value: object) -> None:
    """Check that a rate is positive. Raises as ``check_seconds``."""
    if (
        not isinstance(value, Rate)
        or not all(isinstance(each, int | float) and math.isfinite(each) for each in value)
        or value.per_second <= 0
        or value.burst < 1
    ):
        raise ConfigError(f"{name} must be a Rate with per_second above 0 and a burst of 1 or more, got {value!r}")


def check_timeouts(name: str, value: object) -> None:
    """Check the timeouts of a session: all positive, and a ping before the end. Raises as ``check_seconds``."""
    if not isinstance(value, Timeouts):
        raise ConfigError(f"{name} must be Timeouts, got {value!r}")
    for each, seconds in value._asdict().items():
        check_seconds(f"{name}.{each}", seconds)
    if value.idle >= value.silence:
        raise ConfigError(
            f"{name}.idle must be less than {name}.silence ({value.silence:g} s), got {value.idle:g} s: "
            "otherwise a quiet connection ends without a ping"
        )


def check_backoff(name: str, value: object) -> None:
    """Check that a back-off allows attempts. Raises as ``check_seconds``."""
    if not isinstance(value, Backoff):
        raise ConfigError(f"{name} must be a Backoff, got {value!r}")
    for each in ("base", "cap", "stable_after"):
        check_seconds(f"{name}.{each}", getattr(value, each), zero=True)
    check_rate(f"{name}.budget", value.budget)
