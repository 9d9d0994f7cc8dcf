"""Writes docs/reference/gateway-settings.md from the table of settings of ``tautwire gateway run``.

Run with ``python -m tools.gateway_settings``; with ``--check`` it writes nothing, and exits 1 if the page is old.
"""

import sys
from pathlib import Path
from typing import Final

from tautwire.cli.gateway import FILE, RUN_TABLE
from tautwire.server.sources import FILE_VARIABLE
from tools.docstrings import write_or_check
from tools.server_settings import groups

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "gateway-settings.md"

INTRODUCTION: Final = f"""# Settings of the gateway

What can be set on a gateway, and what is it by default?

Every setting of `tautwire gateway run`, with its default. This page is written by `python -m tools.gateway_settings`
from the tables of settings in `src/tautwire/gateway/config.py` and `src/tautwire/server/config.py`.

Options, variables, files and values are written as those of the [server](server-settings.md). The file is the one of
`--config FILE`, else of the variable `{FILE_VARIABLE}`, else `{FILE}` in the working directory if there is one.
`tautwire gateway run --print-config` shows what is in force and where it comes from, with secrets masked.

## Several bots

A table in the file for each bot makes a gateway of several bots:

```toml
# gateway.toml
data = "/var/lib/gateway"
pace = true

[bots.deploy]
bot_token_file = "/etc/gateway/deploy-bot.token"
app_token_file = "/etc/gateway/deploy-app.token"
programs = ["hubot", "nightly"]

[bots.oncall]
bot_token_env = "ONCALL_BOT_TOKEN"
app_token_env = "ONCALL_APP_TOKEN"
legacy_bot_messages = false
```

- A table may have every key under Upstream and Bots. What it has counts before everything else, for its bot.
- What a table lacks is that of the whole gateway: an option, a variable, a key at the top of the file, or the default.
  Tokens and `programs` are not: each bot has its own, and `SLACK_BOT_TOKEN` counts only where a table names it.
- A name has at most 31 small letters, digits and underscores. The directory of a bot is the one with its name in
  `data`. In a `database` its schema is the one of the URL (`tautwire_gateway` without `schema=`), `_` and the name.
- Bots are read at the start. At most 200 are served.
"""


def page() -> str:
    """Return the whole page."""
    return INTRODUCTION + groups(RUN_TABLE)


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: page()}, module="tools.gateway_settings", check="--check" in sys.argv[1:]))
