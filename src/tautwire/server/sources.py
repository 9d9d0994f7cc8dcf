"""The places where settings are written: options of a command, environment variables, a TOML file, defaults.

An option counts before a variable, a variable before the file, the file before the default. Every written value is
checked, also one that another overrides, and an error names the place where it stands.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from tautwire.protocol.errors import ConfigError
from tautwire.server.table import Row, rows
from tautwire.server.values import FilePath, WrongValueError

DEFAULT_FILE: Final = Path("tautwire.toml")
PREFIX: Final = "TAUTWIRE_"
FILE_VARIABLE: Final = PREFIX + "CONFIG"

_OF_KUBERNETES: Final = re.compile(PREFIX + r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_\w+)")
_ADDRESS_OF_KUBERNETES: Final = re.compile(r"(?:tcp|udp|sctp)://")
"""Variables that Kubernetes gives to every pod beside a Service called tautwire. One of them is TAUTWIRE_PORT."""

_SEE_ALL: Final = "; tautwire serve --print-config shows all settings"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The value of a setting, and where it is written: an option, a variable, the path of a file, or ``default``."""

    row: Row
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force."""

    chosen: Mapping[str, Chosen]
    file: Path | None
    unknown_variables: Sequence[str]
    """A sentence for each variable that is named like a setting and is not one. It may belong to another program."""
    tables: Mapping[str, Mapping[str, Mapping[str, Chosen]]] = field(default_factory=dict)
    """What named tables of the file have: ``tables["bots"]["deploy"]`` is what ``[bots.deploy]`` sets."""

    def make(self, cls: type[T]) -> T:
        """Return an instance of a class of settings, all of whose rows were read.

        Raises:
            ConfigError: the values do not go together.
        """
        return cls(**{row.name: self.chosen[row.name].value for row in rows(cls)})


@dataclass(frozen=True, slots=True)
class _Place:
    source: str
    label: str
    """How an error names it."""
    written: object
    directory: Path | None = None
    """Where relative paths begin, if not in the working directory."""


def read_settings(
    table: Sequence[Row],
    options: Mapping[str, object],
    environment: Mapping[str, str],
    file: Path | None = None,
    default_file: Path = DEFAULT_FILE,
    tables: Mapping[str, Sequence[Row]] = MappingProxyType({}),
) -> Configuration:
    """Return the value of each row.

    Args:
        table: all settings that a file may have.
        options: what was written on the command line, by the name of the row: text, or True for a switch.
        file: what ``--config`` names. None: what the variable ``TAUTWIRE_CONFIG`` names, else ``default_file`` in the
            working directory if there is one.
        tables: the named tables that a file may have, by the word before their names, such as ``bots`` for
            ``[bots.deploy]``, with the settings of each.

    Raises:
        ConfigError: a value cannot be used, the file cannot be read, or it has a key that is not a setting.
    """
    environment = {name: text for name, text in environment.items() if text and not _is_of_kubernetes(name, text)}
    file = _find_file(file, environment, default_file)
    written = {} if file is None else _read_file(file)
    named = {
        word: _read_tables(file, word, written.pop(word), inner)
        for word, inner in tables.items()
        if file is not None and word in written
    }
    for key, value in written.items():
        _check_key(str(file), key, value, table, tables)
    chosen = {}
    for row in table:
        found = [
            Chosen(row, _read(row, place), place.source) for place in _places(row, options, environment, file, written)
        ]
        chosen[row.name] = found[0] if found else Chosen(row, row.default, "default")
    return Configuration(chosen, file, list(_unknown(environment, table)), named)


def _is_of_kubernetes(name: str, text: str) -> bool:
    return bool(_OF_KUBERNETES.fullmatch(name) or (name.startswith(PREFIX) and _ADDRESS_OF_KUBERNETES.match(text)))


def _find_file(file: Path | None, environment: Mapping[str, str], default_file: Path) -> Path | None:
    if file is None and FILE_VARIABLE in environment:
        file = Path(environment[FILE_VARIABLE])
    if file is None and default_file.exists():
        file = default_file
    return file


def _read_file(file: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file}: the settings cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: the file is not text in UTF-8; write it again as TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: the file is not TOML: {error}") from None


def _read_tables(file: Path, word: str, written: object, table: Sequence[Row]) -> dict[str, dict[str, Chosen]]:
    """Return what the named tables behind a word have written."""
    if not isinstance(written, dict) or not all(isinstance(each, dict) for each in written.values()):
        raise ConfigError(f"{file}: {word} must have tables, each with a name: [{word}.NAME]")
    found: dict[str, dict[str, Chosen]] = {}
    for name, settings in written.items():
        label = f"{file}: [{word}.{name}]"
        for key, value in settings.items():
            _check_key(label, key, value, table, {})
        found[name] = {
            row.name: Chosen(
                row, _read(row, _Place(label, f"{label}: {row.name}", settings[row.name], file.parent)), label
            )
            for row in table
            if row.name in settings
        }
    return found


def _check_key(file: str, key: str, value: object, table: Sequence[Row], tables: Iterable[str]) -> None:
    """Refuse a key that sets nothing."""
    row = next((row for row in table if row.name == key), None)
    if isinstance(value, dict):
        allowed = "".join(f", or in tables [{word}.NAME]" for word in tables) or ", without a table"
        raise ConfigError(f"{file}: there is no table {key!r}: settings stand at the top of the file{allowed}")
    if row is None:
        close = _nearest(key, table)
        advice = f"; did you mean {close.name}?" if close else _SEE_ALL
        raise ConfigError(f"{file}: there is no key {key!r}{advice}")
    if row.is_one_time:
        raise ConfigError(f"{file}: {key} is for one start only: take it out of the file, and give {row.option}")


def _places(
    row: Row,
    options: Mapping[str, object],
    environment: Mapping[str, str],
    file: Path | None,
    written: Mapping[str, object],
) -> Iterator[_Place]:
    if row.name in options:
        yield _Place(row.option, row.option, options[row.name])
    if row.is_one_time:
        return
    for variable in filter(None, (row.variable, row.alias)):
        if variable in environment:
            yield _Place(variable, variable, environment[variable])
    if file is not None and row.name in written:
        yield _Place(str(file), f"{file}: {row.name}", written[row.name], file.parent)


def _read(row: Row, place: _Place) -> Any:
    try:
        value = row.kind.read(place.written)
    except WrongValueError as wrong:
        raise ConfigError(f"{place.label} {wrong}, got {row.kind.quote(place.written)}") from None
    if place.directory is not None and isinstance(row.kind, FilePath):
        value = place.directory / value
    return value


def _unknown(environment: Mapping[str, str], table: Sequence[Row]) -> Iterator[str]:
    rows_by_variable = {row.variable: row for row in table}
    for name in environment:
        row = rows_by_variable.get(name)
        if row is not None and row.is_one_time:
            yield f"the environment variable {name} has no effect: give {row.option} for the start that needs it"
        elif row is None and name.startswith(PREFIX) and name != FILE_VARIABLE:
            close = _nearest(name.removeprefix(PREFIX), table)
            advice = f"; did you mean {close.variable}?" if close else _SEE_ALL
            yield f"the environment variable {name} is not a setting{advice}"


def _nearest(name: str, table: Sequence[Row]) -> Row | None:
    """Return the setting whose name is most like this one."""
    import difflib

    names = {row.name: row for row in table if not row.is_one_time}
    close = difflib.get_close_matches(name.lower().replace("-", "_"), names, 1, cutoff=0.7)
    return names[close[0]] if close else None
