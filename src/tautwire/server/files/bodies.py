"""The file in the body of a request to an upload URL: raw bytes or multipart.

Source: wire/files.md#upload-in-three-steps.
"""

from collections.abc import AsyncGenerator, AsyncIterator

from tautwire.server.incoming import Multipart, Part, is_multipart


async def content(source: AsyncIterator[bytes], content_type: str) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the file in a body: all of it, or of multipart the first part with a file name.

    Raises:
        MalformedError: it is not valid multipart, or ends before its closing boundary.
    """
    if not is_multipart(content_type):
        async for data in source:
            yield data
        return
    form = Multipart(content_type)
    files = 0
    is_file = False
    async for data in source:
        for found in form.feed(data):
            if isinstance(found, Part):
                is_file = found.filename is not None and files == 0
                files += found.filename is not None
            elif is_file:
                yield found
    form.close()
