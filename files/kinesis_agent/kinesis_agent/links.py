"""Symbolic links, and which of them may lead the agent to what it reads.

Whoever may write in a log folder could make a link there to what only the agent may read. A link
counts if root, the agent's own user or the owner of what it leads to made it.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from stat import S_ISLNK

_MOST = 40
_PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def follow(path: str) -> Iterator[tuple[int, str]]:
    """Yield a descriptor (O_PATH) of what an absolute path leads to, and where that is.

    What is checked is what is opened, whatever is put in its place meanwhile. Raise PermissionError
    where a link on the way does not count.
    """
    parts = path.split("/")[::-1]
    makers: list[int] = []
    at, where = os.open("/", _PLACE), "/"
    try:
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            there = os.open(part, _PLACE, dir_fd=at)
            try:
                status = os.fstat(there)
                if not S_ISLNK(status.st_mode):
                    at, there = there, at
                    where = os.path.dirname(where) if part == ".." else os.path.join(where, part)
                    continue
                target = os.readlink("", dir_fd=there)
                if target.startswith("/"):
                    root = os.open("/", _PLACE)
                    os.close(at)
                    at, where = root, "/"
            finally:
                os.close(there)
            makers.append(status.st_uid)
            if len(makers) > _MOST:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            parts += target.split("/")[::-1]
        _check(makers, os.fstat(at).st_uid)
        yield at, where
    finally:
        os.close(at)


def _check(makers: list[int], owner: int) -> None:
    for maker in makers:
        if maker not in (0, os.geteuid(), owner):
            raise PermissionError(
                errno.EACCES,
                f"user {maker} made the link, and user {owner} owns what it leads to; "
                "a link counts if root or the owner of its target made it (chown -h)",
            )
