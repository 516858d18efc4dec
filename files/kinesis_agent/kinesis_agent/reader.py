"""Reads one file's content from its position on, and notices when the file is not the same."""

import contextlib
import errno
import hashlib
import logging
import os
import time

from kinesis_agent.age import Sizes
from kinesis_agent.checkpoint import Mark, Tracked
from kinesis_agent.directory import TICK
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
    is_remote,
    live_path,
    open_source,
)

BLOCK = 64 * 1024
# So much of a file's beginning is compared when it was written to.
SMALL = 16 * 1024
# How long a record that only might go on waits for more, and an unterminated line of a file that
# was rotated away, in seconds; and NULs for something to take their place.
SETTLE = 1.0
GRACE = 5.0
HOLE_GRACE = 2.0
# How long a file that could not be read is left alone.
RETRY = 1.0
# What grew less long ago is looked at every time.
AWAKE = 10.0
# So many NULs are no text that someone wrote.
NULS = bytes(8)

State = tuple[int, int]

log = logging.getLogger(__name__)


class Replaced(Exception):
    """The file no longer holds the content that was read from it."""


class Reader:
    """One content: what was read of it, and the file that holds it, while there is one.

    Times are of a clock that never goes back, in seconds.
    """

    def __init__(self, tracked: Tracked, unit: int = 1) -> None:
        """Unit is how many bytes the shortest character has."""
        self.tracked, self._unit = tracked, unit
        self.source: Plain | Compressed | None = None
        self.offset = tracked.mark.position
        self.window = self._taken_window = tracked.mark.window
        self.pending = b""
        self.grown = 0.0
        # Since when it was seen not to be the file that is written to.
        self.rotated: float | None = None
        self._sizes = Sizes()
        # The file's time and size when there was nothing more to read; and for how long, at first.
        self.seen: State | None = None
        self._settling: tuple[State, float] | None = None
        # The same, also of a file that may yet be written to in place.
        self.ended: State | None = None
        self.gone = False
        self.tried: set[tuple[Id, int, int]] = set()
        self.oversize = False
        # The file was seen to be truncated while it was open.
        self.was_truncated = False
        # The file that was found in its place is another one, with the same inode.
        self.was_remade = False
        # All that was there at the last poll, or a little later, was read.
        self.drained = False
        self.has_nuls = False
        # It is in a copy that was made before the last of it was read.
        self._is_cut = False
        # There was no descriptor to open a file that may hold it.
        self.was_refused = False
        # The line that was begun ends here: NULs follow it, and then something else.
        self.at_hole = False
        self._hole: tuple[int, float] | None = None
        self._beginning = hashlib.blake2b(digest_size=8)
        self._hashed = 0
        self._woken = 0.0
        self._retry_at = 0.0
        self._refusal = ""

    @property
    def id(self) -> Id:
        """Return the file that holds the content."""
        return (0, 0) if self.missing else self.holder

    @property
    def holder(self) -> Id:
        """Return the file that holds the content, or held it last."""
        return (self.tracked.device, self.tracked.inode)

    @property
    def missing(self) -> bool:
        """Whether no file is known to hold the content."""
        return bool(self.tracked.missing_since) or not self.tracked.inode

    @property
    def taken(self) -> int:
        """Return the position up to which records were taken."""
        return self.offset - len(self.pending)

    def bind(self, path: str, source: Plain | Compressed) -> os.stat_result:
        """Read from this file, which is known to hold the content."""
        status = source.stat()
        tracked = self.tracked
        tracked.path = path
        target = os.path.realpath(path)
        tracked.target = target if target != path else ""
        tracked.device, tracked.inode = file_id(status)
        tracked.birth = birth(source.fd)
        tracked.missing_since = 0
        if status.st_size == self.offset and status.st_mtime_ns == tracked.mtime:
            self.ended = _state(status)
        tracked.mtime = tracked.mtime or status.st_mtime_ns
        self.gone, self.seen, self._refusal = False, None, ""
        if not self._hashed and self.offset and not source.compressed:
            self._hash(source.read_at(0, min(self.offset, SMALL)))
        if self.source and self.source is not source:
            self.source.close()
        self.source = source
        return status

    def open(self, path: str, now: float, as_copy: bool = False) -> bool | None:
        """Read from the file at path if it holds this content; return whether it does.

        None where that cannot be told now: nothing is changed then.
        """
        self.was_refused = False
        try:
            source = open_source(path)
        except ArchiveError:
            return False
        except OSError as error:
            self.was_refused = error.errno in SHORTAGE
            if not as_copy:
                self.set_aside(now, error)
            return None
        is_same = self.go_on(path, source, now, as_copy)
        if not is_same:
            source.close()
        return is_same

    def go_on(
        self, path: str, source: Plain | Compressed, now: float, as_copy: bool = False
    ) -> bool | None:
        """Do as open() with a file that is open; it is the reader's only where that is True."""
        try:
            status = source.stat()
            if not as_copy:
                if status.st_ino != self.tracked.inode:
                    self._retry_at = now + RETRY
                    return None
                self.was_remade = self._was_made_anew(source)
                if (
                    self.was_remade
                    or self._was_changed(source, status)
                    or self._was_repeated(source, status)
                ):
                    return False
            lane, target = self.tracked.lane, self.tracked.target
            rotated = path != lane and live_path(path) in (lane, target)
            if not self._is_same(source, rotated):
                return False
            back = len(self.window)
            short = self._is_short(source.read_at(self.offset - back, back))
            if as_copy and short and status.st_mtime_ns > self.tracked.mtime:
                # It is younger than what it lacks: no copy, but another log that begins alike.
                return False
            if as_copy:
                self.tracked.mtime = 0
            self.bind(path, source)
            self._is_cut = short
        except BROKEN as error:
            if source.compressed or as_copy:
                return False
            self.set_aside(now, error)
            return None
        if source.compressed and not self.was_truncated:
            # Its file may have been renamed, compressed and deleted, and the inode used again.
            self.tracked.origin = -1
        self.grown = self.grown or now - max(0.0, time.time() - status.st_mtime)
        if short or self.tracked.ignored:
            # A copy that was made before the last of it was read has nothing more.
            self.tracked.origin = self.tracked.origin or -1
            self.seen = _state(status)
            self.ended = None if self.tracked.ignored else self.seen
            self.close()
        return True

    def _was_made_anew(self, source: Plain | Compressed) -> bool:
        """Whether the file has the inode of one that was deleted."""
        born = birth(source.fd)
        return bool(born and self.tracked.birth and born != self.tracked.birth)

    def _is_same(self, source: Plain | Compressed, rotated: bool = False) -> bool:
        """Whether the source holds this content, or the beginning of it if it may be a copy."""
        known = self.tracked.head
        head = source.read_at(0, HEAD)
        if not head.startswith(known) and not (rotated and head and known.startswith(head)):
            return False
        window = source.read_at(self.offset - len(self.window), len(self.window))
        may_be_copy = bool(known) and (self.missing or self.tracked.origin != 0)
        if window == self.window or (may_be_copy and self._is_short(window)):
            self.tracked.head = self._solid(head)
            return True
        return False

    def _is_short(self, window: bytes) -> bool:
        """Whether these bytes, read where the window should be, show a file that ends before."""
        return len(window) < len(self.window) and self.window.startswith(window)

    def _solid(self, head: bytes) -> bytes:
        """Return a beginning without NULs that may yet become something else."""
        return head[: self.offset] + head[self.offset :].rstrip(b"\0")

    def is_intact(self) -> bool:
        """Whether the file still holds what was read from it."""
        if self.source is None:
            return True
        try:
            return self._is_same(self.source)
        except BROKEN:
            return True

    def has_a_name(self) -> bool:
        """Whether the file that is read from is in some directory."""
        with contextlib.suppress(OSError):
            return self.source is not None and self.source.stat().st_nlink > 0
        return False

    def is_torn(self) -> bool:
        """Whether there was more than what can be read: the copy ends before the file did."""
        return self.missing or self._is_cut or self.tracked.size > self.offset

    def lacks_an_end(self) -> bool:
        """Whether all was taken that can be, of a content that had more."""
        return self.tracked.size > self.offset and not self.pending

    def size(self) -> int:
        """Return how many bytes of content there are, as far as is known."""
        if self.source and not self.source.compressed and self.seen is None:
            with contextlib.suppress(OSError):
                status = self.source.stat()
                end = status.st_size if _state(status) != self.ended else 0
                self.tracked.size = max(self.offset, end)
        return max(self.offset, self.tracked.size)

    def behind(self, wall: float) -> tuple[int, float]:
        """Return how many bytes are not accepted yet, and for how long the first of them is."""
        tracked = self.tracked
        position = tracked.mark.position
        if self.seen is not None and position == self.offset >= tracked.size:
            tracked.behind_since = 0.0
            return 0, 0.0
        size = self.size()
        is_first = self._sizes.is_empty
        changed = tracked.mtime / 1e9 if self.source and tracked.mtime else wall
        if self.source and self.seen is None:
            with contextlib.suppress(OSError):
                changed = self.source.stat().st_mtime
        self._sizes.see(size, (is_first and tracked.behind_since) or min(wall, changed))
        since = self._sizes.since(position)
        tracked.behind_since = since or 0.0
        return size - position, wall - since if since else 0.0

    def close(self) -> None:
        """Let go of the file and keep what is known of it."""
        if self.source:
            self.source.close()
            self.source = None

    def lose(self) -> None:
        """Note that no file is known to hold the content any more."""
        self.close()
        self.tracked.missing_since = self.tracked.missing_since or time.time()

    def set_aside(self, now: float, error: BaseException) -> None:
        """Leave a file alone for a while that cannot be read; say so once."""
        self.close()
        is_short = getattr(error, "errno", 0) in (*SHORTAGE, errno.ENOENT)
        self.seen, self._retry_at = None, now if is_short else now + RETRY
        text = str(getattr(error, "strerror", None) or error)
        if text != self._refusal and not is_short:
            log.error("%s cannot be read: %s", self.tracked.path, text)
            self._refusal = text

    def may_try(self, now: float) -> bool:
        """Whether the file is there and closed, and it is time to open it again."""
        return self.source is None and not (self.missing or self.gone) and now >= self._retry_at

    @property
    def is_set_aside(self) -> bool:
        """Whether there may be more in the file, which could not be opened."""
        return self.source is None and self.seen is None

    def wake(self, now: float) -> None:
        """Let it be looked at often for a while."""
        self._woken = now

    def is_awake(self, now: float) -> bool:
        """Whether it may have something to read or to say soon."""
        return self.seen is None or now - max(self.grown, self._woken) < AWAKE

    def has_changed(self) -> bool:
        """Whether the file is not as it was when there was nothing more in it."""
        try:
            status = self.source.stat() if self.source else os.stat(self.tracked.path)
        except OSError:
            return True
        return _state(status) != self.seen

    def fill(self, now: float) -> bool:
        """Read a block; return whether there was any. Raise Replaced where it is other content."""
        source = self.source
        if source is None:
            return False
        back = len(self.window)
        try:
            before = _state(source.stat())
            if before == self.seen:
                return False
            data = source.read_at(self.offset - back, back + BLOCK)
            self._check_head(source)
            status = source.stat()
            fresh = data[back:]
            # A truncation in the middle of the read would have torn it.
            size = self.offset + len(fresh) if source.compressed else status.st_size
            if size < self.offset + len(fresh) or data[:back] != self.window:
                raise Replaced
            if self._was_changed(source, status):
                raise Replaced
            if b"\0" in fresh:
                fresh = self._before_nuls(source, fresh, status, now)
                size = self.offset + len(fresh)
        except BROKEN as error:
            if source.compressed:  # it may still be being written
                self.seen, self.grown = before, now
            else:
                self.set_aside(now, error)
            return False
        self.tracked.size = max(self.tracked.size, size)
        if not fresh:
            self._settle(source, status, now)
            return False
        self._settling = None
        self.tracked.mtime = status.st_mtime_ns
        if self._hashed == self.offset < SMALL:
            self._hash(fresh)
        self.offset += len(fresh)
        self.window = (self.window + fresh[-WINDOW:])[-WINDOW:]
        self.pending += fresh
        self.grown = now
        # What comes meanwhile must not hold up the files that follow.
        self.drained = len(fresh) < BLOCK
        if status.st_size == self.offset and not source.compressed:
            self.ended = _state(status)
        return True

    def _settle(self, source: Plain | Compressed, status: os.stat_result, now: float) -> None:
        """Note that there is nothing more: for certain if that was so a tick ago, too."""
        if self._hole:
            # What is written in the place of NULs, and mapped, need not change time or size.
            self.seen = None
            return
        state = _state(status)
        if self._settling is None or self._settling[0] != state:
            self._settling = (state, now)
        elif now - self._settling[1] >= TICK:
            if self._was_repeated(source, status):
                raise Replaced
            self.tracked.mtime = status.st_mtime_ns
            self.seen = self.ended = state

    def _check_head(self, source: Plain | Compressed) -> None:
        fresh, head = source.read_at(0, HEAD), self.tracked.head
        if fresh[: len(head)] != head:
            raise Replaced
        if len(head) < HEAD:
            self.tracked.head = self._solid(fresh)

    def _hash(self, data: bytes) -> None:
        data = data[: SMALL - self._hashed]
        self._beginning.update(data)
        self._hashed += len(data)

    def _was_changed(self, source: Plain | Compressed, status: os.stat_result) -> bool:
        """Whether a file that was written to does not begin with what was read of it any more."""
        length = min(self.offset, SMALL)
        if (
            source.compressed
            or not 0 < length == self._hashed
            or status.st_mtime_ns == self.tracked.mtime
        ):
            return False
        beginning = hashlib.blake2b(source.read_at(0, length), digest_size=8)
        return beginning.digest() != self._beginning.digest()

    def _was_repeated(self, source: Plain | Compressed, status: os.stat_result) -> bool:
        """Whether a small file was written to and holds the same: a job that said it again.

        Not where its time was set by hand.
        """
        return (
            not source.compressed
            and status.st_size == self.offset
            and 0 < self.offset <= SMALL
            and status.st_mtime_ns == status.st_ctime_ns
            and self.tracked.mtime not in (0, status.st_mtime_ns)
            and not self.has_nuls
            and not is_remote(status.st_dev)
        )

    def _before_nuls(
        self, source: Plain | Compressed, fresh: bytes, status: os.stat_result, now: float
    ) -> bytes:
        """Return what may be read now: NULs at the end may yet become something else.

        Those before something else are the hole that a truncation leaves behind in a file whose
        writer does not append; they are passed over when they have been there for a while.
        """
        self.has_nuls = True
        at = fresh.find(NULS)
        at = len(fresh.rstrip(b"\0")) if at < 0 else at
        at += -(self.offset + at) % self._unit
        if at:
            self._hole = None
            return fresh[:at]
        end = self._hole_end(source, fresh, status.st_size)
        if self._hole is None or self._hole[0] != self.offset:
            self._hole = (self.offset, now)
        if end is None:
            self._hole = (self.offset, now)
            self.ended = _state(status)
            self.tracked.size = self.offset
            return b""
        if not source.compressed and now - self._hole[1] < HOLE_GRACE:
            self.ended = None
            return b""
        if self.pending:
            self.at_hole = True
            return b""
        self._hole = None
        self._hashed = -1
        self.offset = end
        back = min(end, WINDOW)
        data = source.read_at(end - back, back + BLOCK)
        self.window, fresh = data[:back], data[back:]
        self._taken_window = self.window
        self._check_head(source)
        return self._before_nuls(source, fresh, status, now) if b"\0" in fresh else fresh

    def _hole_end(self, source: Plain | Compressed, fresh: bytes, size: int) -> int | None:
        """Return where something follows the NULs that fresh begins with, if anything does."""
        at = self.offset
        if not source.compressed and not fresh.strip(b"\0"):
            at += len(fresh)
            try:
                data = os.lseek(source.fd, at, os.SEEK_DATA) if at < size else size
            except OSError:
                return None
            ends_blank = not source.read_at(size - self._unit, self._unit).strip(b"\0")
            if ends_blank and data == at:
                return None
            at = data
            fresh = source.read_at(at, BLOCK)
            if ends_blank and not fresh.strip(b"\0"):
                return None
        while fresh:
            blank = len(fresh) - len(fresh.lstrip(b"\0"))
            if blank < len(fresh):
                at += blank
                return at - at % self._unit
            at += blank
            fresh = source.read_at(at, BLOCK)
        return None

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


def _state(status: os.stat_result) -> State:
    return (status.st_mtime_ns, status.st_size)
