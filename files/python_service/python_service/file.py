"""Files that others read while they are written."""

import os
from pathlib import Path


def replace(path: Path, content: bytes, mode: int = 0o644, durably: bool = False) -> None:
    """Replace a file as a whole: a reader, or a crash, never sees half of it. Raises OSError.

    `mode` whatever the service's umask; durably: and see it to the disk.
    """
    new = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        with open(os.open(new, flags, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            if durably:
                file.flush()
                os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        # On a full disk half a file would take the room that is needed.
        new.unlink(missing_ok=True)
        raise
    if durably:
        sync(path.parent)


def sync(directory: Path) -> None:
    """See to the disk what was made, renamed or removed in a directory. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
