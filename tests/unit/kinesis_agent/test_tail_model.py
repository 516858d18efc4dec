"""The tailer against a model: whatever is written and however it is rotated, no line is lost."""

import errno
import gzip
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from kinesis_agent.checkpoint import Counters, Tracked
from kinesis_agent.files import open_source
from kinesis_agent.frame import Lines
from kinesis_agent.tail import Tailer

# More than what a file is known by.
HEADER = b"#" + b"column," * 50


class Rotations(RuleBasedStateMachine):
    """A writer, a rotator and a tailer, which may be killed, on real files.

    Each line that was written comes as often as it was written, whole: a line comes less often only
    where it was destroyed unread, and more often only after a kill, or where nobody can tell what
    became of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = self.folder / "app.log"
        self.now = time.time()
        self.number = self.made = 0
        self.partial = b""
        self.torn: set[bytes] = set()
        self.blurred = False
        # A line was cut by a copytruncate that the tailer has not seen yet.
        self.cut = False
        # The same, whether or not it cut a line.
        self.was_copied = False
        # A file was emptied or deleted; nobody can tell where a line goes on that is begun then.
        self.was_destroyed = False
        self.written: Counter[bytes] = Counter()
        self.fragments: set[bytes] = set()
        self.at_risk: Counter[bytes] = Counter()
        self.emitted: Counter[bytes] = Counter()
        self.may_repeat = False
        self.deleted: Counter[bytes] = Counter()
        self.tailer: Tailer | None = None
        self.saved: bytes | None = None
        self.copying = False
        self.renamed: Path | None = None
        # Where the text of the file ends that is written to, if NULs follow it.
        self.text_end: int | None = None
        # What was begun in files that are never rotated, by the last part of their names.
        self.begun: dict[int, bytes] = {}
        self.is_readable = True
        self.patches = [
            patch(f"kinesis_agent.{module}.open_source", self.open_source)
            for module in ("arrivals", "reader")
        ]
        for each in self.patches:
            each.start()

    def teardown(self) -> None:
        if self.copying:
            self.truncate_after_copy()
        if self.renamed:
            self.reopen()
        self.is_readable = True
        self.restart()
        for _ in range(4):
            self.now += 30
            self.read()
        for each in self.patches:
            each.stop()
        lost = self.written - self.emitted - self.at_risk
        assert not lost, f"lost: {sorted(lost)}"
        if self.tailer:
            for reader in self.tailer.readers:
                reader.close()
        shutil.rmtree(self.folder)

    @initialize(
        pattern=st.sampled_from(["app.log", "app.log*"]),
        linked=st.booleans(),
        lines=st.integers(0, 3),
    )
    def begin(self, pattern: str, linked: bool, lines: int) -> None:
        self.pattern = pattern
        if linked:
            pods = self.folder / "pods"
            pods.mkdir()
            self.log.symlink_to(pods / "0.log")
            self.log = pods / "0.log"
        self.make_log()
        self.start()
        self.write(lines, 30)

    # --- the writer

    @rule(lines=st.integers(1, 20), size=st.sampled_from([20, 100, 3000]))
    def write(self, lines: int, size: int) -> None:
        for _ in range(lines):
            self.number += 1
            self.finish(size)

    def finish(self, size: int = 0) -> None:
        """Write the rest of the line that was begun, or a whole one."""
        line = self.partial + b"%d," % self.number + b"x" * size
        self.append(line[len(self.partial) :] + b"\n")
        if self.torn:
            self.fragments |= {start + line for start in self.torn}
        else:
            self.written[line] += 1
        self.blur(line)
        self.partial, self.torn = b"", set()

    def blur(self, line: bytes) -> None:
        """Note that a line may be taken for the rest of one whose real rest was destroyed."""
        if self.blurred:
            self.fragments |= {start + line for start in self.fragments}
            self.at_risk[line] += 1
            self.blurred = False

    @precondition(lambda self: not self.was_destroyed)
    @rule()
    def write_a_part(self) -> None:
        self.number += 1
        part = b"part %d," % self.number
        self.append(part)
        self.partial += part

    def append(self, data: bytes) -> None:
        path = self.renamed or self.log
        with path.open("ab" if self.text_end is None else "r+b") as file:
            if self.text_end is not None:
                file.seek(self.text_end)
                self.text_end += len(data)
            file.write(data)
        self.date(path)

    @precondition(lambda self: not self.copying)
    @rule(size=st.sampled_from([10, 5000]))
    def reserve(self, size: int) -> None:
        """Let the file end in NULs, which are filled in later."""
        path = self.renamed or self.log
        end = path.stat().st_size
        self.text_end = end if self.text_end is None else self.text_end
        os.truncate(path, end + size)
        self.date(path)

    @precondition(lambda self: self.pattern == "app.log*")
    @rule(last=st.sampled_from([17, 30]), ends=st.booleans())
    def write_elsewhere(self, last: int, ends: bool) -> None:
        """Write to one of two logs that are named after addresses, and look like dates."""
        self.number += 1
        part = b"elsewhere %d," % self.number
        path = self.folder / f"app.log-2017-08-28_10.10.40.{last}"
        with path.open("ab") as file:
            file.write(part + b"\n" * ends)
        self.begun[last] = self.begun.get(last, b"") + part
        if ends:
            self.written[self.begun.pop(last)] += 1
        self.date(path)

    def make_log(self) -> None:
        """Make the file, later than the one before by the file system's clock."""
        self.log.touch()
        while self.log.stat().st_ctime_ns <= self.made:
            self.log.unlink()
            self.log.touch()
        self.made = self.log.stat().st_ctime_ns

    def date(self, *paths: Path) -> None:
        """Let changes have the model's time, and no two the same."""
        self.now += 0.001
        for path in (*paths, self.folder, self.log.parent):
            os.utime(path, ns=(0, int(self.now * 1e9)))

    # --- the rotator

    def shift(self) -> None:
        """Make room for app.log.1, as logrotate does."""
        found = self.log.parent.glob(f"{self.log.name}.[0-9]*")
        for path in sorted(found, key=_generation, reverse=True):
            number, _, rest = path.name.removeprefix(f"{self.log.name}.").partition(".")
            path.rename(f"{self.log}.{int(number) + 1}{rest and '.' + rest}")

    @precondition(lambda self: not self.copying and not self.renamed)
    @rule(out=st.booleans(), keeps_open=st.booleans())
    def rename(self, out: bool, keeps_open: bool) -> None:
        if out and not self.is_known(self.log):
            return  # what was never seen cannot be known under any name
        self.shift()
        target = self.log.with_name(f"saved-{self.number}" if out else f"{self.log.name}.1")
        self.log.rename(target)
        if keeps_open:
            self.renamed = target
            self.date()
        else:
            self.abandon()
            self.make_log()
            self.date(self.log)

    def abandon(self) -> None:
        """The writer ends in the middle of a line and starts anew."""
        if self.torn:
            self.fragments |= {start + self.partial for start in self.torn}
        elif self.partial:
            self.written[self.partial] += 1
        if self.partial:
            self.blur(self.partial)
        self.partial, self.torn, self.text_end = b"", set(), None

    @precondition(lambda self: self.renamed)
    @rule()
    def reopen(self) -> None:
        self.renamed = None
        self.abandon()
        self.make_log()
        self.date(self.log)

    @precondition(lambda self: not self.copying and not self.renamed and self.text_end is None)
    @rule()
    def copy(self) -> None:
        self.shift()
        copy = self.log.with_name(f"{self.log.name}.1")
        shutil.copyfile(self.log, copy)
        self.date(copy)
        self.copied = self.log.stat().st_size
        self.copying = True

    @precondition(lambda self: self.copying)
    @rule()
    def truncate_after_copy(self) -> None:
        self.risk(self.log, self.copied)
        self.was_copied = True
        if self.partial:
            # It goes on in the emptied file. Whether that can be known depends on what was seen.
            self.tear({b""})
            self.partial = b""
            self.cut = True
        os.truncate(self.log, 0)
        self.date(self.log)
        self.copying = False

    @precondition(lambda self: not self.copying and not self.renamed and self.keeps_inodes())
    @rule()
    def truncate(self) -> None:
        self.empty()
        self.date(self.log)

    def empty(self) -> None:
        self.risk(self.log, 0)
        os.truncate(self.log, 0)
        self.text_end, self.was_destroyed = None, True

    @precondition(lambda self: not self.copying and not self.renamed and self.keeps_inodes())
    @rule(alike=st.booleans(), longer=st.booleans())
    def rewrite(self, alike: bool, longer: bool) -> None:
        """Write the log anew in place, at least as long as it was; it may begin alike."""
        size = self.log.stat().st_size
        self.empty()
        if alike:
            self.write_line(HEADER)
        while self.log.stat().st_size < size + longer:
            self.number += 1
            self.finish(100)

    def write_line(self, line: bytes) -> None:
        """Write a whole line, which may have been written before."""
        self.append(line + b"\n")
        self.written[line] += 1
        self.blur(line)

    @precondition(lambda self: not self.copying and not self.renamed and self.keeps_inodes())
    @rule(archived=st.booleans())
    def delete(self, archived: bool) -> None:
        """Or move the log to where nobody looks, and begin alike."""
        if self.tailer is None or self.unread(self.log) is None:
            self.risk(self.log, 0)
        self.abandon()
        self.was_destroyed = True
        self.deleted += Counter(self.log.read_bytes().split(b"\n"))
        if archived:
            (self.folder / "archive").mkdir(exist_ok=True)
            self.log.rename(self.folder / "archive" / f"{self.number}-{self.now}")
        else:
            self.log.unlink()
        self.make_log()
        self.date(self.log)
        if archived:
            self.write_line(HEADER)

    @precondition(
        lambda self: self.pattern == "app.log*" and not self.renamed and self.keeps_inodes()
    )
    @rule()
    def write_the_same_elsewhere(self) -> None:
        """Another log holds what this one does."""
        text = self.log.read_bytes().rstrip(b"\0")
        lines = text.split(b"\n")[:-1]
        if lines and set(lines) <= set(self.written):
            self.number += 1
            path = self.folder / f"app.log-of-{self.number}x"
            path.write_bytes(text)
            self.written.update(lines)
            self.date(path)

    def risk(self, path: Path, safe: int) -> None:
        """Note the lines of a file that are destroyed before a copy of them could be read."""
        data = path.read_bytes()
        if data[safe:]:
            self.blurred = bool(self.fragments)
            broken = data[:safe].rpartition(b"\n")[2]
            self.at_risk.update((broken + data[safe:]).split(b"\n"))
            # The tailer may know more of the torn line than the copy.
            self.tear({b"", broken})
            self.partial = b""

    def tear(self, starts: set[bytes]) -> None:
        """Note what may be known of the line that is being written, whose start may be gone."""
        ends = [
            self.partial[:n] for n in range(len(self.partial) + 1) if self.partial[:n][-1:] in b","
        ]
        self.torn = starts | {start + end for start in self.torn or {b""} for end in ends}
        self.fragments |= self.torn

    def keeps_inodes(self) -> bool:
        """Nobody can tell where a torn line goes on if files were destroyed meanwhile."""
        return not (self.partial or self.torn or self.cut)

    @precondition(lambda self: self.keeps_inodes() and self.is_readable)
    @rule()
    def compress(self) -> None:
        """What could not be looked at before may be a copy as well as a renamed file."""
        path = self.log.with_name(f"{self.log.name}.1")
        if not path.exists() or self.renamed == path or self.copying:
            return
        status = path.stat()
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
        os.utime(f"{path}.gz", ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()
        self.date()
        # Nobody can tell that what was copied is no other log if its file was never seen again.
        self.may_repeat |= self.was_copied

    # --- the tailer

    def start(self) -> None:
        tracked = msgspec.json.decode(self.saved, type=list[Tracked]) if self.saved else None
        path = str(self.folder / self.pattern)
        self.tailer = Tailer(path, Lines(), tracked, Counters(), True, 1 << 20)
        self.tailer.poll(self.now)
        self.save()

    def save(self) -> None:
        assert self.tailer
        self.saved = msgspec.json.encode([reader.tracked for reader in self.tailer.readers])

    def unread(self, path: Path) -> int | None:
        """How many bytes of the file the tailer has not read; None where it does not know it."""
        assert self.tailer
        status = path.stat()
        for reader in self.tailer.readers:
            if reader.id == (status.st_dev, status.st_ino) and reader.source:
                return status.st_size - reader.offset
        return None

    def is_known(self, path: Path) -> bool:
        """Whether the tailer has seen this content of the file, also after a kill."""
        if self.tailer is None:
            return False
        self.tailer.poll(self.now)
        self.save()
        return self.unread(path) is not None and all(
            reader.is_intact() for reader in self.tailer.readers
        )

    @precondition(lambda self: self.tailer)
    @rule()
    def read(self) -> None:
        assert self.tailer
        self.tailer.poll(self.now)
        while piece := self.tailer.next(self.now):
            for line in piece.data.removesuffix(b"\n").split(b"\n") if piece.data else []:
                self.emitted[line] += 1
                assert self.was_written(line), f"never written: {line}"
            for reader, mark in piece.marks:
                reader.tracked.mark = mark
        self.cut = self.was_copied = self.was_destroyed = False

    def was_written(self, line: bytes) -> bool:
        return (
            line in self.written
            or line in self.fragments
            or any(each.startswith(line) for each in self.at_risk)
        )

    @precondition(lambda self: self.tailer)
    @rule()
    def read_and_save(self) -> None:
        self.read()
        self.save()

    @precondition(lambda self: self.tailer)
    @rule(gracefully=st.booleans())
    def end(self, gracefully: bool) -> None:
        assert self.tailer
        if gracefully:
            self.save()
        else:
            self.may_repeat = True
        for reader in self.tailer.readers:
            reader.close()
        self.tailer = None
        self.at_risk += self.deleted

    @precondition(lambda self: not self.tailer)
    @rule()
    def restart(self) -> None:
        if self.tailer is None:
            self.start()

    def may_wait(self) -> bool:
        """Whether what goes on is not of the kind that is given up after a while."""
        return not self.copying and not (self.renamed and self.partial)

    @precondition(may_wait)
    @rule(seconds=st.sampled_from([0.1, 2, 15]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def forbid_or_allow(self) -> None:
        """Let files be such as may not be opened, for a while: a copy cannot be told then."""
        self.is_readable = not self.is_readable
        self.may_repeat = True

    def open_source(self, path: str) -> Any:
        if not self.is_readable:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return open_source(path)

    @precondition(lambda self: self.tailer and self.may_wait())
    @rule(seconds=st.sampled_from([0.1, 15]))
    def look_while_away(self, seconds: float) -> None:
        """The directory, as a volume, is not there for a while."""
        hidden = self.folder.rename(f"{self.folder}-away")
        self.now += seconds
        try:
            self.read()
        finally:
            hidden.rename(self.folder)

    @invariant()
    def nothing_twice(self) -> None:
        if not self.may_repeat:
            twice = [n for n, count in self.emitted.items() if count > max(1, self.written[n])]
            assert not twice, f"twice: {twice}"


def _generation(path: Path) -> int:
    return int(path.name.split(".log.")[1].partition(".")[0])


def test_rotations(full: bool) -> None:
    """Some runs of 40 cases, each of a seed.

    The files are real ones: where another process took an inode number meanwhile, the same steps
    lead elsewhere, and hypothesis ends that run. Another one is made instead.
    """
    wanted = runs = 50 if full else 1
    for number in range(3 * wanted):
        try:
            run_state_machine_as_test(
                seed(number)(Rotations),
                settings=settings(
                    max_examples=40,
                    stateful_step_count=40,
                    database=None,
                    report_multiple_bugs=False,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
                ),
            )
        except FlakyStrategyDefinition:
            continue
        runs -= 1
        if not runs:
            return
    pytest.fail(f"{runs} of {wanted} runs ended early")
