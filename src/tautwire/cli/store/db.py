"""``tautwire db``: check a database, and bring its schema to the present, without serving it."""

from contextlib import closing
from typing import Any

import msgspec
import typer

from tautwire.cli.operator import group
from tautwire.cli.options import with_options
from tautwire.cli.store.place import OPTIONS, Config, Json, ending, find_place
from tautwire.server.store.check import Report
from tautwire.server.store.check import check as check_database
from tautwire.server.store.engine import StoreError
from tautwire.server.store.engines import open_engine

db_commands = group("The database of a workspace: check it, bring its schema to the present.")


@db_commands.command()
@with_options(OPTIONS)
def check(context: typer.Context, config: Config = None, as_json: Json = False, **options: Any) -> None:
    """Read the whole database and say what is wrong with it; the server may be running. Status 1 if something is."""
    with ending():
        place = find_place(context, config, options)
        with closing(open_engine(*place, read_only=True)) as engine:
            report = check_database(engine)
    typer.echo(msgspec.json.encode(report).decode() if as_json else _describe(report))
    if report.problems:
        raise typer.Exit(1)


def _describe(report: Report) -> str:
    if report.problems:
        return "\n".join([f"{report.database}: problems found", *(f"  - {problem}" for problem in report.problems)])
    kept = f"from {report.oldest} to {report.head}, without holes" if report.oldest else "empty"
    return (
        f"{report.database}: sound\n"
        f"  schema {report.schema}; {sum(report.tables.values()):,} rows in {len(report.tables)} tables; log {kept}"
    )


@db_commands.command()
@with_options(OPTIONS)
def migrate(context: typer.Context, config: Config = None, as_json: Json = False, **options: Any) -> None:
    """Bring the schema of the database to the present; no server may be running."""
    with ending():
        place = find_place(context, config, options)
        with closing(open_engine(*place, read_only=True)) as engine:
            before = engine.schema_version()
            if not before:
                raise StoreError(f"there is no workspace in {engine.name}: give another --data or --database")
        with closing(open_engine(*place)) as engine:
            after = engine.schema_version()
            name = engine.name
    if as_json:
        typer.echo(msgspec.json.encode({"database": name, "before": before, "after": after}).decode())
    elif before == after:
        typer.echo(f"{name}: the schema is at version {after} already")
    else:
        typer.echo(f"{name}: the schema was brought from version {before} to {after}")
