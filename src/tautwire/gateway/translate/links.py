"""URLs of private files as bots reach them: at the gateway, which puts the token of the app in. Pure.

An old bot fetches ``url_private`` with the token that it has, and that is the local one. So in answers and events the
URLs of files begin with the gateway's own address: ``https://files.slack.com/files-pri/T1-F1/a.png`` becomes
``http://127.0.0.1:8066/files-pri/files.slack.com/files-pri/T1-F1/a.png``. In what bots send the change is undone.

Only members that have such a URL are changed, and not texts: the quotes of a key are escaped inside a text.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec

from tautwire.server.services.files.objects import PRIVATE_PATH

_MEMBERS: Final = rb"url_private(?:_download)?|thumb_\w{1,24}|deanimate_gif|mp4(?:_low)?|hls|vtt|converted_pdf"
"""The members of a file that need a token. Source: wire/files.md#urls-and-downloads."""
_LONGEST: Final = 512
"""Bytes that a match has at most: as many are kept back at the end of a piece of an answer."""


class Links:
    """Changes the URLs of one upstream's files.

    Args:
        scheme: of these URLs.
        authorities: a regular expression for their hosts; see ``upstream.hosts.Hosts.pattern``.
        base_url: the gateway's address in events, without a slash at the end.
    """

    def __init__(self, scheme: str, authorities: bytes, base_url: str = "") -> None:
        self.base_url = base_url
        self._scheme = scheme
        self._pattern = re.compile(
            rb'("(?:%b)"\s{0,2}:\s{0,2}")%b:\\?/\\?/((?:%b))\\?/' % (_MEMBERS, scheme.encode(), authorities),
            re.IGNORECASE,
        )

    def localize(self, data: bytes, base_url: str | None = None) -> bytes:
        """Return JSON whose URLs of files are the gateway's."""
        if self._scheme.encode() not in data:
            return data
        return self._pattern.sub(self._replacement(base_url or self.base_url), data)

    def localize_member(self, value: Any, base_url: str) -> Any:
        """Return a member of an answer with the gateway's URLs; one that is not JSON yet becomes it."""
        if isinstance(value, msgspec.Raw):
            return msgspec.Raw(self.localize(bytes(value), base_url))
        if isinstance(value, dict | list) and value:
            return msgspec.Raw(self.localize(msgspec.json.encode(value), base_url))
        return value

    async def localize_stream(self, pieces: AsyncIterator[bytes], base_url: str) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of JSON with the gateway's URLs; a URL may be in two pieces."""
        replacement = self._replacement(base_url)
        kept = b""
        async for piece in pieces:
            data = kept + piece
            cut = max(0, len(data) - _LONGEST)
            for match in self._pattern.finditer(data):
                if match.start() < cut < match.end():
                    cut = match.end()
            kept = data[cut:]
            if cut:
                yield self._pattern.sub(replacement, data[:cut])
        if kept:
            yield self._pattern.sub(replacement, kept)

    def restore(self, value: Any, base_url: str) -> Any:
        """Return an argument in which the gateway's URLs are the upstream's again."""
        if isinstance(value, str):
            for base in {base_url, self.base_url} - {""}:
                if base in value:
                    value = value.replace(base + PRIVATE_PATH, self._scheme + "://")
            return value
        if isinstance(value, dict):
            return {name: self.restore(each, base_url) for name, each in value.items()}
        if isinstance(value, list):
            return [self.restore(each, base_url) for each in value]
        return value

    def _replacement(self, base_url: str) -> bytes:
        place = (base_url + PRIVATE_PATH).replace("\\", "").replace('"', "")
        return rb"\g<1>" + place.encode(errors="replace") + rb"\g<2>/"
