"""Writes docs/reference/server-settings.md from the table of settings of ``tautwire serve``.

Run with ``python -m tools.server_settings``; with ``--check`` it writes nothing and exits 1 if the page is out of date.
"""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Final

from tautwire.cli.options import as_text
from tautwire.cli.serve import TABLE
from tautwire.server.sources import DEFAULT_FILE, FILE_VARIABLE
from tautwire.server.table import Row
from tautwire.server.values import Choice, Number
from tools.docstrings import inline, write_or_check

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "server-settings.md"

INTRODUCTION: Final = f"""# Settings of the server

What can be set on a server, and what is it by default?

Every setting of `tautwire serve`, with its default. This page is written by `python -m tools.server_settings` from the
table of settings in `src/tautwire/server/config.py`.

Each setting can be written in three places:

| place | for `log_keep` |
|---|---|
| an option of the command | `--log-keep 30d` |
| an environment variable | `TAUTWIRE_LOG_KEEP=30d` |
| a key of a TOML file | `log_keep = "30d"` |

An option counts before a variable, a variable before the file, and the file before the default.
A program that embeds `Server(Settings(...))` gives the same names as arguments, times in seconds and sizes in bytes;
variables and files do not count there.

## The file

```toml
# /etc/tautwire.toml
data = "/var/lib/tautwire"
public_url = "https://chat.example.com"
forwarded_allow_ips = ["10.0.0.5"]

log_keep = "30d"
max_connections = 20_000
body_limit = "2MiB"
enforce_scopes = true
metrics = "public"
log_format = "json"
```

- The file is the one of `--config FILE`, else of the variable `{FILE_VARIABLE}`, else `{DEFAULT_FILE}` in the working
  directory if there is one. The log names it.
- All keys stand at the top, without tables. A key that is not a setting stops the start; the error names the nearest.
- Relative paths in the file begin in its directory; those of options and variables in the working directory.
- An unknown variable that begins with `TAUTWIRE_` is a warning in the log. An empty variable counts as not set.
- What Kubernetes puts into the environment for a Service called `tautwire`, such as
  `TAUTWIRE_PORT=tcp://10.96.0.7:8065`, is ignored.

## What is in force

`tautwire serve --print-config` checks all settings, prints them with the source of each, and exits.
Passwords are masked. With `--json` it is one JSON object.

```console
$ TAUTWIRE_LOG_KEEP=30d tautwire serve --port 9000 --print-config
# file: none

# Address
host = "127.0.0.1"  # default
port = 9000  # --port
...
log_keep = "30d"  # TAUTWIRE_LOG_KEEP
...
```

A wrong value ends the command with status 2 and one line:

```text
tautwire: /etc/tautwire.toml: log_keep must be at least 1h, got '30m'
```

## How values are written

| value | examples |
|---|---|
| a duration | `500ms`, `30s`, `5m`, `12h`, `7d`; a number alone is seconds, of `log_keep` days |
| a size | `65536`, `64KiB`, `1MiB`, `1MB`; a number alone is bytes |
| on or off | `on`, `off`; also `true`, `false`, `yes`, `no`, `1`, `0`; in TOML `true` and `false` too |
| addresses | `10.0.0.5,10.1.0.0/16`, `*`; in TOML also an array |
"""

ONE_TIME: Final = """
## Options of one start

These are options only: in a file or in the environment they would apply to every start.

| option | meaning |
|---|---|
"""


def _row(row: Row) -> str:
    kind = row.kind
    about = [
        row.help,
        f"One of ``{kind.word}``." if isinstance(kind, Choice) else "",
        f"{kind.bounds}." if isinstance(kind, Number) else "",
        row.more,
        f"Also the variable ``{row.alias}``, which counts after its own." if row.alias else "",
    ]
    return f"| `{row.name}` | `{row.variable}` | {_default(row)} | {inline(' '.join(filter(None, about)))} |\n"


def _default(row: Row) -> str:
    shown = row.show(row.default)
    return row.unset if shown is None else f"`{as_text(shown)}`"


def groups(table: Iterable[Row]) -> str:
    """Return a heading and a table for each group of settings."""
    text = ""
    for group, members in groupby(table, key=lambda row: row.group):
        text += f"\n## {group}\n\n| key | variable | default | meaning |\n|---|---|---|---|\n"
        text += "".join(map(_row, members))
    return text


def page() -> str:
    """Return the whole page."""
    text = INTRODUCTION + groups(row for row in TABLE if not row.is_one_time)
    one_time = "".join(f"| `{row.option}` | {inline(f'{row.help} {row.more}')} |\n" for row in TABLE if row.is_one_time)
    return text + ONE_TIME + one_time


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: page()}, module="tools.server_settings", check="--check" in sys.argv[1:]))
