"""What the tailer does in cases that are worth a name; the rest is in test_tail_model."""

import gzip
import os
import shutil
import time
from pathlib import Path

import pytest
from kinesis_agent.checkpoint import Checkpoint, CheckpointError, Counters, Mark, State, Tracked
from kinesis_agent.frame import Lines, QuotedLines
from kinesis_agent.oversize import Oversize
from kinesis_agent.tail import Tailer

NOW = time.time()


class Tail:
    """A tailer whose pieces are accepted at once."""

    def __init__(self, pattern: Path, tracked: list[Tracked] | None = None, **options: object):
        self.now = NOW
        self.counters = Counters()
        options = {"from_start": True, "longest": 1000} | options
        framer = options.pop("framer", Lines())
        self.tailer = Tailer(str(pattern), framer, tracked, self.counters, **options)
        self.first = self.read()

    def read(self, later: float = 0.1) -> bytes:
        self.now += later
        self.tailer.poll(self.now)
        data = b""
        while piece := self.tailer.next(self.now):
            data += piece.data
            for reader, mark in piece.marks:
                reader.tracked.mark = mark
        return data

    def again(self, pattern: Path) -> "Tail":
        return Tail(pattern, [reader.tracked for reader in self.tailer.readers])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_starts_at_the_end_unless_told_and_at_the_start_of_what_comes_later(log: Path) -> None:
    log.write_bytes(b"old\n")
    tail = Tail(log, from_start=False)
    append(log, b"new\n")
    assert tail.read() == b"new\n"
    log.rename(f"{log}.1")
    log.write_bytes(b"newer\n")
    assert tail.read() == b"newer\n"


def test_a_deleted_file_is_read_to_its_end(log: Path) -> None:
    log.write_bytes(b"1\n")
    tail = Tail(log)
    append(log, b"2\nhalf")
    log.unlink()
    assert tail.read() == b"2\n"
    assert tail.read(6) == b"half"


def test_a_line_that_goes_on_after_a_rotation_is_one_line(log: Path) -> None:
    log.write_bytes(b"half")
    tail = Tail(log)
    assert tail.read(60) == b""
    log.rename(f"{log}.1")
    assert tail.read() + tail.read(4) == b""
    append(Path(f"{log}.1"), b" line\n")
    assert tail.read() == b"half line\n"


def test_a_line_that_a_copytruncate_cuts_is_one_line(log: Path) -> None:
    log.write_bytes(b"whole line\nfirst ha")
    tail = Tail(log)
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)
    assert tail.read() == b""
    append(log, b"lf\nnext\n")
    assert tail.read() == b"first half\nnext\n"


def test_a_file_and_its_copy_that_come_at_once_are_read_once(log: Path) -> None:
    tail = Tail(log)
    log.write_bytes(b"line\n")
    shutil.copyfile(log, f"{log}.1")
    append(log, b"next\n")
    written = log.stat().st_mtime
    os.utime(f"{log}.1", (written - 1, written - 1))
    assert tail.read() + tail.read() == b"line\nnext\n"
    os.truncate(log, 0)
    append(log, b"last\n")
    assert tail.read() + tail.read() == b"last\n"


def test_a_line_that_is_too_long_comes_in_parts_marked_so(log: Path) -> None:
    log.write_bytes(b"short\n")
    tail = Tail(log)
    append(log, b"x" * 200_000 + b"\nshort\n")
    tail.tailer.poll(tail.now + 1)
    pieces = []
    while piece := tail.tailer.next(tail.now + 1):
        pieces.append(piece)
    assert b"".join(piece.data for piece in pieces if piece.oversize) == b"x" * 200_000 + b"\n"
    assert [bool(piece.marks) for piece in pieces if piece.oversize][-1]
    assert pieces[-1].data == b"short\n"
    assert not any(piece.marks for piece in pieces[:-2])


def test_what_is_kept_aside_is_kept_once_and_never_overwritten(tmp_path: Path) -> None:
    """A truncated file may have another long line at the same place."""
    oversize = Oversize(tmp_path / "oversize", "flow")
    assert oversize.keep((1, 7), 46, b"xx", last=False) is None
    kept = oversize.keep((1, 7), 46, b"x\n", last=True)
    assert oversize.keep((1, 7), 46, b"xxx\n", last=True) is None
    other = oversize.keep((1, 7), 46, b"yyy\n", last=True)
    assert (kept.read_bytes(), other.read_bytes()) == (b"xxx\n", b"yyy\n")


def test_what_was_never_seen_is_read_if_a_rotator_named_it_and_nothing_else(log: Path) -> None:
    log.write_bytes(b"1\n")
    tail = Tail(log)
    append(log, b"2\n")
    log.rename(f"{log}.2")
    Path(f"{log}.1.gz").write_bytes(gzip.compress(b"3\n"))
    log.with_name("app-2.log").write_bytes(b"of another program\n")
    log.write_bytes(b"4\n")
    again = tail.again(log)
    assert again.first == b"2\n3\n4\n"


def test_what_is_remembered_of_deleted_files_does_not_grow_with_the_new_ones(log: Path) -> None:
    tail = Tail(log)
    for n in range(20):
        log.write_bytes(b"%d\n" % n)
        assert tail.read() == b"%d\n" % n
        log.unlink()
        assert tail.read(100) + tail.read(100) == b""  # a finished file is let go
    assert max(len(reader.tried) for reader in tail.tailer.readers) <= 1


def test_a_file_that_cannot_be_read_is_told_once(
    log: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal is the test's own."""
    tail = Tail(log)
    log.write_bytes(b"x\n")

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr("kinesis_agent.arrivals.open_source", refuse)
        assert tail.read() + tail.read() == b""
    assert caplog.text.count("cannot be read: Permission denied") == 1
    assert tail.read(2) == b"x\n"


def test_directories_may_have_wildcards(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.log").write_bytes(name.encode() + b"\n")
    tail = Tail(tmp_path / "*" / "*.log")
    assert len(tail.tailer.readers) == 2


def test_what_is_behind_is_as_old_as_its_oldest_line(log: Path) -> None:
    def write(at: float) -> None:
        append(log, b"line\n")
        os.utime(log, (at, at))

    write(NOW)
    tail = Tail(log)
    (reader,) = tail.tailer.readers
    marks = [Mark(5 * n) for n in range(12)]
    for second in range(1, 10):  # all but the newest line was accepted, as in a steady flow
        write(NOW + second)
        reader.tracked.mark = marks[second]
        assert reader.behind(NOW + second + 0.1) == (5, pytest.approx(0.1))
    write(NOW + 10)
    write(NOW + 20)
    assert reader.behind(NOW + 30) == (15, pytest.approx(21))
    (again,) = tail.again(log).tailer.readers
    again.tracked.mark = marks[9]
    assert again.behind(NOW + 40) == (15, pytest.approx(31)), "a restart makes nothing younger"
    again.tracked.mark = Mark(log.stat().st_size)
    assert again.behind(NOW + 50) == (0, 0)


def test_what_a_copy_lacks_is_counted_once_and_no_longer_behind(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    log.write_bytes(b"x" * 900 + b"\n" + 99 * (b"x" * 999 + b"\n"))  # more than a block
    tail.tailer.poll(tail.now)
    assert tail.tailer.next(tail.now)
    Path(f"{log}.1").write_bytes(log.read_bytes()[:-1000])
    os.truncate(log, 0)
    assert tail.read()
    assert tail.read(10) + tail.read(10) == b""
    assert tail.counters.lost_bytes == 1000
    assert [reader.behind(tail.now)[0] for reader in tail.tailer.readers] == [0, 0]


def test_a_record_with_an_open_quote_waits_for_its_end_but_not_for_ever(log: Path) -> None:
    log.touch()
    tail = Tail(log, framer=QuotedLines(","))
    append(log, b'1,"two\n')
    assert tail.read() == b""
    append(log, b'lines"\n3,"stray\n')
    assert tail.read() == b'1,"two\nlines"\n'
    assert tail.read(2) == b'3,"stray\n'


def test_nul_bytes_are_no_new_content(log: Path) -> None:
    """A writer that does not append leaves a hole behind when its file is truncated."""
    log.write_bytes(b"one line\n")
    tail = Tail(log)
    with log.open("r+b") as file:
        file.truncate(0)
        file.seek(9)
        file.write(b"two line\n")
    assert tail.read() == b"", "they may be filled in later"
    assert tail.read(3) + tail.read(3) == b"two line\n"


def test_the_checkpoint_file(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    tracked = Tracked("/x/app.log.1", "/x/app.log", b"head", Mark(4, b"head"), 1, 2)
    checkpoint = Checkpoint(path)
    state = State(
        flows={"KinesisStream:s /x/app.log": [tracked]}, counters={"x": Counters(records_sent=7)}
    )
    assert checkpoint.save(state)
    assert path.read_text() == (
        '{"version":1,"flows":{"KinesisStream:s /x/app.log":[{"path":"/x/app.log.1",'
        '"lane":"/x/app.log","head":"aGVhZA==","mark":[4,"aGVhZA=="],"device":1,"inode":2}]},'
        '"counters":{"x":{"records_sent":7}}}'
    )
    assert path.stat().st_mode & 0o777 == 0o600
    again = Checkpoint(path)
    assert not again.save(again.load()), "what is unchanged is not written"
    path.write_bytes(b"SQLite format 3\0")
    with pytest.raises(CheckpointError, match="move it away"):
        Checkpoint(path).load()
