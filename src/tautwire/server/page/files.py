"""The files of the web page, read once from the package. What is not among them cannot be asked for."""

from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

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
    found: dict[str, PageFile] = {}
    _read(files("tautwire") / "page", "", found)
    found[""] = found["index.html"]
    return found


def _read(folder: Traversable, path: str, found: dict[str, PageFile]) -> None:
    for each in folder.iterdir():
        if each.is_dir():
            _read(each, f"{path}{each.name}/", found)
            continue
        kind = TYPES.get(each.name[each.name.rfind(".") :])
        if kind is not None:
            data = each.read_bytes()
            found[path + each.name] = PageFile(kind, f'"{sha256(data).hexdigest()[:32]}"', data)
