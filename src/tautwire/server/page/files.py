"""The files of the web page, read once from the package. What is not among them cannot be asked for.

All are served as they are, but ``index.html``: see ``preload``.
"""

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


class PageFile(NamedTuple):
    """A file as it is sent."""

    type: str
    etag: str
    data: bytes


def read_files() -> dict[str, PageFile]:
    """Return the files of the page by their path below ``/_page/``; the empty path is that of ``index.html``."""
    texts = dict(_read(files("tautwire") / "page", ""))
    texts[INDEX], texts[STYLES] = joined(texts[INDEX], texts)
    found = {path: _file(path, text.encode()) for path, text in texts.items()}
    found[""] = found[INDEX]
    return found


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
