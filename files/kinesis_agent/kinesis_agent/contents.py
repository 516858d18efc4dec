"""Which contents there are, and which file holds each."""

import logging
import os
import time

from kinesis_agent.arrivals import Arrivals, has_copys_name, may_be_copy
from kinesis_agent.checkpoint import Counters, Tracked
from kinesis_agent.directory import Directory, Present
from kinesis_agent.files import Id, descriptors, file_id, live_path, plain_name
from kinesis_agent.reader import Reader

# How long a content that no file holds is remembered: one whose volume is away, longer; and at most
# how many. How long a finished file is kept open. In seconds.
FORGET = 3600.0
FORGET_AWAY = 30 * 86400.0
REMEMBER = 1000
KEEP_OPEN = 60.0
# How long all of a directory is looked through for the rest of a content, whatever its name.
SEARCH = 60.0
# How many files are closed at once where there are too few descriptors.
CLOSE = 64

log = logging.getLogger(__name__)


class Contents:
    """The readers of a flow's files, oldest content first."""

    def __init__(
        self,
        directory: Directory,
        tracked: list[Tracked] | None,
        counters: Counters,
        from_start: bool,
        unit: int = 1,
    ) -> None:
        """Go on from what was tracked, or (None) start with the files that are there."""
        self._directory, self._counters, self._unit = directory, counters, unit
        self._arrivals = Arrivals(directory, from_start, unit)
        self.readers = [Reader(each, unit) for each in tracked or []]
        # Whether contents were met or found elsewhere that are not saved yet.
        self.has_news = False
        # Whether the readers, or their files' names, are not what they were at the last poll.
        self.has_moved = True
        self._first, self._restarted = tracked is None, True
        self._present: Present = {}
        self._scans = 0
        self._names: set[tuple[Id, str]] = set()
        # Those that were lost sight of just now.
        self._lost_at: dict[Reader, float] = {}
        # Those that there was no descriptor to look for, and those whose loss is not told yet.
        self._unsure: set[Reader] = set()
        self._untold: set[Reader] = set()
        self._refusals = 0

    def update(self, now: float) -> None:
        """Take in what happened in the directories."""
        if descriptors.refusals != self._refusals:
            self._refusals = descriptors.refusals
            self._close_some()
        if self._directory.has_changed(now):
            self._scan(now)
        elif self._unsure:
            self._seek(now)
        if not self._arrivals.is_empty:
            self._take_in(now)
        self._restarted = False

    def may_be_found(self, reader: Reader) -> bool:
        """Whether the rest of a content may be there, and there is no descriptor to look for it."""
        return reader.missing and reader in self._unsure

    def expects(self, file: Id) -> bool:
        """Whether the file is there and empty so far."""
        return self._arrivals.expects(file)

    def replaced(self, reader: Reader, now: float) -> None:
        """Follow the file's new content apart, and look for the rest of the old one."""
        tracked = reader.tracked
        log.info("%s was truncated or replaced at %d", tracked.path, reader.offset)
        fresh = Reader(Tracked(tracked.path, tracked.lane), self._unit)
        source, reader.source = reader.source, None
        if source:
            fresh.bind(tracked.path, source)
        fresh.tracked.mtime = 0
        fresh.grown = now
        self.readers.append(fresh)
        reader.was_truncated = True
        self.has_news = self.has_moved = True
        self._lose(reader, now, replaced=True)
        self._scan(now)

    def reopen(self, reader: Reader, now: float) -> None:
        """Go on with a file that was closed, if it is still the same."""
        if (
            reader.may_try(now)
            and reader.has_changed()
            and (reader.open(reader.tracked.path, now) is False)
        ):
            self._lose(reader, now, replaced=not reader.was_remade)
            self._scan(now)

    def _scan(self, now: float) -> None:
        self._scans += 1
        more, inodes, whole = set(), set(), set()
        for reader in self.readers:
            tracked = reader.tracked
            more.add(os.path.dirname(tracked.path))
            if tracked.target:
                more.add(os.path.dirname(tracked.target))
            inodes.add(tracked.inode)
            if self._restarted or reader in self._lost_at:
                whole.add(os.path.dirname(tracked.target or tracked.path))
        self._present = self._directory.list(now, more, inodes, whole)
        for reader in self.readers:
            if not reader.missing:
                self._find_again(reader, now)
        self._seek(now)
        self._arrivals.meet(self._present, self.readers, self._scans)
        if self._first:
            self.readers += self._arrivals.begin(now)
            self._first = False
        self._forget(now)
        names = {(file, path) for file, (path, _) in self._present.items()}
        if names != self._names:
            self._names, self.has_moved = names, True

    def _find_again(self, reader: Reader, now: float) -> None:
        """Follow a content's file to its present name, and see that it is still the same."""
        found = self._present.get(reader.id)
        tracked = reader.tracked
        if found is None:
            directory = os.path.dirname(tracked.path)
            if self._directory.unlisted & {directory, os.path.dirname(tracked.target)}:
                return  # it may be there, and cannot be seen
            if reader.has_a_name() and not os.path.exists(directory):
                return  # it is where its directory is
            if not reader.gone:
                self._lost_at[reader] = now
                self._directory.look_again()
            reader.gone = True
            if reader.source is None:
                self._lose(reader, now)
            return
        path, status = found
        reader.gone = False
        before, tracked.path = tracked.path, path
        if (
            reader.source is None
            and (status.st_mtime_ns, status.st_size) != reader.seen
            and reader.may_try(now)
            and reader.open(path, now) is False
        ):
            tracked.path = before
            self._lose(reader, now, replaced=not reader.was_remade)

    def _seek(self, now: float) -> None:
        """Look for the contents that no file is known to hold, and tell of those that are lost."""
        self._unsure.clear()
        self._look_for([reader for reader in self.readers if reader.missing], now)
        for reader in self._untold - self._unsure:
            if reader.missing:
                self.tell_loss(reader)
        self._untold &= self._unsure

    def _look_for(self, missing: list[Reader], now: float) -> None:
        if not missing:
            return
        looks = {(file, s.st_mtime_ns, s.st_size) for file, (_, s) in self._present.items()}
        taken = {reader.id for reader in self.readers}
        places = {path: file for file, (path, _) in self._present.items()}
        rotated: dict[str, list[Id]] = {}
        foreign: list[Id] = []
        for file, (path, _) in self._present.items():
            rotated.setdefault(self._directory.lane(path), []).append(file)
            if plain_name(path) != path:
                rotated.setdefault(plain_name(path), []).append(file)
            if not self._directory.wants(path) and not self._directory.has_rotated(path):
                foreign.append(file)
        for reader in missing:
            tracked = reader.tracked
            reader.tried &= looks
            candidates = []
            if tracked.origin != tracked.inode:
                # It is where it was, perhaps on a volume that was away and has another number.
                moved = places.get(tracked.path, (0, 0))
                candidates = [reader.holder]
                candidates += [moved] if moved[1] == tracked.inode else []
            same = [file for file in candidates if file in self._present]
            others = []
            if tracked.head:
                others = [*rotated.get(tracked.lane, []), *rotated.get(tracked.path, [])]
                if tracked.target:
                    others += rotated.get(live_path(tracked.target), [])
                others += foreign if reader in self._lost_at or self._restarted else []
            for n, file in enumerate([*same, *others]):
                path, status = self._present[file]
                look = (file, status.st_mtime_ns, status.st_size)
                as_copy = n >= len(same)
                if file in taken or not (status.st_size or (reader.offset and not as_copy)):
                    continue
                if as_copy and (
                    look in reader.tried or not may_be_copy(reader, path, status, self._directory)
                ):
                    continue
                is_same = reader.open(path, now, as_copy)
                if reader.was_refused:
                    self._unsure.add(reader)
                elif as_copy:
                    reader.tried.add(look)
                if is_same is False and file == reader.holder and not reader.was_remade:
                    tracked.origin = tracked.inode  # truncated while it could not be seen
                if is_same:
                    log.info("found the rest of %s in %s", tracked.lane, path)
                    self._arrivals.forget(file)
                    self._lost_at.pop(reader, None)
                    self._unsure.discard(reader)
                    taken.add(file)
                    self.has_moved = True
                    break

    def _take_in(self, now: float) -> None:
        files = self._arrivals.ready(now)
        rotated = [path for path in files.values() if live_path(path) != path]
        if rotated:
            # A new file may be the copy of one that was truncated just now.
            for reader in list(self.readers):
                may_have_copy = any(
                    has_copys_name(reader, path, self._directory) for path in rotated
                )
                if reader.source and may_have_copy and not reader.is_intact():
                    self.replaced(reader, now)
        for reader, was_there in self._arrivals.settle(files, self.readers, now):
            if reader not in self.readers:
                self._add(reader, was_there)
            self.has_news = self.has_moved = True

    def _add(self, reader: Reader, was_there: bool) -> None:
        """Put a new content where it belongs: last, or before what followed it in the same file."""
        tracked = reader.tracked
        if tracked.path != tracked.lane and not was_there:
            try:
                live = file_id(os.stat(tracked.lane))
            except OSError:
                live = (0, 0)
            for n, each in enumerate(self.readers):
                if each.id == live and each.source and tracked.birth >= each.tracked.birth:
                    # The file that it would have been renamed from is still there: a copy.
                    tracked.origin = live[1]
                    if not each.taken:
                        self.readers.insert(n, reader)
                        return
        self.readers.append(reader)

    def _lose(self, reader: Reader, now: float, replaced: bool = False) -> None:
        if replaced:
            reader.tracked.origin = reader.tracked.inode
        reader.lose()
        self._lost_at[reader] = now
        self._untold.add(reader)
        self.has_moved = True

    def _forget(self, now: float) -> None:
        """Drop the contents that are long gone, and close the files that are finished with."""
        kept = []
        wall = time.time()
        last = {reader.tracked.lane: reader for reader in self.readers}
        spare = sum(reader.missing for reader in self.readers) - REMEMBER
        for reader in self.readers:
            tracked = reader.tracked
            if reader.missing:
                age = wall - tracked.missing_since
                is_new = not tracked.head and not reader.pending
                if is_new and reader.holder not in self._present and _has_directory(tracked):
                    continue
                if age > FORGET and (age > FORGET_AWAY or not _is_away(tracked)):
                    continue
                if spare > 0 and not reader.pending:
                    spare -= 1
                    continue
            idle = now - reader.grown > KEEP_OPEN and not reader.pending
            is_over = reader is not last[tracked.lane] or reader.gone
            if idle and is_over and reader.source and reader.seen and not reader.has_changed():
                reader.close()
                if reader.gone:
                    self._lose(reader, now)
            kept.append(reader)
        self.readers = kept
        readers = set(kept)
        self._lost_at = {
            reader: at
            for reader, at in self._lost_at.items()
            if reader in readers and now - at < SEARCH
        }

    def _close_some(self) -> None:
        """Close files that have nothing more to read, those first that had nothing longest."""
        idle = [each for each in self.readers if each.source and each.seen and not each.gone]
        for reader in sorted(idle, key=lambda each: each.grown)[:CLOSE]:
            reader.close()

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


def _has_directory(tracked: Tracked) -> bool:
    """Whether the directory that held the file is there."""
    try:
        status = os.stat(os.path.dirname(tracked.target or tracked.path))
    except OSError:
        return False
    return tracked.device in (0, status.st_dev)


def _is_away(tracked: Tracked) -> bool:
    """Whether the file system that held the file is not where it was."""
    directory = os.path.dirname(tracked.target or tracked.path)
    while directory != "/":
        try:
            return os.stat(directory).st_dev != tracked.device
        except FileNotFoundError:
            directory = os.path.dirname(directory)
        except OSError:
            return True
    return False
