"""Reads one file's content from its position on, and notices when the file is not the same."""

import contextlib

from kinesis_agent.age import Sizes
from kinesis_agent.checkpoint import Mark, Tracked
from kinesis_agent.directory import TICK
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

BLOCK = 64 * 1024
# How long a record that only might go on waits for more, and an unterminated line of a file that
# was rotated away, in seconds.
SETTLE = 1.0
GRACE = 5.0


class Replaced(Exception):
    """The file no longer holds the content that was read from it."""


class Reader:
    """One content: what was read of it, and the file that holds it, while there is one."""

    def __init__(self, tracked: Tracked) -> None:
        self.tracked = tracked
        self.source: Plain | Compressed | None = None
        self.offset = tracked.mark.position
        self.window = self._taken_window = tracked.mark.window
        self.pending = b""
        self.grown = 0.0
        # Since when it was seen not to be the file that is written to.
        self.rotated: float | None = None
        self._sizes = Sizes()
        self.seen: tuple[int, int] | None = None
        self.gone = False
        self.tried: set[tuple[Id, int, int]] = set()
        self.oversize = False
        # The file was seen to be truncated while it was open.
        self.was_truncated = False

    @property
    def id(self) -> Id:
        """Return the file that holds the content."""
        return (self.tracked.device, self.tracked.inode)

    @property
    def missing(self) -> bool:
        """Whether no file is known to hold the content."""
        return not self.tracked.inode

    @property
    def taken(self) -> int:
        """Return the position up to which records were taken."""
        return self.offset - len(self.pending)

    def open(self, path: str) -> bool:
        """Open the file at path if it holds this content; return whether it does."""
        try:
            source = open_source(path)
        except OSError:
            return False
        try:
            status = source.stat()
            rotated = path != self.tracked.lane and live_path(path) == self.tracked.lane
            if not self._is_same(source, rotated):
                source.close()
                return False
            back = len(self.window)
            short = self._is_short(source.read_at(self.offset - back, back))
        except BROKEN:
            source.close()
            return False
        if self.source:
            self.source.close()
        self.tracked.path = path
        self.tracked.device, self.tracked.inode = file_id(status)
        self.tracked.missing_since = 0
        self.gone = False
        if source.compressed and not self.was_truncated:
            # Its file may have been renamed, compressed and deleted, and the inode used again.
            self.tracked.origin = -1
        self.grown = self.grown or status.st_mtime
        self.seen = None
        if short or self.tracked.ignored:
            # A copy that was made before the last of it was read has nothing more.
            self.tracked.origin = self.tracked.origin or -1
            self.source = None
            self.seen = (status.st_mtime_ns, status.st_size)
            source.close()
        else:
            self.source = source
        return True

    def _is_same(self, source: Plain | Compressed, rotated: bool = False) -> bool:
        """Whether the source holds this content, or the beginning of it if it may be a copy."""
        known = self.tracked.head
        head = source.read_at(0, HEAD)
        if not head.startswith(known) and not (rotated and head and known.startswith(head)):
            return False
        window = source.read_at(self.offset - len(self.window), len(self.window))
        may_be_copy = bool(known) and (self.missing or self.tracked.origin != 0)
        if window == self.window or (may_be_copy and self._is_short(window)):
            self.tracked.head = head
            return True
        return False

    def _is_short(self, window: bytes) -> bool:
        """Whether these bytes, read where the window should be, show a file that ends before."""
        return len(window) < len(self.window) and self.window.startswith(window)

    def is_intact(self) -> bool:
        """Whether the file still holds what was read from it."""
        if self.source is None:
            return True
        try:
            return self._is_same(self.source)
        except BROKEN:
            return True

    def is_torn(self) -> bool:
        """Whether there was more than what can be read: the copy ends before the file did."""
        return self.source is None or self.tracked.size > self.offset

    def lacks_an_end(self) -> bool:
        """Whether all was taken that can be, of a content that had more."""
        return self.tracked.size > self.offset and not self.pending

    def size(self) -> int:
        """Return how many bytes of content there are, as far as is known."""
        if self.source and not self.source.compressed:
            self.tracked.size = max(self.offset, self.source.stat().st_size)
        return max(self.offset, self.tracked.size)

    def behind(self, wall: float) -> tuple[int, float]:
        """Return how many bytes are not accepted yet, and for how long the first of them is."""
        tracked, size = self.tracked, self.size()
        position = tracked.mark.position
        changed = self.source.stat().st_mtime if self.source else wall
        is_first = self._sizes.is_empty
        self._sizes.see(size, (is_first and tracked.behind_since) or min(wall, changed))
        since = self._sizes.since(position)
        tracked.behind_since = since or 0.0
        return size - position, wall - since if since else 0.0

    def close(self) -> None:
        """Let go of the file and keep what is known of it."""
        if self.source:
            self.source.close()
            self.source = None

    def lose(self, wall: float) -> None:
        """Note that no file is known to hold the content any more."""
        self.close()
        if self.tracked.inode:
            self.tracked.missing_since = wall
        self.tracked.device = self.tracked.inode = 0

    def fill(self, wall: float) -> bool:
        """Read a block; return whether there was any. Raise Replaced where it is other content."""
        source = self.source
        if source is None:
            return False
        status = source.stat()
        now = (status.st_mtime_ns, status.st_size)
        if now == self.seen:
            return False
        back = len(self.window)
        try:
            data = source.read_at(self.offset - back, back + BLOCK)
            self._check_head(source)
        except BROKEN:
            # It may be a compressed file that is still being written.
            self.seen, self.grown = now, wall
            return False
        # A truncation in the middle of the read would have torn it.
        size = source.stat().st_size
        if source.compressed:
            size = self.offset + len(data) - back
        elif size < self.offset + len(data) - back:
            raise Replaced
        if data[:back] != self.window:
            raise Replaced
        self.tracked.size = max(self.tracked.size, size)
        if len(data) == back:
            # What changed just now may change again within one tick of the file system's clock.
            self.seen = now if wall - status.st_mtime > TICK else None
            return False
        self.offset += len(data) - back
        self.window = data[-WINDOW:]
        self.pending += data[back:]
        self.grown = wall
        return True

    def _check_head(self, source: Plain | Compressed) -> None:
        head = self.tracked.head
        if len(head) < HEAD:
            fresh = source.read_at(0, HEAD)
            if not fresh.startswith(head):
                raise Replaced
            self.tracked.head = fresh

    def knows_head(self) -> bool:
        """Whether the content can be told from others, after another look at a short one."""
        if self.source:
            with contextlib.suppress(Replaced, *BROKEN):
                self._check_head(self.source)
        return bool(self.tracked.head)

    def take_bytes(self, length: int) -> tuple[bytes, Mark]:
        """Take the first bytes of what was read, as they are."""
        data, self.pending = self.pending[:length], self.pending[length:]
        self._taken_window = (self._taken_window + data)[-WINDOW:]
        return data, Mark(self.taken, self._taken_window)
