"""Which contents there are, and which file holds each."""

import contextlib
import logging
import os

from kinesis_agent.arrivals import Arrivals
from kinesis_agent.checkpoint import Counters, Tracked
from kinesis_agent.directory import Directory, Present
from kinesis_agent.files import Id, file_id
from kinesis_agent.reader import Reader

# How long a content that no file holds is remembered, and a finished file kept open.
FORGET = 3600.0
KEEP_OPEN = 60.0

log = logging.getLogger(__name__)


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
        self._arrivals = Arrivals(directory, from_start)
        self.readers = [Reader(each) for each in tracked or []]
        # Whether contents were met or found elsewhere that are not saved yet.
        self.has_news = False
        self._first, self._restarted = tracked is None, True
        self._present: Present = {}
        self._scans = 0

    def update(self, wall: float) -> None:
        """Take in what happened in the directories."""
        if self._directory.has_changed(wall):
            self._scan(wall)
        if not self._arrivals.is_empty:
            # A new file may be the copy of one that was truncated just now.
            for reader in [each for each in self.readers if not each.is_intact()]:
                self.replaced(reader, wall)
            self._take_in(wall)
        self._restarted = False

    def expects(self, file: Id) -> bool:
        """Whether the file is there and empty so far."""
        return self._arrivals.expects(file)

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
        self._arrivals.meet(self._present, self.readers, self._scans, wall)
        if self._first:
            self.readers += self._arrivals.begin()
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
        looks = {(file, s.st_mtime_ns, s.st_size) for file, (_, s) in self._present.items()}
        for reader in missing:
            reader.tried &= looks
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
                    self._arrivals.forget(file)
                    break

    def _take_in(self, wall: float) -> None:
        for reader in self._arrivals.settle(self.readers, wall):
            self._add(reader)
            self.has_news = True

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
