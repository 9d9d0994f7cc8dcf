"""The table of settings: a row for each field of a dataclass, from which everything about a setting is made.

Options, variables and TOML keys (``server.sources``, ``cli.options``), the checks of the dataclass itself and the
reference page take it from here. A dataclass gets its rows by ``field(metadata=row(...))``.
"""

from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Final

from tautwire.protocol.errors import ConfigError
from tautwire.server.values import Kind, WrongValueError

_KEY: Final = "tautwire.row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A setting."""

    name: str = ""
    """The field, and the key in a file."""
    default: Any = MISSING
    """The value if no source has one; that of the command if the field has no default."""
    group: str
    """The heading under which readers look for it."""
    kind: Kind
    help: str
    """The effect in one sentence."""
    more: str = ""
    """What the reference page says besides."""
    unset: str = ""
    """What happens without a value, if the default is None."""
    alias: str | None = None
    """A variable of another name, which counts after the setting's own."""
    is_one_time: bool = False
    """Whether it is for one start only: just an option can give it, since a file or a variable would apply to every
    start."""

    @property
    def option(self) -> str:
        """The name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return "TAUTWIRE_" + self.name.upper()

    def show(self, value: Any) -> str | int | bool | None:
        """Return a value as a TOML file has it, secrets masked; None if it is not set."""
        return None if value is None else self.kind.show(value)


def row(
    group: str,
    kind: Kind,
    help: str,  # noqa: A002 - as in typer
    *,
    more: str = "",
    unset: str = "",
    default: object = MISSING,
    alias: str | None = None,
    is_one_time: bool = False,
) -> dict[str, object]:
    """Return the metadata of a field that is a setting; see ``Row``."""
    return {
        _KEY: Row(
            group=group,
            kind=kind,
            help=help,
            more=more,
            unset=unset,
            default=default,
            alias=alias,
            is_one_time=is_one_time,
        )
    }


def rows(cls: type) -> list[Row]:
    """Return the settings of a dataclass, in its order."""
    return [
        replace(
            field.metadata[_KEY],
            name=field.name,
            default=field.metadata[_KEY].default if field.default is MISSING else field.default,
        )
        for field in fields(cls)
    ]


def check(settings: Any) -> None:
    """Check each value of an instance by itself, and bring it into its normal form. A default of None may stay.

    Raises:
        ConfigError: a value cannot be used.
    """
    for each in rows(type(settings)):
        value = getattr(settings, each.name)
        if value is None and each.default is None:
            continue
        try:
            normal = each.kind.check(value)
        except WrongValueError as wrong:
            shown = each.kind.quote(value) if each.kind.is_secret else repr(value)
            raise ConfigError(f"{each.name} {wrong}, got {shown}") from None
        object.__setattr__(settings, each.name, normal)
