"""The tailer against a model: whatever is written and however it is rotated, no line is lost."""

import gzip
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from kinesis_agent.checkpoint import Counters, Tracked
from kinesis_agent.frame import Lines
from kinesis_agent.tail import Tailer


class Rotations(RuleBasedStateMachine):
    """A writer, a rotator and a tailer, which may be killed, on real files."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = self.folder / "app.log"
        self.now = time.time()
        self.number = 0
        self.partial = b""
        self.torn: set[bytes] = set()
        self.blurred = False
        # A line was cut by a copytruncate that the tailer has not seen yet.
        self.cut = False
        self.written: set[bytes] = set()
        self.fragments: set[bytes] = set()
        self.at_risk: set[bytes] = set()
        self.emitted: Counter[bytes] = Counter()
        self.may_repeat = False
        self.deleted: set[bytes] = set()
        self.tailer: Tailer | None = None
        self.saved: bytes | None = None
        self.copying = False
        self.renamed: Path | None = None

    def teardown(self) -> None:
        if self.copying:
            self.truncate_after_copy()
        if self.renamed:
            self.reopen()
        self.restart()
        for _ in range(4):
            self.now += 30
            self.read()
        lost = self.written - set(self.emitted) - self.at_risk
        assert not lost, f"lost: {sorted(lost)}"
        if self.tailer:
            for reader in self.tailer.readers:
                reader.close()
        shutil.rmtree(self.folder)

    @initialize(pattern=st.sampled_from(["app.log", "app.log*"]), lines=st.integers(0, 3))
    def begin(self, pattern: str, lines: int) -> None:
        self.pattern = pattern
        self.log.touch()
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
            self.written.add(line)
        self.blur(line)
        self.partial, self.torn = b"", set()

    def blur(self, line: bytes) -> None:
        """Note that a line may be taken for the rest of one whose real rest was destroyed."""
        if self.blurred:
            self.fragments |= {start + line for start in self.fragments}
            self.at_risk.add(line)
            self.blurred = False

    @rule()
    def write_a_part(self) -> None:
        self.number += 1
        part = b"part %d," % self.number
        self.append(part)
        self.partial += part

    def append(self, data: bytes) -> None:
        with (self.renamed or self.log).open("ab") as file:
            file.write(data)
        self.date(self.renamed or self.log)

    def date(self, *paths: Path) -> None:
        """Let changes have the model's time, and no two the same."""
        self.now += 0.001
        for path in (*paths, self.folder):
            os.utime(path, ns=(0, int(self.now * 1e9)))

    # --- the rotator

    def shift(self) -> None:
        """Make room for app.log.1, as logrotate does."""
        for name in sorted(self.folder.glob("app.log.[0-9]*"), key=_generation, reverse=True):
            number, _, rest = name.name.removeprefix("app.log.").partition(".")
            name.rename(self.folder / f"app.log.{int(number) + 1}{rest and '.' + rest}")

    @precondition(lambda self: not self.copying and not self.renamed)
    @rule(out=st.booleans(), keeps_open=st.booleans())
    def rename(self, out: bool, keeps_open: bool) -> None:
        if out and not self.is_known(self.log):
            return  # what was never seen cannot be known under any name
        self.shift()
        target = self.folder / (f"saved-{self.number}" if out else "app.log.1")
        self.log.rename(target)
        if keeps_open:
            self.renamed = target
            self.date()
        else:
            self.abandon()
            self.log.touch()
            self.date(self.log)

    def abandon(self) -> None:
        """The writer ends in the middle of a line and starts anew."""
        if self.torn:
            self.fragments |= {start + self.partial for start in self.torn}
        elif self.partial:
            self.written.add(self.partial)
        if self.partial:
            self.blur(self.partial)
        self.partial, self.torn = b"", set()

    @precondition(lambda self: self.renamed)
    @rule()
    def reopen(self) -> None:
        self.renamed = None
        self.abandon()
        self.log.touch()
        self.date(self.log)

    @precondition(lambda self: not self.copying and not self.renamed)
    @rule()
    def copy(self) -> None:
        self.shift()
        shutil.copyfile(self.log, self.folder / "app.log.1")
        self.date(self.folder / "app.log.1")
        self.copied = self.log.stat().st_size
        self.copying = True

    @precondition(lambda self: self.copying)
    @rule()
    def truncate_after_copy(self) -> None:
        self.risk(self.log, self.copied)
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
        self.risk(self.log, 0)
        os.truncate(self.log, 0)
        self.date(self.log)

    @precondition(lambda self: not self.copying and not self.renamed and self.keeps_inodes())
    @rule()
    def delete(self) -> None:
        if self.tailer is None or self.unread(self.log) is None:
            self.risk(self.log, 0)
        self.abandon()
        self.deleted |= set(self.log.read_bytes().split(b"\n"))
        self.log.unlink()
        self.log.touch()
        self.date(self.log)

    def risk(self, path: Path, safe: int) -> None:
        """Note the lines of a file that are destroyed before a copy of them could be read."""
        data = path.read_bytes()
        if data[safe:]:
            self.blurred = bool(self.fragments)
            broken = data[:safe].rpartition(b"\n")[2]
            self.at_risk |= set((broken + data[safe:]).split(b"\n"))
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

    @precondition(keeps_inodes)
    @rule()
    def compress(self) -> None:
        path = self.folder / "app.log.1"
        if not path.exists() or self.renamed == path or self.copying:
            return
        status = path.stat()
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
        os.utime(f"{path}.gz", ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()
        self.date()

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
        self.cut = False

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
        self.at_risk |= self.deleted

    @precondition(lambda self: not self.tailer)
    @rule()
    def restart(self) -> None:
        if self.tailer is None:
            self.start()

    @precondition(lambda self: not self.copying and not (self.renamed and self.partial))
    @rule(seconds=st.sampled_from([0.1, 2, 15]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_twice(self) -> None:
        if not self.may_repeat:
            twice = [line for line, count in self.emitted.items() if count > 1]
            assert not twice, f"twice: {twice}"


def _generation(path: Path) -> int:
    return int(path.name.split(".")[2])


def test_rotations(full: bool) -> None:
    run_state_machine_as_test(
        Rotations,
        settings=settings(
            max_examples=2_000 if full else 40,
            derandomize=not full,
            stateful_step_count=40,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
