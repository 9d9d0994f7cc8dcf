"""What is served in place of ``index.html``: the same page, which asks for all its files at once.

Modules import modules, so a browser that finds them one by one waits for several answers in a row. The page is served
with a ``modulepreload`` for each module that its script imports, and with one style sheet in place of those that it
names. Both are read from the files, when the server starts: there is no second list, and no build step.

What is imported with ``import(…)`` is not among them: it is loaded when it is first shown.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Final

STYLES: Final = "style.css"
"""The path of the one style sheet."""

_SCRIPT: Final = re.compile(r'^ *<script type="module" src="([^"]+)"></script>\n', re.MULTILINE)
_STYLE: Final = re.compile(r'^ *<link rel="stylesheet" href="([^"]+)" />\n', re.MULTILINE)
_IMPORT: Final = re.compile(r'^(?:import|export)\b[^"\'();]*"(\.[^"]+)"', re.MULTILINE)


def joined(page: str, files: Mapping[str, str], base: str = "") -> tuple[str, str]:
    """Return the page as it is served, and the text of its style sheet.

    Args:
        page: the text of ``index.html``.
        files: the texts of the other files by their path.
        base: what stands before each path in the page.
    """
    script = _SCRIPT.search(page)
    if script is None:
        raise ValueError("index.html must have a line with its script, of type module")
    styles = "".join(files[path] for path in _STYLE.findall(page))
    links = [
        f'<link rel="stylesheet" href="{base}{STYLES}" />',
        f'<script type="module" src="{base}{script[1]}"></script>',
    ]
    links += [f'<link rel="modulepreload" href="{base}{path}" />' for path in modules(script[1], files)]
    found = "".join(f"    {each}\n" for each in links)
    return _STYLE.sub("", page[: script.start()]) + found + page[script.end() :], styles


def modules(path: str, files: Mapping[str, str]) -> list[str]:
    """Return the paths of the modules that a module needs before it runs, the nearest first."""
    found = {path: None}
    for each in (order := [path]):
        for name in _IMPORT.findall(files[each]):
            wanted = posixpath.normpath(posixpath.join(posixpath.dirname(each), name))
            if wanted not in found:
                found[wanted] = None
                order.append(wanted)
    return order[1:]
