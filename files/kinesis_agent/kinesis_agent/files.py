"""Files as content: what a file holds says which file it is, wherever a rotation has put it."""

import bz2
import contextlib
import ctypes
import errno
import functools
import gzip
import logging
import lzma
import os
import re
import resource
import zlib
from stat import S_ISREG
from typing import IO, Protocol

from kinesis_agent.links import follow

HEAD = 256
WINDOW = 64
# What decompression raises on a file that is not whole, or not what it seems.
BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError)
# What the system says of a file that is there and has no descriptor left for us.
SHORTAGE = (errno.EMFILE, errno.ENFILE)

_MAGIC = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
_ARCHIVES = (
    (b"PK\x03\x04", "zip"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x9d", "Z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x89LZO\0", "lzo"),
)
_TAR = (257, b"ustar")
_START = _TAR[0] + len(_TAR[1])

# app.log.1, app.log-20260131, app-2026-01-31.log, 0.log.20260131-235959; not app-2.log, nor an
# address, nor the number of a process: those may be other logs.
_DAY = r"(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\3(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[-_T]?(?:[01]\d|2[0-3])(?:[-:]?[0-5]\d){0,2}Z?)?"
_SECONDS = r"1\d{9}"
_ROTATED = re.compile(
    rf"^(?P<stem>.+?)(\.\d{{1,3}}"
    rf"|[-_.](?:{_DAY}{_TIME}(?:-{_SECONDS})?|{_SECONDS})(?:[-.]\d{{1,3}})?(?P<ext>\.[A-Za-z]+)?)$"
)
_NUMBERED = re.compile(r"\.\d{1,3}$")
_COMPRESSED = re.compile(r"\.(gz|bz2|xz)$")

Id = tuple[int, int]

log = logging.getLogger(__name__)


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


def plain_name(path: str) -> str:
    """Return the name that a compressed file had before."""
    return _COMPRESSED.sub("", path)


def is_compressed(path: str) -> bool:
    """Whether the name says so."""
    return bool(_COMPRESSED.search(path))


def is_numbered(path: str) -> bool:
    """Whether the name ends in a generation, and not in a date."""
    return bool(_NUMBERED.search(plain_name(path)))


def live_path(path: str) -> str:
    """Return live_name of the last part of a path."""
    directory, name = os.path.split(path)
    return os.path.join(directory, live_name(name))


class Descriptors:
    """How many files may be open: some descriptors are left for positions and connections."""

    def __init__(self) -> None:
        self._taken = self.refusals = 0

    @staticmethod
    def raise_limit() -> None:
        """Allow this process what it may allow itself."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def take(self, count: int) -> None:
        """Note that so many are in use; raise OSError where they are needed for other things."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if self._taken + count > limit - max(64, min(limit // 4, 1024)):
            self.refused()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._taken += count

    def refused(self) -> None:
        """Note that there are too few, and say so once."""
        self.refusals += 1
        if self.refusals == 1:
            log.error(
                "the limit of open files (LimitNOFILE) is too low: %d are open, and the others "
                "are read in turn",
                self._taken,
            )

    def give(self, count: int) -> None:
        """Note that so many are free again."""
        self._taken -= count


descriptors = Descriptors()


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
        descriptors.give(1)


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
        descriptors.give(2)


class ArchiveError(OSError):
    """The file is an archive of a kind that is not read."""


def open_source(path: str) -> Plain | Compressed:
    """Open a file for what it holds; a compressed one is told by its first bytes.

    Raise ArchiveError where it holds no lines, and PermissionError where a link on the way to it
    does not count.
    """
    descriptors.take(2)
    try:
        with follow(path) as (place, _):
            if not S_ISREG(os.fstat(place).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            fd = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        descriptors.give(2)
        if error.errno in SHORTAGE:
            descriptors.refused()
        raise
    try:
        source = _source(fd)
    except BaseException:
        os.close(fd)
        descriptors.give(2)
        raise
    if not source.compressed:
        descriptors.give(1)
    return source


def _source(fd: int) -> Plain | Compressed:
    start = os.pread(fd, _START, 0)
    _refuse_archives(start)
    for magic, opener in _MAGIC:
        if start.startswith(magic):
            source = Compressed(fd, opener(os.fdopen(os.dup(fd), "rb")))
            try:
                _refuse_archives(source.read_at(0, _START))
            except ArchiveError:
                source._stream.close()
                raise
            except BROKEN:
                pass  # not whole yet
            return source
    return Plain(fd)


def _refuse_archives(start: bytes) -> None:
    kind = next((kind for magic, kind in _ARCHIVES if start.startswith(magic)), None)
    if start.startswith(_TAR[1], _TAR[0]):
        kind = "tar"
    if kind:
        raise ArchiveError(
            errno.ENOTSUP, f"it is an archive ({kind}); of compressed files gz, bz2 and xz are read"
        )


# File systems whose times are a server's, which may change them after the fact.
_REMOTE = re.compile(r"(nfs|cifs|smb|fuse|9p|ceph|gluster|lustre|afs|virtiofs|gfs|ocfs)")


@functools.cache
def is_remote(device: int) -> bool:
    """Whether a file system is not, or not for certain, this machine's own."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for mount in mounts:
            if mount.split()[2] == wanted:
                return bool(_REMOTE.match(mount.partition(" - ")[2]))
    return False


_AT_EMPTY_PATH, _STATX_BTIME, _BIRTH = 0x1000, 0x800, 0x50
_libc = ctypes.CDLL(None)


def birth(fd: int) -> int:
    """Return when the file was made, in ns: it tells it from an earlier one with its inode.

    0 where the file system or the C library does not know.
    """
    buffer = ctypes.create_string_buffer(256)
    statx = getattr(_libc, "statx", None)
    if statx is None or statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer):
        return 0
    if not int.from_bytes(buffer[0:4], "little") & _STATX_BTIME:
        return 0
    seconds = int.from_bytes(buffer[_BIRTH : _BIRTH + 8], "little", signed=True)
    return seconds * 10**9 + int.from_bytes(buffer[_BIRTH + 8 : _BIRTH + 12], "little")
