"""Names and types of files: what a stranger sends as a name becomes one that does no harm.

Source: wire/files.md#filesupload.
"""

import mimetypes
import re
import unicodedata
from typing import Final
from urllib.parse import quote

MAX_NAME: Final = 255
"""Characters of a name or title. Source: wire/files.md#limits (uncertain)."""
UNNAMED: Final = "file"
_MAX_EXTENSION: Final = 20

PLAIN: Final = "text/plain"
BINARY: Final = "application/octet-stream"

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"),
    (b"%PDF-", "pdf"), (b"PK\x03\x04", "zip"), (b"\x1f\x8b", "gzip"), (b"OggS", "ogg"), (b"ID3", "mp3"),
)  # fmt: skip
"""The first bytes of some types."""
_CONTAINERS: Final = frozenset({"zip"})
"""Types that others are made of: of a docx the name says more than the bytes."""

_TYPES: Final = {
    "text": (PLAIN, "Plain Text"), "binary": (BINARY, "Binary"), "png": ("image/png", "PNG"),
    "jpg": ("image/jpeg", "JPEG"), "gif": ("image/gif", "GIF"), "webp": ("image/webp", "WebP"),
    "svg": ("image/svg+xml", "SVG"), "pdf": ("application/pdf", "PDF"), "zip": ("application/zip", "Zip"),
    "gzip": ("application/gzip", "Gzip"), "json": ("application/json", "JSON"), "csv": ("text/csv", "CSV"),
    "html": ("text/html", "HTML"), "markdown": ("text/markdown", "Markdown"), "xml": ("application/xml", "XML"),
    "python": ("text/x-python", "Python"), "javascript": ("text/javascript", "JavaScript/JSON"),
    "mp3": ("audio/mpeg", "MP3"), "mp4": ("video/mp4", "MPEG 4 Video"), "ogg": ("audio/ogg", "OGG Audio"),
    "shell": ("text/x-sh", "Shell"), "sql": ("text/x-sql", "SQL"), "yaml": ("text/yaml", "YAML"),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "Word Document"),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Excel Spreadsheet"),
}  # fmt: skip
"""Types with their media type, and their name for people."""
_OF_EXTENSIONS: Final = {
    "txt": "text", "log": "text", "jpeg": "jpg", "htm": "html", "md": "markdown", "py": "python", "js": "javascript",
    "sh": "shell", "yml": "yaml", "gz": "gzip",
}  # fmt: skip
_TYPE: Final = re.compile(r"[a-z0-9_+-]{1,20}", re.ASCII)


def clean_name(given: str) -> str:
    """Return the name of a file: the last part of a path, without characters that hide or reorder others."""
    last = re.split(r"[/\\]", given)[-1]
    # Controls, marks of direction and the like, surrogates: a name must look like what it is.
    kept = "".join(each for each in last if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    kept = kept.strip().strip(".") if set(kept.strip()) <= {"."} else kept.strip()
    if len(kept) > MAX_NAME:
        stem, dot, extension = kept.rpartition(".")
        tail = dot + extension if dot and len(extension) <= _MAX_EXTENSION and stem else ""
        kept = kept[: MAX_NAME - len(tail)] + tail
    return kept or UNNAMED


def clean_title(given: str, name: str) -> str:
    """Return the title of a file, which is its name if none is given."""
    kept = "".join(each for each in given if unicodedata.category(each) not in ("Cc", "Cs", "Co"))
    return kept.strip()[:MAX_NAME] or name


def name_in_url(name: str) -> str:
    """Return a name as it is in a URL: in lower case, with ``_`` in place of what is not a letter or digit.

    Source: wire/files.md#urls-and-downloads (captured).
    """
    return re.sub(r"[^a-z0-9.-]+", "_", name.lower())[-100:]


def disposition(name: str, *, is_attachment: bool) -> str:
    """Return the header Content-Disposition. Source: RFC 6266."""
    plain = re.sub(r"[^ !#-\[\]-~]", "_", name)
    kind = "attachment" if is_attachment else "inline"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def type_of(name: str, head: bytes, wanted: str = "") -> str:
    """Return the type of a file.

    Args:
        head: its first bytes.
        wanted: the type that its uploader names; it counts if it has the form of one.
    """
    if _TYPE.fullmatch(wanted) and wanted != "auto":
        return wanted
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        found = "webp"
    if found and found not in _CONTAINERS:
        return found
    _, dot, extension = name.lower().rpartition(".")
    if dot and _TYPE.fullmatch(extension):
        return _OF_EXTENSIONS.get(extension, extension)
    return found or ("text" if is_text(head) else "binary")


def media_type(filetype: str) -> str:
    """Return the media type of a type."""
    if filetype in _TYPES:
        return _TYPES[filetype][0]
    return mimetypes.types_map.get(f".{filetype}", BINARY)


def pretty_type(filetype: str) -> str:
    """Return the name of a type for people."""
    return _TYPES[filetype][1] if filetype in _TYPES else filetype.upper()


def is_text(head: bytes) -> bool:
    """Whether bytes are the beginning of a text in UTF-8."""
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # a character that is cut at the end
    return True
