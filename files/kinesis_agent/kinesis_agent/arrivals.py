"""New files: which of them are copies of contents that are known, and which are not."""

import logging
from collections.abc import Iterator

from msgspec import Struct

from kinesis_agent.checkpoint import Mark, Tracked
from kinesis_agent.directory import Directory, Present
from kinesis_agent.files import (
    BROKEN,
    HEAD,
    WINDOW,
    Compressed,
    Id,
    Plain,
    file_id,
    live_path,
    open_source,
)
from kinesis_agent.reader import Reader

# How long a file that starts like another, and is short, may be the beginning of its copy.
COPY_GRACE = 3.0

log = logging.getLogger(__name__)


class _Waiting(Struct):
    """A file that nothing was read from yet."""

    path: str
    since: float
    looked: tuple[int, int, int, bool] | None = None


class Arrivals:
    """The files that nothing was read from yet."""

    def __init__(self, directory: Directory, from_start: bool) -> None:
        self._directory, self._from_start = directory, from_start
        self._waiting: dict[Id, _Waiting] = {}
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

    def meet(self, present: Present, readers: list[Reader], scan: int, wall: float) -> None:
        """Take note of files that none of the readers has."""
        self._scan = scan
        known = {reader.id for reader in readers}
        fresh = {
            file: path
            for file, (path, _) in sorted(present.items(), key=lambda i: i[1][1].st_mtime_ns)
            if file not in known
            and (self._directory.wants(path) or self._directory.has_rotated(path))
        }
        for file, path in fresh.items():
            if file not in self._waiting:
                self._waiting[file] = _Waiting(path, wall)
            else:
                self._waiting[file].path = path
        for file in self._waiting.keys() - fresh.keys():
            del self._waiting[file]

    def begin(self) -> list[Reader]:
        """Return the contents of files that were there before the flow was, as they are."""
        readers = [self._started(waiting.path) for waiting in self._waiting.values()]
        self._waiting.clear()
        return [reader for reader in readers if reader]

    def _started(self, path: str) -> Reader | None:
        source = self._open(path)
        if source is None:
            return None
        try:
            status = source.stat()
            end = 0 if source.compressed else status.st_size
            if self._from_start and self._directory.wants(path) and not source.compressed:
                end = 0
            window = source.read_at(max(0, end - WINDOW), min(end, WINDOW))
            tracked = Tracked(path, live_path(path), source.read_at(0, HEAD), Mark(end, window))
        except BROKEN:
            source.close()
            return None
        tracked.device, tracked.inode = file_id(status)
        tracked.ignored = source.compressed
        tracked.size = end
        reader = Reader(tracked)
        reader.grown = status.st_mtime
        if tracked.ignored:
            source.close()
            reader.seen = (status.st_mtime_ns, status.st_size)
        else:
            reader.source = source
        return reader

    def settle(self, readers: list[Reader], wall: float) -> Iterator[Reader]:
        """Yield the contents of those that have any, unless they are copies of known ones."""
        for file, waiting in list(self._waiting.items()):
            source = self._open(waiting.path)
            if source is None:
                continue
            try:
                status = source.stat()
                if file_id(status) != file or not status.st_size:
                    source.close()
                    continue
                late = wall - waiting.since >= COPY_GRACE
                look = (status.st_mtime_ns, status.st_size, self._scan, late)
                if look == waiting.looked:
                    source.close()
                    continue
                head = source.read_at(0, HEAD)
                if self._follows(waiting.path, head):
                    source.close()
                    continue
                waiting.looked = look
                original = _original(readers, source, file, status.st_size, head)
            except BROKEN:
                source.close()
                continue
            if original and (original.missing or original.gone):
                source.close()
                if original.open(waiting.path):
                    del self._waiting[file]
                continue
            if original and (len(head) == HEAD or not late):
                source.close()
                continue
            tracked = Tracked(waiting.path, live_path(waiting.path), head)
            tracked.device, tracked.inode = file
            reader = Reader(tracked)
            reader.source, reader.grown = source, status.st_mtime
            del self._waiting[file]
            yield reader

    def _follows(self, path: str, head: bytes) -> bool:
        """Whether the file that this may be a copy of is waiting, too, and has to come first."""
        live = live_path(path)
        source = None if live == path else self._open(live)
        if source is None:
            return False
        try:
            return file_id(source.stat()) in self._waiting and source.read_at(0, len(head)) == head
        except BROKEN:
            return False
        finally:
            source.close()

    def _open(self, path: str) -> Plain | Compressed | None:
        try:
            source = open_source(path)
        except OSError as error:
            if path not in self._unreadable and not isinstance(error, FileNotFoundError):
                log.error("%s cannot be read: %s", path, error.strerror)
                self._unreadable.add(path)
            return None
        self._unreadable.discard(path)
        return source


def _original(
    readers: list[Reader], source: Plain | Compressed, file: Id, size: int, head: bytes
) -> Reader | None:
    """Return the known content that a file, as far as it goes, is the same as."""
    for reader in readers:
        tracked = reader.tracked
        if tracked.origin == file[1] or not reader.knows_head():
            continue
        shared = min(len(head), len(tracked.head))
        if head[:shared] != tracked.head[:shared] or len(head) > shared:
            continue
        at = reader.offset if source.compressed else min(size, reader.offset)
        window = source.read_at(max(0, at - WINDOW), min(at, WINDOW))
        if at == reader.offset:
            same = window == reader.window
        elif reader.source:
            same = window == reader.source.read_at(max(0, at - WINDOW), min(at, WINDOW))
        else:
            same = True
        if same:
            return reader
    return None
