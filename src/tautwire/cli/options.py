"""The options of a command, made from the table of settings, and the settings in force as they are printed."""

import inspect
import json
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer

from tautwire.server.sources import Configuration
from tautwire.server.table import Row

_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY

C = TypeVar("C", bound=Callable[..., None])


def with_options(table: list[Row]) -> Callable[[C], C]:
    """Decorate a command whose last parameter is ``**options``: it gets an option for each setting."""

    def add(command: C) -> C:
        *own, _ = inspect.signature(command, eval_str=True).parameters.values()
        parameters = [*(each.replace(kind=_KEYWORD) for each in own), *map(_option, table)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return add


def _option(row: Row) -> inspect.Parameter:
    about = f"{row.help} Default: {row.unset}." if row.unset else row.help
    if row.is_one_time:
        option = typer.Option(row.option, help=about, rich_help_panel=row.group)
        return inspect.Parameter(row.name, _KEYWORD, default=False, annotation=Annotated[bool, option])
    option = typer.Option(row.option, help=about, rich_help_panel=row.group, metavar=row.kind.word)
    shown = row.show(row.default)
    default = None if shown is None else as_text(shown)
    return inspect.Parameter(row.name, _KEYWORD, default=default, annotation=Annotated[str | None, option])


def as_text(value: str | int | bool) -> str:
    """Return a value as an option has it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def given(context: typer.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the options that stand on the command line."""
    return {name: value for name, value in options.items() if _is_given(context, name)}


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def toml(configuration: Configuration) -> str:
    """Return the settings in force as a TOML file, with the source of each in a comment; passwords are masked."""
    return "\n".join(_lines(configuration))


def _lines(configuration: Configuration) -> Iterator[str]:
    chosen = [each for each in configuration.chosen.values() if not each.row.is_one_time]
    yield f"# file: {configuration.file or 'none'}"
    for group, members in groupby(chosen, key=lambda each: each.row.group):
        yield f"\n# {group}"
        for each in members:
            shown = each.row.show(each.value)
            if shown is None:
                yield f"# {each.row.name} is not set: {each.row.unset}"
            else:
                yield f"{each.row.name} = {literal(shown)}  # {each.source}"
    for word, tables in configuration.tables.items():
        for name, table in tables.items():
            yield f"\n[{word}.{name}]"
            for each in table.values():
                yield f"{each.row.name} = {literal(each.row.kind.show(each.value))}"


def literal(value: str | int | bool) -> str:
    """Return a value as TOML writes it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def as_json(configuration: Configuration) -> str:
    """Return the settings in force as one JSON object: for each its ``value`` and ``source``; passwords are masked."""
    members = {
        name: {"value": each.row.show(each.value), "source": each.source}
        for name, each in configuration.chosen.items()
        if not each.row.is_one_time
    }
    tables = {
        word: {name: {key: each.row.show(each.value) for key, each in table.items()} for name, table in named.items()}
        for word, named in configuration.tables.items()
    }
    return msgspec.json.encode(members | tables).decode()
