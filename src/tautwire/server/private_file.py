"""Files with secrets: replaced in one step, readable by their owner only."""

import os
from pathlib import Path


def replace_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 in the place of an older one; a crash leaves the old one or the new one, whole.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)  # left by an interrupted start
    # exclusive: a link that another user puts here in the meantime is not followed
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(data)
        file.flush()
        # Before the rename: after a power loss the new name must not lead to an empty file.
        os.fsync(descriptor)
    new.replace(path)
