"""The log file: only ever appended to, followed through the renames of logrotate."""

import contextlib
import logging
import os
from pathlib import Path

import msgspec

from log_generator import record
from log_generator.state import LogPosition

_LAST_BYTES = 65536

logger = logging.getLogger(__name__)


class OrderLog:
    """An open log file. It stays this file, also under another name, until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self.inode = os.fstat(self.fd).st_ino
        self.last_event_time = self._begin_on_a_line()

    def write(self, data: bytes) -> int:
        """Append as much as there is room for; how many bytes that was."""
        return os.write(self.fd, data)

    def was_renamed(self) -> bool:
        try:
            return os.stat(self.path).st_ino != self.inode
        except FileNotFoundError:
            return True

    def position(self) -> LogPosition:
        return LogPosition(self.inode, os.fstat(self.fd).st_size)

    def close(self) -> None:
        os.close(self.fd)

    def _begin_on_a_line(self) -> bytes | None:
        """The EventTime of the last line; what another program left unfinished is ended."""
        size = os.fstat(self.fd).st_size
        data = os.pread(self.fd, _LAST_BYTES, max(0, size - _LAST_BYTES))
        if data and not data.endswith(b"\n"):
            self.write(b"\n")
        lines = data.splitlines(keepends=True)
        return next(filter(None, map(record.event_time_of, reversed(lines))), None)


class Tail(msgspec.Struct):
    """What was written to a log file after a position."""

    path: Path
    lines: list[bytes]
    partial: bytes = b""


def read_tail(path: Path, position: LogPosition) -> Tail | None:
    """Find the file of the position, whatever it is called by now, and read on from there.

    None where the file is gone, or is not what it was.
    """
    for candidate in path.parent.glob(path.name + "*"):
        with contextlib.suppress(FileNotFoundError), open(candidate, "rb") as file:
            if os.fstat(file.fileno()).st_ino != position.inode:
                continue
            file.seek(max(0, position.offset - 1))
            before = file.read(1) if position.offset else b"\n"
            if before != b"\n":
                break
            *lines, partial = file.read().split(b"\n")
            return Tail(candidate, [line + b"\n" for line in lines], partial)
    logger.warning("the log file that was written last is gone or was changed; going on without it")
    return None


def append(path: Path, data: bytes) -> None:
    """Append to a file that may have been renamed, and wait until it is on the disk."""
    with open(path, "ab", buffering=0) as file:
        while data:
            data = data[file.write(data) :]
        os.fsync(file.fileno())
