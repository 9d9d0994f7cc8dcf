"""``files.upload``, which Slack has switched off, as the three calls that replace it; and files in other calls.

The bytes go from the spool to the upload URL as they are read. No token goes with them: the URL is the secret.
Source: wire/files.md#upload-in-three-steps and #filesupload.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from tautwire.gateway.proxy.calls import Calls
from tautwire.gateway.proxy.names import Names
from tautwire.gateway.upstream.api import UpstreamError, form
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.fallback import Upload

log = logging.getLogger("tautwire.gateway.proxy")

MAX_CONTENT: Final = 1_048_576
"""Bytes of a text that is sent as ``content``. Source: wire/files.md#limits (documented)."""
LOOKS: Final = 4
PAUSE: Final = 0.5
"""How often, and after how many seconds each, a file is looked at until it is shared: that may take a moment."""
_PIECE: Final = 262_144
_SNIPPET: Final = "text"
"""The type of a snippet of which no type is given."""


class Uploads:
    """Sends files."""

    def __init__(self, calls: Calls, names: Names) -> None:
        self._calls = calls
        self._names = names

    async def upload(self, given: Mapping[str, Any], file: Upload | None) -> dict[str, Any]:
        """Return the old answer of ``files.upload``.

        Raises:
            MethodError: the upstream refuses one of the calls, or the bytes.
        """
        channels = await self._channels(given.get("channels"))
        content = given.get("content")
        filetype = str(given.get("filetype") or "")
        if file is not None:
            path = Path(file.stored)
            size = (await asyncio.to_thread(path.stat)).st_size
            name = str(given.get("filename") or file.name or given.get("title") or "file")
            id_, url = await self._reserve(name, size, "")
            await self._send(url, _read(path), size)
        elif content:
            data = str(content).encode(errors="replace")
            if len(data) > MAX_CONTENT:
                raise MethodError("post_contents_too_large")
            name = str(given.get("filename") or given.get("title") or "-")
            id_, url = await self._reserve(name, len(data), _SNIPPET if filetype in ("", "auto") else filetype)
            await self._send(url, data, len(data))
        else:
            raise MethodError("no_file_data")
        done = await self._complete(id_, str(given.get("title") or name), channels, given)
        return {"file": await self._described(id_, done, channels)}

    async def forward(self, method: str, arguments: Mapping[str, Any], file: Upload) -> Any:
        """Make a call with a file in its body."""
        path = Path(file.stored)
        body = aiohttp.FormData(form(arguments), quote_fields=False)
        body.add_field(file.field, _read(path), filename=file.name, content_type="application/octet-stream")
        return await self._calls.begin(method, arguments, body, (await asyncio.to_thread(path.stat)).st_size)

    async def _channels(self, given: Any) -> list[str]:
        """Return the ids of channels, of which old bots give names too."""
        wanted = given if isinstance(given, list) else str(given or "").split(",")
        return [await self._names.id_of(str(each).strip()) for each in wanted if str(each).strip()]

    async def _reserve(self, name: str, size: int, snippet_type: str) -> tuple[str, str]:
        arguments = {"filename": name, "length": size, **({"snippet_type": snippet_type} if snippet_type else {})}
        reply = await self._calls.whole("files.getUploadURLExternal", arguments)
        return reply.text("file_id"), reply.text("upload_url")

    async def _send(self, url: str, data: AsyncGenerator[bytes, None] | bytes, size: int) -> None:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        try:
            async with self._calls.api.open(
                "POST", url, data=data, headers=headers, has_token=False, is_long=True, size=size
            ) as response:
                status = response.status
        except UpstreamError as error:
            log.warning("a file was not taken: %s", error)
            raise MethodError("service_unavailable") from None
        if status != 200:
            log.warning("a file was not taken: HTTP status %d", status)
            raise MethodError("storage_limit_reached" if status == 507 else "upload_failed")

    async def _complete(
        self, file: str, title: str, channels: Sequence[str], given: Mapping[str, Any]
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {"files": msgspec.json.encode([{"id": file, "title": title}]).decode()}
        if len(channels) == 1:
            arguments["channel_id"] = channels[0]
        elif channels:
            arguments["channels"] = ",".join(channels)
        arguments |= {name: given[name] for name in ("initial_comment", "thread_ts") if given.get(name)}
        found = (await self._calls.whole("files.completeUploadExternal", arguments)).get("files")
        first = found[0] if isinstance(found, list) and found else {}
        return first if isinstance(first, dict) else {}

    async def _described(self, file: str, known: dict[str, Any], channels: Sequence[str]) -> dict[str, Any]:
        """Return the file as the old method did: with where it is shared, for which the upstream may need a moment."""
        found = known
        for look in range(LOOKS):
            if found.get("url_private") and (found.get("shares") or not channels):
                break
            await asyncio.sleep(PAUSE * bool(look))
            try:
                seen = (await self._calls.whole("files.info", {"file": file})).get("file")
            except MethodError:  # without files:read; the missing scope is in the log
                break
            found = seen if isinstance(seen, dict) else found
        lists = {"channels": "C", "groups": "G", "ims": "D"}
        return {
            **{name: [each for each in channels if each.startswith(letter)] for name, letter in lists.items()}, **found
        }  # fmt: skip


async def _read(path: Path) -> AsyncGenerator[bytes, None]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while data := await asyncio.to_thread(file.read, _PIECE):
            yield data
    finally:
        file.close()
