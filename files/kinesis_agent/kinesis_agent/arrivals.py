"""New files: which of them are copies of contents that are known, and which are not.

A file is passed over, or taken for the rest of a known content, only where it is proven to be a
copy: it begins as the content does up to where that was read; its name is what a rotator makes of
the content's; it is not older; and what it would be a copy of was truncated or is gone, or the
copy's time is the original's. Else it is read: a repeat is better than a loss.
"""

import logging
import os
from collections.abc import Iterable, Iterator

from msgspec import Struct

from kinesis_agent.checkpoint import Mark, Tracked
from kinesis_agent.directory import Directory, Look, Present
from kinesis_agent.files import (
    BROKEN,
    HEAD,
    SHORTAGE,
    WINDOW,
    ArchiveError,
    Compressed,
    Id,
    Plain,
    birth,
    file_id,
    is_compressed,
    live_path,
    open_source,
    plain_name,
)
from kinesis_agent.reader import BLOCK, RETRY, Reader

# How long a file with the name of a copy, and with nothing but what another file has, may be a copy
# that is being made.
COPY_GRACE = 10.0
# How many files without anything are looked at in one poll.
LOOKS = 256
# Some file systems and rotators keep time in steps of 2 s.
COARSE = 2 * 10**9
TICK_NS = 10**7

log = logging.getLogger(__name__)


def may_be_copy(
    reader: Reader, path: str, status: Look | os.stat_result, directory: Directory
) -> bool:
    """Whether name and time are those of a copy of a content whose file was truncated or is gone.

    What the flow does not want may be one under any name in the same directory: it would not be
    read anyway.
    """
    tracked = reader.tracked
    if status.st_ino == tracked.origin or status.st_mtime_ns < tracked.mtime - COARSE:
        return False
    if not directory.wants(path) and not directory.has_rotated(path):
        return os.path.dirname(path) in (
            os.path.dirname(tracked.path),
            os.path.dirname(tracked.target),
        )
    if has_copys_name(reader, path, directory):
        # A plain one beside a file that is no more may be another log that began alike.
        return is_compressed(path) or tracked.origin != 0 or _is_same_time(status, tracked)
    return (
        status.st_dev != tracked.device
        and os.path.basename(path) == os.path.basename(tracked.path)
        and _is_same_time(status, tracked)
    )


def has_copys_name(reader: Reader, path: str, directory: Directory) -> bool:
    """Whether the name is what a rotator makes of the content's."""
    tracked = reader.tracked
    if path in (tracked.path, tracked.lane):
        return False
    live = live_path(path)
    return plain_name(path) == tracked.path or (
        live != path
        and (live in (tracked.path, tracked.target) or directory.lane(path) == tracked.lane)
    )


def _is_same_time(status: Look | os.stat_result, tracked: Tracked) -> bool:
    """Whether the file has the time of the content's, as far as its own is kept."""
    ours, theirs = tracked.mtime, status.st_mtime_ns
    return any(theirs % unit == 0 and ours // unit == theirs // unit for unit in (1, 1000, 10**9))


class _Waiting(Struct):
    """A file that nothing was read from yet."""

    path: str
    looked: tuple[int, int, int] | None = None
    # The look of what may be a copy that is being made, and since when.
    quiet: tuple[tuple[int, int], float] | None = None
    retry_at: float = 0.0


class Arrivals:
    """The files that nothing was read from yet."""

    def __init__(self, directory: Directory, from_start: bool, unit: int = 1) -> None:
        self._directory, self._from_start, self._unit = directory, from_start, unit
        self._waiting: dict[Id, _Waiting] = {}
        # The files that were there when the agent was started, and are still.
        self._old: set[Id] = set()
        self._turn: list[Id] = []
        self._unreadable: set[str] = set()
        self._scan = 0

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self._waiting

    def expects(self, file: Id) -> bool:
        """Whether the file is there and empty so far."""
        return file in self._waiting

    def forget(self, file: Id) -> None:
        """Leave the file to the content that it was found to hold."""
        self._waiting.pop(file, None)

    def meet(self, present: Present, readers: list[Reader], scan: int) -> None:
        """Take note of files that none of the readers has."""
        self._scan = scan
        self._old = {*present} if scan == 1 else self._old & present.keys()
        known = {reader.id for reader in readers}
        fresh = {
            file: path
            for file, (path, _) in sorted(present.items(), key=lambda i: i[1][1].st_mtime_ns)
            if file not in known
            and (self._directory.wants(path) or self._directory.has_rotated(path))
        }
        for file, path in fresh.items():
            if file not in self._waiting:
                self._waiting[file] = _Waiting(path)
            else:
                self._waiting[file].path = path
        for file in self._waiting.keys() - fresh.keys():
            del self._waiting[file]

    def begin(self, now: float) -> list[Reader]:
        """Return the contents of files that were there before the flow was, as they are."""
        readers = [self._started(waiting.path, now) for waiting in self._waiting.values()]
        self._waiting.clear()
        return [reader for reader in readers if reader]

    def _started(self, path: str, now: float) -> Reader | None:
        """Begin with a file; one that cannot be read now will be from where it ends now."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        try:
            source = open_source(path)
        except ArchiveError:
            return None
        except OSError:
            source = None  # the reader says so
        compressed = source.compressed if source else is_compressed(path)
        end = 0 if compressed else status.st_size
        if self._from_start and self._directory.wants(path) and not compressed:
            end = 0
        tracked = Tracked(path, self._directory.lane(path), mark=Mark(end), size=end)
        tracked.device, tracked.inode = file_id(status)
        tracked.ignored = compressed
        if source is None:
            return Reader(tracked, self._unit)
        try:
            if end:
                end = _text_end(source, end, self._unit)
            tracked.mark = Mark(end, source.read_at(max(0, end - WINDOW), min(end, WINDOW)))
            tracked.head = source.read_at(0, HEAD).rstrip(b"\0")
            reader = Reader(tracked, self._unit)
            status = reader.bind(path, source)
        except BROKEN:
            source.close()
            return None
        reader.grown = now
        if tracked.ignored:
            reader.seen = (status.st_mtime_ns, status.st_size)
            reader.close()
        return reader

    def ready(self, now: float) -> dict[Id, str]:
        """Return those that have something to read, as far as it is their turn to be looked at."""
        if not self._turn:
            self._turn = list(self._waiting)[::-1]
        found = {}
        for _ in range(min(LOOKS, len(self._turn))):
            file = self._turn.pop()
            waiting = self._waiting.get(file)
            if waiting and now >= waiting.retry_at and self._has_any(file, waiting.path):
                found[file] = waiting.path
        return found

    def settle(
        self, files: Iterable[Id], readers: list[Reader], now: float
    ) -> Iterator[tuple[Reader, bool]]:
        """Yield the contents of these, and whether they were there at the start.

        That of a copy is one of the readers.
        """
        for file in files:
            waiting = self._waiting.get(file)
            if waiting is None:
                continue
            try:
                source = self._open(waiting.path)
            except ArchiveError:
                source = None
            if source is None:
                waiting.retry_at = now + RETRY
                continue
            reader = None
            try:
                reader = self._reader(file, waiting, source, readers, now)
            except BROKEN:
                pass
            finally:
                if reader is None:
                    source.close()
            if reader:
                self._waiting.pop(file, None)
                yield reader, file in self._old

    @staticmethod
    def _has_any(file: Id, path: str) -> bool:
        try:
            status = os.stat(path)
        except OSError:
            return False
        return status.st_size > 0 and file_id(status) == file

    def _reader(
        self,
        file: Id,
        waiting: _Waiting,
        source: Plain | Compressed,
        readers: list[Reader],
        now: float,
    ) -> Reader | None:
        """Return the content of a file, a new one or one of the readers; None if that is unsure.

        The open file is the content's then.
        """
        status = source.stat()
        if file_id(status) != file:
            return None
        state = (status.st_mtime_ns, status.st_size)
        if waiting.quiet is None or waiting.quiet[0] != state:
            waiting.quiet = (state, now)
        may_be_made = now - waiting.quiet[1] < COPY_GRACE
        if (*state, self._scan) == waiting.looked and may_be_made:
            return None
        head = source.read_at(0, HEAD).rstrip(b"\0")
        if self._follows(waiting.path, head):
            return None
        for reader in readers:
            if not self._may_be_alike(reader, waiting.path) or not _begins_alike(
                reader, source, file, status.st_size, head
            ):
                continue
            if reader.missing or reader.gone:
                # Another descriptor might be refused.
                if may_be_copy(reader, waiting.path, status, self._directory) and reader.go_on(
                    waiting.path, source, now, as_copy=True
                ):
                    return reader
            elif may_be_made or reader.was_refused or self._is_kept_copy(reader, source, status):
                waiting.looked = (*state, self._scan)
                waiting.retry_at = now if may_be_made else now + RETRY
                return None
        tracked = Tracked(waiting.path, self._directory.lane(waiting.path), head)
        reader = Reader(tracked, self._unit)
        reader.bind(waiting.path, source)
        tracked.mtime = 0
        reader.grown = now
        return reader

    def _may_be_alike(self, reader: Reader, path: str) -> bool:
        return has_copys_name(reader, path, self._directory) or (
            reader.missing and os.path.basename(path) == os.path.basename(reader.tracked.path)
        )

    @staticmethod
    def _is_kept_copy(reader: Reader, source: Plain | Compressed, status: os.stat_result) -> bool:
        """Whether it is a copy that was given the time of its original, which is still there."""
        return (
            birth(source.fd) - status.st_mtime_ns > TICK_NS
            and _is_same_time(status, reader.tracked)
            and (source.compressed or status.st_size == reader.offset)
        )

    def _follows(self, path: str, head: bytes) -> bool:
        """Whether the file that this may be a copy of is waiting, too, and has to come first."""
        live = live_path(path)
        try:
            source = None if live == path else self._open(live)
        except ArchiveError:
            return False
        if source is None:
            return False
        try:
            return file_id(source.stat()) in self._waiting and source.read_at(0, len(head)) == head
        except BROKEN:
            return False
        finally:
            source.close()

    def _open(self, path: str) -> Plain | Compressed | None:
        """Return what a file holds, or None; raise ArchiveError; say once why it is not read."""
        try:
            source = open_source(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            if path not in self._unreadable and error.errno not in SHORTAGE:
                is_archive = isinstance(error, ArchiveError)
                what = "is passed over" if is_archive else "cannot be read"
                log.error("%s %s: %s", path, what, error.strerror)
                self._unreadable.add(path)
            if isinstance(error, ArchiveError):
                raise
            return None
        self._unreadable.discard(path)
        return source


def _text_end(source: Plain | Compressed, size: int, unit: int) -> int:
    """Return where a file ends but for NULs, which may yet become something else."""
    while size > 0:
        start = max(0, size - BLOCK)
        kept = len(source.read_at(start, size - start).rstrip(b"\0"))
        if kept:
            return min(size, start + kept + -(start + kept) % unit)
        size = start
    return 0


def _begins_alike(
    reader: Reader, source: Plain | Compressed, file: Id, size: int, head: bytes
) -> bool:
    """Whether a file is, as far as it goes, the same as a known content."""
    tracked = reader.tracked
    if tracked.origin == file[1]:
        return False
    if not reader.knows_head():
        return False
    shared = min(len(head), len(tracked.head))
    if head[:shared] != tracked.head[:shared] or (len(head) > shared and reader.source):
        return False
    at = reader.offset if source.compressed else min(size, reader.offset)
    window = source.read_at(max(0, at - WINDOW), min(at, WINDOW))
    if at == reader.offset:
        return window == reader.window
    if reader.source:
        return window == reader.source.read_at(max(0, at - WINDOW), min(at, WINDOW))
    return True
