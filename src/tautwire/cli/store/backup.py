"""``tautwire backup`` and ``tautwire restore``: a workspace into one file, and back."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from tautwire.cli.options import with_options
from tautwire.cli.store.place import OPTIONS, Config, Json, ending, find_place
from tautwire.server.log.epochs import begin_epoch
from tautwire.server.store.backup import back_up
from tautwire.server.store.backup import restore as restore_backup
from tautwire.server.store.backup_file import Manifest
from tautwire.server.store.engines import open_engine

_FILE: Final = "FILE"

backup_commands = typer.Typer(add_completion=False)
restore_commands = typer.Typer(add_completion=False)


@backup_commands.command()
@with_options(OPTIONS)
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar=_FILE, help="File to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an older backup of this name.")] = False,
    config: Config = None,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Write the workspace as it is at this moment into a file; the server may be running."""
    with ending():
        place = find_place(context, config, options)
        with closing(open_engine(*place, read_only=True)) as engine:
            manifest = back_up(engine, file, force=force)
            typer.echo(_as_json(manifest, file, engine.name) if as_json else f"{engine.name}\n  is backed up to {file}")
    if not as_json:
        typer.echo(_describe(manifest, "read back and compared"))


@restore_commands.command()
@with_options(OPTIONS)
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar=_FILE, help="File that tautwire backup has written.")],
    config: Config = None,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Restore a backup into an empty data directory or an empty PostgreSQL schema."""
    with ending():
        place = find_place(context, config, options)
        manifest, name = restore_backup(file, *place, begin_epoch)
    typer.echo(_as_json(manifest, file, name) if as_json else f"{file}\n  is restored to {name}")
    if not as_json:
        typer.echo(_describe(manifest, "compared with their checksums"))


def _describe(manifest: Manifest, done: str) -> str:
    rows = sum(facts.rows for facts in manifest.tables.values())
    return (
        f"  workspace {manifest.name} ({manifest.team}), log up to {manifest.head}\n"
        f"  {rows:,} rows in {len(manifest.tables)} tables, {done}"
    )


def _as_json(manifest: Manifest, file: Path, database: str) -> str:
    return msgspec.json.encode({"file": str(file), "database": database, **msgspec.to_builtins(manifest)}).decode()
