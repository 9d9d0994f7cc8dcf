"""Files that bots upload to the gateway and fetch from it."""

import json
from typing import Any

import aiohttp

from stage import Stage

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4_000
"""A megabyte that is no text."""


async def upload(stage: Stage, *, token_first: bool | None = None, data: bytes = PICTURE, **fields: str) -> Any:
    """Upload by multipart; the token is in the header, or a field before or behind the file."""
    secret = stage.gateway.local_token.reveal()
    form = aiohttp.FormData(quote_fields=False)
    if token_first:
        form.add_field("token", secret)
    form.add_field("file", data, filename="a picture.png")
    for name, value in fields.items():
        form.add_field(name, value)
    if token_first is False:
        form.add_field("token", secret)
    headers = {"Authorization": f"Bearer {secret}"} if token_first is None else {}
    async with stage.upstream.http.post(stage.gateway.api_url + "files.upload", data=form, headers=headers) as response:
        return json.loads(await response.read())


async def download(stage: Stage, url: str, token: str | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token or stage.gateway.local_token.reveal()}"}
    async with stage.upstream.http.get(url, headers=headers) as response:
        return response.status, await response.read()
