"""Follows the files of one flow through their rotations, and hands out what they hold.

A content, not a name or an inode, is what is followed: where a rotation copies, renames, compresses
or truncates a file, the rest of its content is looked for in the same directory. Contents of one
log are read one after the other, oldest first, and logs in turn.
"""

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
    live_name,
    open_source,
)
from kinesis_agent.frame import Framer
from kinesis_agent.reader import GRACE, SETTLE, Reader, Replaced

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
    ) -> None:
        """Go on from what was tracked, or (None) start with the files that are there."""
        self._directory, self._name = os.path.split(os.path.abspath(pattern))
        self._framer, self._longest, self._refresh = framer, longest, refresh
        self._first, self._from_start = tracked is None, from_start
        self.readers = [Reader(each) for each in tracked or []]
        self.lost_bytes = 0
        self._waiting: dict[Id, _Waiting] = {}
        self._present: dict[Id, tuple[str, os.stat_result]] = {}
        self._directories: dict[str, int] = {}
        self._scanned = 0.0
        self._changes = 0
        self._lanes: deque[list[Reader]] = deque()
        self._verified = False

    # --- What is there -------------------------------------------------------------------------

    def poll(self, wall: float) -> None:
        """Look at what has changed in the directories; then next() hands out what can be read."""
        if self._directories_changed(wall):
            self._scan(wall)
        if self._waiting:
            self._sort_waiting(wall)
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

    def _directories_changed(self, wall: float) -> bool:
        if not 0 <= wall - self._scanned < self._refresh:
            return True
        return any(_changed(path) != when for path, when in self._directories.items())

    def _scan(self, wall: float) -> None:
        self._scanned = wall
        self._changes += 1
        paths = set(glob.glob(self._directory, recursive=True))
        paths |= {os.path.dirname(reader.tracked.path) for reader in self.readers}
        self._directories = {path: _changed(path) for path in paths}
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
            tracked = Tracked(path, self._lane(path), source.read_at(0, HEAD), Mark(end, window))
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
            if original and original.missing:
                source.close()
                if original.open(waiting.path):
                    del self._waiting[file]
                continue
            if original and (len(head) == HEAD or not late):
                source.close()
                continue
            tracked = Tracked(waiting.path, self._lane(waiting.path), head)
            tracked.device, tracked.inode = file
            reader = Reader(tracked)
            reader.source, reader.grown, reader.level_at = source, status.st_mtime, wall
            self.readers.append(reader)
            del self._waiting[file]

    def _original(
        self, source: Plain | Compressed, file: Id, size: int, head: bytes
    ) -> Reader | None:
        """Return the known content that a file, as far as it goes, is the same as."""
        for reader in self.readers:
            tracked = reader.tracked
            if tracked.origin == file[1] or not tracked.head:
                continue
            if len(head) > len(tracked.head) and reader.source:
                tracked.head = reader.source.read_at(0, HEAD)
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
        live = self._lane(path)
        return live != path and self._wanted(live)

    def _lane(self, path: str) -> str:
        directory, name = os.path.split(path)
        return os.path.join(directory, live_name(name))

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
        for n, reader in enumerate(lane):
            following = lane[n + 1 :]
            while True:
                try:
                    more = reader.fill(wall)
                except Replaced:
                    self._replaced(reader, wall)
                    more = False
                piece = self._take(reader, wall, not more, following)
                if piece:
                    return piece
                if not more:
                    break
        return None

    def _replaced(self, reader: Reader, wall: float) -> None:
        """Look for the rest of a content whose file was truncated or written anew."""
        log.info("%s was truncated or replaced at %d", reader.tracked.path, reader.offset)
        self._lose(reader, wall, replaced=True)
        self._scan(wall)
        if reader.missing:
            self._tell_loss(reader)

    def _tell_loss(self, reader: Reader) -> None:
        lost = reader.tracked.size - reader.offset
        if lost > 0:
            self.lost_bytes += lost
            log.warning(
                "at least %d bytes of %s are gone, with no copy, before they could be read",
                lost,
                reader.tracked.path,
            )

    def _take(
        self, reader: Reader, wall: float, at_end: bool, following: list[Reader]
    ) -> Piece | None:
        if not reader.pending:
            return None
        start = reader.taken
        if not reader.oversize:
            settled = at_end and wall - reader.grown > SETTLE
            taken = reader.take(self._framer, settled)
            if taken:
                return Piece(reader, taken[0], start, [(reader, taken[1])])
        if reader.oversize or len(reader.pending) > self._longest:
            return self._take_oversize(reader, start)
        over = following or reader.gone or reader.missing or not self._wanted(reader.tracked.path)
        if at_end and over and wall - reader.grown > GRACE:
            data, mark = reader.take_bytes(len(reader.pending))
            return Piece(reader, data, start, [(reader, mark)])
        return None

    def _take_oversize(self, reader: Reader, start: int) -> Piece:
        """Hand out a part of a line that is too long; its last part has the mark."""
        end = reader.pending.find(b"\n") + 1
        data, mark = reader.take_bytes(end or len(reader.pending))
        reader.oversize = not end
        return Piece(reader, data, start, [(reader, mark)] if end else [], oversize=True)


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
