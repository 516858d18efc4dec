"""Follows the files of one flow through their rotations, and hands out what they hold.

A content, not a name or an inode, is what is followed: where a rotation copies, renames, compresses
or truncates a file, the rest of its content is looked for in the same directory. Contents of one
log are read one after the other, oldest first, and logs in turn. Files that nothing happens to cost
a look now and then. Times are of a clock that never goes back, in seconds.
"""

import logging
import os
import re
from collections import deque

from msgspec import Struct

from kinesis_agent.checkpoint import Counters, Mark, Tracked
from kinesis_agent.contents import Contents
from kinesis_agent.directory import Directory
from kinesis_agent.files import is_numbered
from kinesis_agent.frame import Framer
from kinesis_agent.reader import GRACE, SETTLE, Reader, Replaced

# How many quiet files are looked at in one poll.
LOOKS = 128

_BLANK = re.compile(rb"(^|\n)\0+")

log = logging.getLogger(__name__)


class Piece(Struct):
    """Whole records, and where in which content they end; or a part of a line that is too long."""

    reader: Reader
    data: bytes
    start: int
    marks: list[tuple[Reader, Mark]]
    oversize: bool = False


class Tailer:
    """The files of one pattern."""

    def __init__(
        self,
        pattern: str,
        framer: Framer,
        tracked: list[Tracked] | None,
        counters: Counters,
        from_start: bool,
        longest: int,
        refresh: float = 10.0,
        header_lines: int = 0,
    ) -> None:
        """Go on from what was tracked, or (None) start with the files that are there."""
        self._directory, self._counters = Directory(pattern, refresh), counters
        unit = framer.unit
        self._contents = Contents(self._directory, tracked, counters, from_start, unit)
        self._framer, self._unit, self._header_lines = framer, unit, header_lines
        # Most characters are one byte in a record, whatever they are in the file.
        self._longest = longest * unit
        self._lanes: deque[list[Reader]] = deque()
        self._by_lane: dict[str, list[Reader]] = {}
        self._quiet: deque[Reader] = deque()
        self._awake: dict[Reader, None] = {}

    @property
    def readers(self) -> list[Reader]:
        """The contents that are known, oldest first."""
        return self._contents.readers

    def takes_news(self) -> bool:
        """Whether anything was met, since the last call, that a restart should know of."""
        news, self._contents.has_news = self._contents.has_news, False
        return news

    def poll(self, now: float) -> None:
        """Look at what has changed; then next() hands out what can be read."""
        self._contents.update(now)
        self._look(now)
        if self._contents.has_moved:
            self._sort(now)
        turn = {id(lane[0]): n for n, lane in enumerate(self._lanes) if lane}
        lanes = [self._by_lane[lane] for lane in dict.fromkeys(r.tracked.lane for r in self._awake)]
        for reader in self._awake:
            reader.drained = False
        self._lanes = deque(
            sorted(
                (lane for lane in lanes if any(r.source or r.pending for r in lane)),
                key=lambda lane: turn.get(id(lane[0]), -1),
            )
        )
        # Each has one more look after its time.
        self._awake = {each: None for each in self._awake if each.is_awake(now)}

    def _look(self, now: float) -> None:
        """Wake the files that changed, of some of those that are quiet, and open closed ones."""
        for _ in range(min(LOOKS, len(self._quiet))):
            reader = self._quiet[0]
            self._quiet.rotate(-1)
            if reader not in self._awake and not reader.missing and reader.has_changed():
                reader.wake(now)
                self._awake[reader] = None
        for reader in list(self._awake):
            self._contents.reopen(reader, now)

    def _sort(self, now: float) -> None:
        """Sort the contents into lanes; what has not said all may have more to say now."""
        self._contents.has_moved = False
        self._by_lane = {}
        for reader in self.readers:
            self._by_lane.setdefault(reader.tracked.lane, []).append(reader)
            if reader.pending or reader.lacks_an_end():
                reader.wake(now)
        self._quiet = deque(reader for reader in self.readers if not reader.missing)
        self._awake = {
            each: None for each in self.readers if each in self._awake or each.is_awake(now)
        }

    def poll_deleted(self) -> None:
        """Let next() hand out only what nobody can read after us: files that have no name."""
        self._lanes = deque([each] for each in self.readers if each.gone and each.source)
        for (reader,) in self._lanes:
            reader.drained = False

    def next(self, now: float) -> Piece | None:
        """Return whole records that were not handed out yet; None where there are none now."""
        while self._lanes:
            piece = self._next_of(self._lanes[0], now)
            if piece:
                self._lanes.rotate(-1)
                return piece
            self._lanes.popleft()
        return None

    def _next_of(self, lane: list[Reader], now: float) -> Piece | None:
        before: Reader | None = None
        for n, reader in enumerate(lane):
            if self._contents.may_be_found(reader):
                return None  # its last line may go on in what follows
            more = True
            while more:
                try:
                    more = not reader.drained and reader.fill(now)
                except Replaced:
                    self._contents.replaced(reader, now)
                    more = False
                reader.drained |= not more
                piece = self._take(before, reader, now, at_end=not more, following=lane[n + 1 :])
                if piece:
                    return piece
            if reader.lacks_an_end() and self._is_over(reader, lane[n + 1 :], now):
                self._contents.tell_loss(reader)
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
        return self._contents.expects((tracked.device, tracked.origin))

    def _is_over(self, reader: Reader, following: list[Reader], now: float) -> bool:
        """Whether the file is, for a while, not the one that is written to any more."""
        if not self._is_rotated(reader, following):
            reader.rotated = None
            return False
        if reader.rotated is None:
            reader.rotated = now
        return now - max(reader.grown, reader.rotated) > GRACE

    def _is_rotated(self, reader: Reader, following: list[Reader]) -> bool:
        path, lane = reader.tracked.path, reader.tracked.lane
        if reader.missing or reader.is_set_aside:
            return False
        if reader.gone or not self._directory.wants(path):
            return True
        if path == lane:
            return False
        # A number may be a process's, and its file one that is written to.
        return os.path.exists(lane) or (bool(following) and not is_numbered(path))

    def _take(
        self,
        before: Reader | None,
        reader: Reader,
        now: float,
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
            settled = at_end and now - reader.grown > SETTLE
            length = self._framer.cut(data, settled)
            if length:
                return _piece(before, reader, length, self._unit)
        if reader.oversize or len(data) > self._longest:
            end = self._framer.line_end(data)
            length = end or len(data) - len(data) % self._unit
            piece = _piece(before, reader, length, self._unit, oversize=True)
            reader.oversize = not end
            if not end:
                piece.marks = []
            return piece
        if reader.at_hole:
            reader.at_hole = reader.drained = False
            return _piece(before, reader, len(data), self._unit)
        if not at_end or not self._is_over(reader, following, now):
            return None
        if self._goes_on(reader, following):
            return None
        piece = _piece(before, reader, len(data), self._unit)
        if reader.is_torn():
            # The rest of it was destroyed.
            self._counters.lost_bytes += len(data)
            log.warning("a torn line of %d bytes ends %s", len(data), reader.tracked.path)
            piece.data = b""
        return piece


def _piece(
    before: Reader | None, reader: Reader, length: int, unit: int, oversize: bool = False
) -> Piece:
    """Take so many bytes, the first of them from before."""
    parts, marks, start, has_nuls = [], [], reader.taken, False
    for each in (before, reader):
        if each and each.pending and length:
            start = start if parts else each.taken
            data, mark = each.take_bytes(min(length, len(each.pending)))
            parts.append(data)
            marks.append((each, mark))
            length -= len(data)
            has_nuls |= each.has_nuls
    data = b"".join(parts)
    return Piece(reader, _text(data, unit) if has_nuls else data, start, marks, oversize)


def _text(data: bytes, unit: int) -> bytes:
    """Return lines without the NULs that they begin with: nobody wrote those."""
    if unit == 1:
        return _BLANK.sub(rb"\1", data)
    blank = len(data) - len(data.lstrip(b"\0"))
    return data[blank - blank % unit :]
