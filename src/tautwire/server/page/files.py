"""The files of the web page, read once from the package. What is not among them cannot be asked for.

All are served as they are, but ``index.html``: see ``preload``. What it names has the version of the files in its
path, so browsers keep that for good: the next time they ask for ``index.html`` alone.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from tautwire.server.page.preload import STYLES, joined

INDEX: Final = "index.html"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The types of files that the page may have, by the end of their names."""


_VERSIONED: Final = re.compile(r"(v-[0-9a-f]{16})/")


class PageFile(NamedTuple):
    """A file as it is sent."""

    type: str
    etag: str
    data: bytes


class Files:
    """The files of the page by their path below ``/_page/``; the empty path is that of ``index.html``."""

    def __init__(self) -> None:
        texts = dict(_read(files("tautwire") / "page", ""))
        self._version = f"v-{sha256(repr(sorted(texts.items())).encode()).hexdigest()[:16]}"
        texts[INDEX], texts[STYLES] = joined(texts[INDEX], texts, f"{self._version}/")
        self._found = {path: _file(path, text.encode()) for path, text in texts.items()}
        self._found[""] = self._found[INDEX]

    def __iter__(self) -> Iterator[tuple[str, PageFile]]:
        return iter(self._found.items())

    def find(self, path: str) -> tuple[PageFile | None, bool]:
        """Return a file, and whether it will be the same for ever under this path.

        A page that is older than the server asks for files of another version, and gets those that there are.
        """
        version = _VERSIONED.match(path)
        if version is None:
            return self._found.get(path), False
        name = path[version.end() :]
        found = self._found.get(name) if name not in ("", INDEX) else None
        return found, version[1] == self._version


def _read(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _read(each, f"{path}{each.name}/")
        elif _end(each.name) in TYPES:
            yield path + each.name, each.read_text("utf-8")


def _file(path: str, data: bytes) -> PageFile:
    return PageFile(TYPES[_end(path)], f'"{sha256(data).hexdigest()[:32]}"', data)


def _end(name: str) -> str:
    return name[name.rfind(".") :]
