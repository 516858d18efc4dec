"""Files as content: what a file holds says which file it is, wherever a rotation has put it."""

import bz2
import gzip
import lzma
import os
import re
import zlib
from typing import IO, Protocol

HEAD = 256
WINDOW = 64
# What decompression raises on a file that is not whole, or not what it seems.
BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError)

_MAGIC = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
# orders.log.1, orders.log-20260131, orders-2026-01-31.log; not app-2.log, which may be another log
_ROTATED = re.compile(r"^(?P<stem>.+?)(\.\d{1,5}|[.-]\d[\d.:T_-]{5,}(?P<ext>\.[A-Za-z]+)?)$")
_COMPRESSED = re.compile(r"\.(gz|bz2|xz)$")

Id = tuple[int, int]


def file_id(status: os.stat_result) -> Id:
    """Return what the system tells files apart by, while they last."""
    return (status.st_dev, status.st_ino)


def live_name(name: str) -> str:
    """Return the name that a rotated file had before a rotator gave it its number or date."""
    plain = _COMPRESSED.sub("", name)
    match = _ROTATED.match(plain)
    if match is None:
        return plain
    return match["stem"] + (match["ext"] or "")


def is_compressed(path: str) -> bool:
    """Whether the name says so."""
    return bool(_COMPRESSED.search(path))


def live_path(path: str) -> str:
    """Return live_name of the last part of a path."""
    directory, name = os.path.split(path)
    return os.path.join(directory, live_name(name))


class Source(Protocol):
    """Bytes that can be read at a place."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to size bytes from offset on; fewer only at the end."""

    def close(self) -> None:
        """Let go of the file."""


class Plain:
    """A file as it is."""

    compressed = False

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def stat(self) -> os.stat_result:
        return os.fstat(self.fd)

    def read_at(self, offset: int, size: int) -> bytes:
        return os.pread(self.fd, size, offset)

    def close(self) -> None:
        os.close(self.fd)


class Compressed:
    """What a compressed file holds; reading forwards is cheap, backwards starts anew."""

    compressed = True

    def __init__(self, fd: int, stream: IO[bytes]) -> None:
        self.fd, self._stream = fd, stream

    def stat(self) -> os.stat_result:
        return os.fstat(self.fd)

    def read_at(self, offset: int, size: int) -> bytes:
        """As Source says; raise one of BROKEN where the file is not whole (yet)."""
        self._stream.seek(offset)
        if self._stream.tell() < offset:
            return b""
        parts = []
        while size > 0 and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._stream.close()
        os.close(self.fd)


def open_source(path: str) -> Plain | Compressed:
    """Open a file for what it holds; a compressed one is told by its first bytes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        start = os.pread(fd, 6, 0)
        for magic, opener in _MAGIC:
            if start.startswith(magic):
                return Compressed(fd, opener(os.fdopen(os.dup(fd), "rb")))
    except BaseException:
        os.close(fd)
        raise
    return Plain(fd)
