"""The settings of attaching; ``tautwire gateway run`` and ``tautwire serve`` take them beside their own."""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from tautwire.protocol.errors import ConfigError
from tautwire.server.table import check, row
from tautwire.server.values import Choice, Flag, Text, Whole

By = Literal["environment", "names"]

_ATTACHING: Final = "Attaching"
WILD: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachSettings:
    """How programs that have slack.com written into them reach us.

    Raises:
        ConfigError: a value cannot be used.
    """

    attach: bool = field(
        default=False,
        metadata=row(
            _ATTACHING,
            Flag(),
            "Whether programs that have slack.com written into them are served, by a TLS front and a proxy.",
            more="It is on for a program given as CMD in any case. See [Attach old programs](../how-to/"
            "gateway/attach-old-programs.md).",
        ),
    )
    attach_by: By = field(
        default="environment",
        metadata=row(
            _ATTACHING,
            Choice(get_args(By)),
            "How the program given as CMD is led here: by its environment, or also by a hosts file of its own (Linux).",
            more="`names` is for programs on which no variable has an effect; "
            "`tautwire gateway attach --explain CMD` says which these are.",
        ),
    )
    attach_host: str = field(
        default="127.0.0.1",
        metadata=row(
            _ATTACHING,
            Text(),
            "Address on which the front and proxy for attached programs listens.",
            more="Programs on other machines get the intercepted hosts from it, and no others.",
        ),
    )
    attach_port: int = field(
        default=0,
        metadata=row(
            _ATTACHING,
            Whole(least=0, most=65_535),
            "Port of the front and proxy; 0 takes a free one, 443 is for programs that are led by a hosts file.",
        ),
    )

    def __post_init__(self) -> None:
        check(self)
        if "/" in self.attach_host or " " in self.attach_host:
            raise ConfigError(f"attach_host must be an address, got {self.attach_host!r}")

    @property
    def dialled(self) -> str:
        """The address by which programs of this machine reach the front."""
        if self.attach_host in WILD:
            return "127.0.0.1" if self.attach_host == WILD[0] else "::1"
        return self.attach_host
