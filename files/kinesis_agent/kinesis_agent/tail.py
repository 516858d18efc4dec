"""Follows the files of one flow through their rotations, and hands out what they hold.

A content, not a name or an inode, is what is followed: where a rotation copies, renames, compresses
or truncates a file, the rest of its content is looked for in the same directory. Contents of one
log are read one after the other, oldest first, and logs in turn.
"""

import logging
import os
from collections import deque

from msgspec import Struct

from kinesis_agent.checkpoint import Counters, Mark, Tracked
from kinesis_agent.contents import Contents
from kinesis_agent.directory import Directory
from kinesis_agent.frame import Framer
from kinesis_agent.reader import GRACE, SETTLE, Reader, Replaced

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
        self._contents = Contents(self._directory, tracked, counters, from_start)
        self._framer, self._longest, self._header_lines = framer, longest, header_lines
        self._lanes: deque[list[Reader]] = deque()

    @property
    def readers(self) -> list[Reader]:
        """The contents that are known, oldest first."""
        return self._contents.readers

    def takes_news(self) -> bool:
        """Whether anything was met, since the last call, that a restart should know of."""
        news, self._contents.has_news = self._contents.has_news, False
        return news

    def poll(self, wall: float) -> None:
        """Look at what has changed; then next() hands out what can be read."""
        self._contents.update(wall)
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
                    self._contents.replaced(reader, wall)
                    more = False
                piece = self._take(before, reader, wall, at_end=not more, following=lane[n + 1 :])
                if piece:
                    return piece
            if reader.lacks_an_end() and self._is_over(reader, lane[n + 1 :], wall):
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

    def _is_over(self, reader: Reader, following: list[Reader], wall: float) -> bool:
        """Whether the file is, for a while, not the one that is written to any more."""
        if not self._is_rotated(reader, following):
            reader.rotated = None
            return False
        if reader.rotated is None:
            reader.rotated = wall
        return wall - max(reader.grown, reader.rotated) > GRACE

    def _is_rotated(self, reader: Reader, following: list[Reader]) -> bool:
        path, lane = reader.tracked.path, reader.tracked.lane
        if reader.missing:
            return False
        if reader.gone or not self._directory.wants(path):
            return True
        return path != lane and (bool(following) or os.path.exists(lane))

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
        if not at_end or not self._is_over(reader, following, wall):
            return None
        if self._goes_on(reader, following):
            return None
        piece = _piece(before, reader, len(data))
        if reader.is_torn():
            # The rest of it was destroyed.
            self._counters.lost_bytes += len(data)
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
