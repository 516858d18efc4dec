"""Which contents there are, which file holds each, and which files are only copies."""

import contextlib
import logging
import os

from msgspec import Struct

from kinesis_agent.checkpoint import Counters, Mark, Tracked
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
# How long a content that no file holds is remembered, and a finished file kept open.
FORGET = 3600.0
KEEP_OPEN = 60.0

log = logging.getLogger(__name__)


class _Waiting(Struct):
    """A file that nothing was read from yet."""

    path: str
    since: float
    looked: tuple[int, int, int, bool] | None = None


class Contents:
    """The readers of a flow's files, oldest content first."""

    def __init__(
        self,
        directory: Directory,
        tracked: list[Tracked] | None,
        counters: Counters,
        from_start: bool,
    ) -> None:
        """Go on from what was tracked, or (None) start with the files that are there."""
        self._directory, self._counters = directory, counters
        self._from_start = from_start
        self.readers = [Reader(each) for each in tracked or []]
        # Whether contents were met or found elsewhere that are not saved yet.
        self.has_news = False
        self._first, self._restarted = tracked is None, True
        self._waiting: dict[Id, _Waiting] = {}
        self._present: Present = {}
        self._unreadable: set[str] = set()
        self._scans = 0

    def update(self, wall: float) -> None:
        """Take in what happened in the directories."""
        if self._directory.has_changed(wall):
            self._scan(wall)
        if self._waiting:
            # A new file may be the copy of one that was truncated just now.
            for reader in [each for each in self.readers if not each.is_intact()]:
                self.replaced(reader, wall)
            self._sort_waiting(wall)
        self._restarted = False

    def expects(self, file: Id) -> bool:
        """Whether the file is there and empty so far."""
        return file in self._waiting

    def replaced(self, reader: Reader, wall: float) -> None:
        """Follow the file's new content apart, and look for the rest of the old one."""
        tracked = reader.tracked
        log.info("%s was truncated or replaced at %d", tracked.path, reader.offset)
        fresh = Reader(Tracked(tracked.path, tracked.lane))
        fresh.tracked.device, fresh.tracked.inode = reader.id
        fresh.source, reader.source = reader.source, None
        fresh.grown = wall
        self.readers.append(fresh)
        reader.was_truncated = True
        self.has_news = True
        self._lose(reader, wall, replaced=True)
        self._scan(wall)
        if reader.missing:
            self.tell_loss(reader)

    def _scan(self, wall: float) -> None:
        self._scans += 1
        more = {os.path.dirname(reader.tracked.path) for reader in self.readers}
        self._present = self._directory.list(wall, more)
        bound = [reader for reader in self.readers if not reader.missing]
        for reader in bound:
            self._find_again(reader, wall)
        self._seek()
        for reader in bound:
            if reader.missing:
                self.tell_loss(reader)
        self._meet(wall)
        self._first = False
        self._forget(wall)

    def _find_again(self, reader: Reader, wall: float) -> None:
        """Follow a content's file to its present name, and see that it is still the same."""
        found = self._present.get(reader.id)
        reader.gone = found is None
        if found is None:
            if reader.source is None:
                self._lose(reader, wall)
            return
        path, status = found
        reader.tracked.path = path
        now = (status.st_mtime_ns, status.st_size)
        if reader.source is None and now != reader.seen and not reader.open(path):
            self._lose(reader, wall, replaced=True)

    def _seek(self) -> None:
        """Look for the contents that no file is known to hold."""
        missing = [reader for reader in self.readers if reader.missing and reader.tracked.head]
        if not missing:
            return
        taken = {reader.id for reader in self.readers}
        for file, (path, status) in self._present.items():
            if file in taken or not status.st_size:
                continue
            for reader in missing:
                look = (file, status.st_mtime_ns, status.st_size)
                if look in reader.tried or file[1] == reader.tracked.origin or not reader.missing:
                    continue
                reader.tried.add(look)
                if os.path.dirname(path) == os.path.dirname(reader.tracked.path) and (
                    reader.open(path)
                ):
                    log.info("found the rest of %s in %s", reader.tracked.lane, path)
                    self._waiting.pop(file, None)
                    break

    def _meet(self, wall: float) -> None:
        """Take note of files that were not there before."""
        known = {reader.id for reader in self.readers}
        fresh = {
            file: path
            for file, (path, _) in sorted(self._present.items(), key=lambda i: i[1][1].st_mtime_ns)
            if file not in known
            and (self._directory.wants(path) or self._directory.has_rotated(path))
        }
        for file, path in fresh.items():
            if self._first:
                self._start_with(path)
            elif file not in self._waiting:
                self._waiting[file] = _Waiting(path, wall)
            else:
                self._waiting[file].path = path
        for file in self._waiting.keys() - fresh.keys():
            del self._waiting[file]

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

    def _start_with(self, path: str) -> None:
        """Track a file that was there before the flow was."""
        source = self._open(path)
        if source is None:
            return
        try:
            status = source.stat()
            end = 0 if source.compressed else status.st_size
            if self._from_start and self._directory.wants(path) and not source.compressed:
                end = 0
            window = source.read_at(max(0, end - WINDOW), min(end, WINDOW))
            tracked = Tracked(path, live_path(path), source.read_at(0, HEAD), Mark(end, window))
        except BROKEN:
            source.close()
            return
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
        self.readers.append(reader)

    def _sort_waiting(self, wall: float) -> None:
        """Start to read the new files that have anything, unless they are copies of known ones."""
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
                look = (status.st_mtime_ns, status.st_size, self._scans, late)
                if look == waiting.looked:
                    source.close()
                    continue
                waiting.looked = look
                head = source.read_at(0, HEAD)
                original = self._original(source, file, status.st_size, head)
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
            self._add(reader)
            self.has_news = True
            del self._waiting[file]

    def _add(self, reader: Reader) -> None:
        """Put a new content where it belongs: last, or before what followed it in the same file."""
        tracked = reader.tracked
        if tracked.path != tracked.lane and not self._restarted:
            with contextlib.suppress(OSError):
                live = file_id(os.stat(tracked.lane))
                for n, each in enumerate(self.readers):
                    if each.id == live and each.source:
                        # The file that it would have been renamed from is still there: a copy.
                        tracked.origin = live[1]
                        if not each.taken:
                            self.readers.insert(n, reader)
                            return
        self.readers.append(reader)

    def _original(
        self, source: Plain | Compressed, file: Id, size: int, head: bytes
    ) -> Reader | None:
        """Return the known content that a file, as far as it goes, is the same as."""
        for reader in self.readers:
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

    def _lose(self, reader: Reader, wall: float, replaced: bool = False) -> None:
        if replaced:
            reader.tracked.origin = reader.tracked.inode
        reader.lose(wall)

    def _forget(self, wall: float) -> None:
        """Drop the contents that are long gone, and close the files that are finished with."""
        kept = []
        last = {reader.tracked.lane: reader for reader in self.readers}
        for reader in self.readers:
            tracked = reader.tracked
            if reader.missing and (wall - tracked.missing_since > FORGET or not tracked.head):
                continue
            idle = wall - reader.grown > KEEP_OPEN and not reader.pending
            if idle and reader.source and (reader is not last[tracked.lane] or reader.gone):
                status = reader.source.stat()
                if reader.seen == (status.st_mtime_ns, status.st_size):
                    reader.close()
            kept.append(reader)
        self.readers = kept

    def tell_loss(self, reader: Reader) -> None:
        """Count what nobody can read any more: there was more than was taken."""
        lost = reader.tracked.size - reader.taken
        if lost > 0:
            self._counters.lost_bytes += lost
            log.warning(
                "at least %d bytes of %s are gone, with no copy, before they could be read",
                lost,
                reader.tracked.path,
            )
            if not reader.missing:
                reader.tracked.size = reader.taken
