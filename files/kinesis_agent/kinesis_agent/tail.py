"""Follows the files of one flow through their rotations, and hands out what they hold.

A content, not a name or an inode, is what is followed: where a rotation copies, renames, compresses
or truncates a file, the rest of its content is looked for in the same directory. Contents of one
log are read one after the other, oldest first, and logs in turn.
"""

import contextlib
import fnmatch
import glob
import logging
import os
from collections import deque
from stat import S_ISREG

from msgspec import Struct

from kinesis_agent.checkpoint import Mark, Tracked
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
from kinesis_agent.frame import Framer
from kinesis_agent.reader import GRACE, SETTLE, TICK, Reader, Replaced

# How long a file that starts like another, and is short, may be the beginning of its copy.
COPY_GRACE = 3.0
# How long a content that no file holds is remembered, and a finished file kept open.
FORGET = 3600.0
KEEP_OPEN = 60.0

log = logging.getLogger(__name__)


class Piece(Struct):
    """Whole records, and where in which content they end; or a part of a line that is too long."""

    reader: Reader
    data: bytes
    start: int
    marks: list[tuple[Reader, Mark]]
    oversize: bool = False


class _Waiting(Struct):
    """A file that nothing was read from yet."""

    path: str
    since: float
    looked: tuple[int, int, int, bool] | None = None


class Tailer:
    """The files of one pattern."""

    def __init__(
        self,
        pattern: str,
        framer: Framer,
        tracked: list[Tracked] | None,
        from_start: bool,
        longest: int,
        refresh: float = 10.0,
        header_lines: int = 0,
    ) -> None:
        """Go on from what was tracked, or (None) start with the files that are there."""
        self._directory, self._name = os.path.split(os.path.abspath(pattern))
        self._framer, self._longest, self._refresh = framer, longest, refresh
        self._header_lines = header_lines
        self._first, self._from_start = tracked is None, from_start
        self.readers = [Reader(each) for each in tracked or []]
        self.lost_bytes = 0
        # Whether contents were met or found elsewhere that are not saved yet.
        self.has_news = False
        self._waiting: dict[Id, _Waiting] = {}
        self._present: dict[Id, tuple[str, os.stat_result]] = {}
        self._directories: dict[str, int] = {}
        self._scanned = 0.0
        self._changes = 0
        self._lanes: deque[list[Reader]] = deque()
        self._restarted = True

    # --- What is there -------------------------------------------------------------------------

    def poll(self, wall: float) -> None:
        """Look at what has changed in the directories; then next() hands out what can be read."""
        if self._directories_changed(wall):
            self._scan(wall)
        if self._waiting:
            # A new file may be the copy of one that was truncated just now.
            for reader in [each for each in self.readers if not each.is_intact()]:
                self._replaced(reader, wall)
            self._sort_waiting(wall)
        self._restarted = False
        lanes: dict[str, list[Reader]] = {}
        for reader in self.readers:
            lanes.setdefault(reader.tracked.lane, []).append(reader)
        turn = {id(lane[0]): n for n, lane in enumerate(self._lanes) if lane}
        self._lanes = deque(
            sorted(
                (lane for lane in lanes.values() if any(r.source or r.pending for r in lane)),
                key=lambda lane: turn.get(id(lane[0]), -1),
            )
        )

    def poll_deleted(self) -> None:
        """Let next() hand out only what nobody can read after us: files that have no name."""
        self._lanes = deque([each] for each in self.readers if each.gone and each.source)

    def _directories_changed(self, wall: float) -> bool:
        if not 0 <= wall - self._scanned < self._refresh:
            return True
        return any(_changed(path) != when for path, when in self._directories.items())

    def _scan(self, wall: float) -> None:
        self._scanned = wall
        self._changes += 1
        paths = set(glob.glob(self._directory, recursive=True))
        paths |= {os.path.dirname(reader.tracked.path) for reader in self.readers}
        # What changed just now may change again within the same tick of the file system's clock.
        recent = int((wall - TICK) * 1e9)
        self._directories = {
            path: when if (when := _changed(path)) < recent else -2 for path in paths
        }
        self._present = {}
        for path in sorted(paths):
            self._list(path)
        bound = [reader for reader in self.readers if not reader.missing]
        for reader in bound:
            self._find_again(reader, wall)
        self._seek()
        for reader in bound:
            if reader.missing:
                self._tell_loss(reader)
        self._meet(wall)
        self._first = False
        self._forget(wall)

    def _list(self, directory: str) -> None:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            return
        for name in names:
            path = os.path.join(directory, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            if S_ISREG(status.st_mode):
                known = self._present.get(file_id(status))
                if known is None or not self._wanted(known[0]):
                    self._present[file_id(status)] = (path, status)

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
            if file not in known and (self._wanted(path) or self._rotated(path))
        }
        for file, path in fresh.items():
            if self._first:
                self._start_with(path, wall)
            elif file not in self._waiting:
                self._waiting[file] = _Waiting(path, wall)
            else:
                self._waiting[file].path = path
        for file in self._waiting.keys() - fresh.keys():
            del self._waiting[file]

    def _start_with(self, path: str, wall: float) -> None:
        """Track a file that was there before the flow was."""
        try:
            source = open_source(path)
        except OSError:
            return
        try:
            status = source.stat()
            end = 0 if source.compressed else status.st_size
            if self._from_start and self._wanted(path) and not source.compressed:
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
        reader.grown, reader.level_at = status.st_mtime, wall
        if tracked.ignored:
            source.close()
            reader.seen = (status.st_mtime_ns, status.st_size)
        else:
            reader.source = source
        self.readers.append(reader)

    def _sort_waiting(self, wall: float) -> None:
        """Start to read the new files that have anything, unless they are copies of known ones."""
        for file, waiting in list(self._waiting.items()):
            try:
                source = open_source(waiting.path)
            except OSError:
                continue
            try:
                status = source.stat()
                if file_id(status) != file or not status.st_size:
                    source.close()
                    continue
                late = wall - waiting.since >= COPY_GRACE
                look = (status.st_mtime_ns, status.st_size, self._changes, late)
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
            reader.source, reader.grown, reader.level_at = source, status.st_mtime, wall
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

    def _wanted(self, path: str) -> bool:
        directory, name = os.path.split(path)
        if name.startswith(".") and not self._name.startswith("."):
            return False
        return fnmatch.fnmatchcase(name, self._name) and (
            directory == self._directory or bool(glob.has_magic(self._directory))
        )

    def _rotated(self, path: str) -> bool:
        """Whether the name is what a rotator makes of one of the pattern."""
        live = live_path(path)
        return live != path and self._wanted(live)

    # --- What they hold ------------------------------------------------------------------------

    def next(self, wall: float) -> Piece | None:
        """Return whole records that were not handed out yet; None where there are none now."""
        while self._lanes:
            piece = self._next_of(self._lanes[0], wall)
            if piece:
                self._lanes.rotate(-1)
                return piece
            self._lanes.popleft()
        return None

    def _next_of(self, lane: list[Reader], wall: float) -> Piece | None:
        before: Reader | None = None
        for n, reader in enumerate(lane):
            more = True
            while more:
                try:
                    more = reader.fill(wall)
                except Replaced:
                    self._replaced(reader, wall)
                    more = False
                piece = self._take(before, reader, wall, at_end=not more, following=lane[n + 1 :])
                if piece:
                    return piece
            before = reader if self._goes_on(reader, lane[n + 1 :]) else None
        return None

    def _goes_on(self, reader: Reader, following: list[Reader]) -> bool:
        """Whether the last line of a truncated file's copy goes on in the file itself."""
        tracked = reader.tracked
        if not reader.pending or tracked.origin <= 0 or reader.is_torn():
            return False
        if following:
            after = following[0]
            same = tracked.origin in (after.tracked.inode, after.tracked.origin)
            return same and not after.taken
        return (tracked.device, tracked.origin) in self._waiting

    def _replaced(self, reader: Reader, wall: float) -> None:
        """Follow the file's new content apart, and look for the rest of the old one."""
        tracked = reader.tracked
        log.info("%s was truncated or replaced at %d", tracked.path, reader.offset)
        fresh = Reader(Tracked(tracked.path, tracked.lane))
        fresh.tracked.device, fresh.tracked.inode = reader.id
        fresh.source, reader.source = reader.source, None
        fresh.grown = fresh.level_at = wall
        self.readers.append(fresh)
        reader.was_truncated = True
        self.has_news = True
        self._lose(reader, wall, replaced=True)
        self._scan(wall)
        if reader.missing:
            self._tell_loss(reader)

    def _is_over(self, reader: Reader, following: list[Reader]) -> bool:
        """Whether the file is not the one that is written to any more."""
        path, lane = reader.tracked.path, reader.tracked.lane
        if reader.gone or not self._wanted(path):
            return True
        return path != lane and (bool(following) or os.path.exists(lane))

    def _tell_loss(self, reader: Reader) -> None:
        lost = reader.tracked.size - reader.taken
        if lost > 0:
            self.lost_bytes += lost
            log.warning(
                "at least %d bytes of %s are gone, with no copy, before they could be read",
                lost,
                reader.tracked.path,
            )

    def _take(
        self,
        before: Reader | None,
        reader: Reader,
        wall: float,
        at_end: bool,
        following: list[Reader],
    ) -> Piece | None:
        """Take what is whole of what was read; before is the copy whose last line goes on here."""
        if not reader.pending:
            return None
        data = (before.pending if before else b"") + reader.pending
        if self._header_lines and not reader.taken and data.count(b"\n") < self._header_lines:
            return None
        if not reader.oversize:
            settled = at_end and wall - reader.grown > SETTLE
            length = self._framer.cut(data, settled)
            if length:
                return _piece(before, reader, length)
        if reader.oversize or len(data) > self._longest:
            end = data.find(b"\n") + 1
            piece = _piece(before, reader, end or len(data), oversize=True)
            reader.oversize = not end
            if not end:
                piece.marks = []
            return piece
        if not at_end or reader.missing or wall - reader.grown <= GRACE:
            return None
        if not self._is_over(reader, following):
            return None
        if self._goes_on(reader, following):
            return None
        piece = _piece(before, reader, len(data))
        if reader.is_torn():
            # The rest of it was destroyed.
            self.lost_bytes += len(data)
            log.warning("a torn line of %d bytes ends %s", len(data), reader.tracked.path)
            piece.data = b""
        return piece


def _piece(before: Reader | None, reader: Reader, length: int, oversize: bool = False) -> Piece:
    """Take so many bytes, the first of them from before."""
    parts, marks, start = [], [], reader.taken
    for each in (before, reader):
        if each and each.pending and length:
            start = start if parts else each.taken
            data, mark = each.take_bytes(min(length, len(each.pending)))
            parts.append(data)
            marks.append((each, mark))
            length -= len(data)
    return Piece(reader, b"".join(parts), start, marks, oversize)


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
