"""Writes docs/reference/client-settings.md from the options of the client and the classes of their values.

Run with ``python -m tools.client_settings``; with ``--check`` it writes nothing and exits 1 if the page is out of date.
"""

import inspect
import re
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Final

from tautwire import Backfill, Backoff, Rate, RTMClient, Timeouts, ViewOptions
from tautwire.client.rtm_client import ClientOptions
from tautwire.client.settings import MESSAGE_RATE, Settings
from tools.docstrings import attributes, inline, write_or_check

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "client-settings.md"

INTRODUCTION: Final = """# Settings of the client

What can be set on a client, and what is it by default?

Every option of `RTMClient` and `BlockingRTMClient`, with its default, and the fields of the values they take.
This page is written by `python -m tools.client_settings`: change the classes, not the page.

```python
from tautwire import Backoff, Timeouts, Rate, RTMClient

client = RTMClient(
    "xoxb-token",
    "http://127.0.0.1:8065/api/",
    timeouts=Timeouts(idle=5.0, silence=15.0),
    backoff=Backoff(cap=20.0),
    message_rate=Rate(per_second=20.0, burst=40),
)
```

A value that cannot work is a `ConfigError` when the client is made. Times are in seconds.

## Options

| option | type | default | meaning |
|---|---|---|---|
| `token` | `Token \\| str \\| None` | `SLACK_BOT_TOKEN` | {token} |
| `base_url` | `str \\| None` | `SLACK_API_URL`, else Slack's | {base_url} |
"""

CLASSES: Final = (Timeouts, Backoff, Rate, Backfill, ViewOptions)


def described() -> dict[str, str]:
    """Return what the docstring of the client says about each option."""
    text = inspect.getdoc(RTMClient) or ""
    found = re.findall(r"^ +(?:- ``)?(\w+)(?:``)?: (.*?)(?=^ +- ``|^ {4}\w+: |^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: inline(about) for name, about in found}


def default(name: str) -> str:
    """Return the default of an option as a reader writes it."""
    for field in fields(Settings):
        if field.name == name and field.default_factory is not MISSING:
            return f"{getattr(field.default_factory, '__name__', name)}()"
        if field.name == name:
            value = field.default
            return f"Rate({value.per_second:g}, {value.burst})" if value is MESSAGE_RATE else repr(value)
    return "None"


def options() -> str:
    """Return the rows of the options."""
    about = described()
    kinds = {name: kind for name, kind, *_ in attributes(ClientOptions)}
    if lacking := kinds.keys() - about.keys():
        raise SystemExit(f"the docstring of RTMClient says nothing of {', '.join(sorted(lacking))}")
    rows = [f"| `{name}` | `{inline(kind)}` | `{default(name)}` | {about[name]} |" for name, kind in kinds.items()]
    return INTRODUCTION.format_map(about) + "\n".join(rows) + "\n"


def table(cls: type) -> str:
    """Return the section of a class of values, whose fields are described one by one or under ``Args:``."""
    summary, _, rest = (inspect.getdoc(cls) or "").partition("Args:\n")
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |^\S|\Z)", rest, re.MULTILINE | re.DOTALL)
    about = dict(entries)
    rows = [
        f"| `{name}` | `{inline(kind)}` | {_default(cls, value)} | {_meaning(text or about[name])} |"
        for name, kind, value, text in attributes(cls)
    ]
    head = f"\n## {cls.__name__}\n\n{_meaning(summary)}\n\n"
    return head + "| field | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _default(cls: type, source: str) -> str:
    if source.isupper():  # a constant says nothing to a reader
        source = repr(getattr(sys.modules[cls.__module__], source))
    return f"`{inline(source)}`" if source else ""


def _meaning(text: str) -> str:
    return inline(text).partition(" Source: ")[0]


def page() -> str:
    """Return the whole page."""
    return options() + "".join(map(table, CLASSES))


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: page()}, module="tools.client_settings", check="--check" in sys.argv[1:]))
