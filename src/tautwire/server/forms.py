"""Forms: ``name=value`` joined by ``&``, with escapes. Read in C, since anyone may send a megabyte of escapes.

``urllib.parse.parse_qsl`` makes an object of each escape, and would hold the loop up for a third of a second.
Source: https://url.spec.whatwg.org/#urlencoded-parsing.
"""

import re
from binascii import a2b_qp
from typing import Final

MAX_LONE: Final = 1_000
"""Per cent signs that begin no escape; people type them, as in ``text=100%``."""

_LONE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def read_form(data: bytes, most: int) -> dict[str, str]:
    """Return the fields by name; of several with one name the last.

    Args:
        most: fields that there may be.

    Raises:
        ValueError: it is not UTF-8, or has too many fields or too many per cent signs that begin no escape.
    """
    data.decode()
    if data.count(b"&") >= most:
        raise ValueError(f"a form must have at most {most} fields")
    data = _LONE.sub(b"%25", data, count=MAX_LONE)
    if _LONE.search(data):
        raise ValueError(f"at most {MAX_LONE} per cent signs may begin no escape")
    fields: dict[str, str] = {}
    for field in data.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            fields[_plain(name)] = _plain(value)
    return fields


def _plain(text: bytes) -> str:
    # Escapes of MIME differ in their sign only, and C decodes those.
    return a2b_qp(text.replace(b"+", b" ").replace(b"=", b"=3D").replace(b"%", b"=")).decode(errors="replace")
