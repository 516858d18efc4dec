"""Files that others read while they are written, in folders where anything else may be."""

import errno
import os
import pwd
import stat
from pathlib import Path

_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""No link is followed, and no pipe waited for."""


def read(path: Path, most: int = 64_000_000) -> bytes:
    """What a file holds. OSError also where it is a link, no file, or larger than `most` bytes."""
    with open(os.open(path, os.O_RDONLY | _PLAIN), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "is no file", str(path))
        if len(content := file.read(most + 1)) > most:
            raise OSError(errno.EFBIG, f"is larger than {most} bytes", str(path))
    return content


def become_owner(directory: Path) -> None:
    """Where this is root, go on as the folder's owner, for good. Raises OSError.

    What stands in the folder, links as well, is the owner's to choose: root would follow them.
    """
    owner = directory.stat()
    if os.geteuid() == 0 and owner.st_uid:
        try:
            os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
        except KeyError:
            os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def replace(path: Path, content: bytes, mode: int = 0o644, durably: bool = False) -> None:
    """Replace a file as a whole: a reader, or a crash, never sees half of it. Raises OSError.

    `mode` whatever the service's umask; durably: and see it to the disk.
    """
    new = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN
    new.unlink(missing_ok=True)
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
