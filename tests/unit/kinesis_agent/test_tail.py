"""What the tailer does in cases that are worth a name; the rest is in test_tail_model."""

import errno
import gzip
import os
import shutil
import time
from pathlib import Path

import pytest
from kinesis_agent import links
from kinesis_agent.checkpoint import Checkpoint, CheckpointError, Counters, Mark, State, Tracked
from kinesis_agent.files import descriptors, live_name, open_source
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


HEADER = b"#" + b"".join(b"column_number_%02d," % n for n in range(20)) + b"\n"


def test_a_log_that_begins_as_an_older_one_is_read(log: Path, tmp_path: Path) -> None:
    log.write_bytes(HEADER + b"a\n")
    tail = Tail(log)
    again = tail.again(log)
    (tmp_path / "archive").mkdir()
    log.rename(tmp_path / "archive" / "app.log")
    log.write_bytes(HEADER + b"b\n")
    assert again.read() == HEADER + b"b\n"
    log.rename(f"{log}.1")
    log.write_bytes(HEADER)
    assert again.read() == HEADER


def test_the_same_content_in_other_files_is_read(tmp_path: Path) -> None:
    """Also where the first is gone, and where its inode is used again."""
    tail = Tail(tmp_path / "*.log")
    for name in "abc":
        (tmp_path / f"nightly-{name}.log").write_bytes(HEADER)
        assert tail.read() == HEADER
    for _ in range(3):
        spooled = tmp_path / "event.log"
        spooled.write_bytes(b"door opened\n")
        assert tail.read() + tail.read() == b"door opened\n"
        spooled.unlink()
        tail.read(100), tail.read(100)


def test_a_rotated_name_does_not_prove_a_copy(log: Path) -> None:
    log.write_bytes(HEADER)
    tail = Tail(log)
    shutil.copyfile(log, f"{log}.1")
    assert tail.read() + tail.read() == b"", "it may be about to be truncated"
    assert tail.read(11) == HEADER
    os.utime(log, (NOW - 10, NOW - 10))
    assert tail.read() + tail.read() == b""
    shutil.copy2(log, f"{log}.2")
    assert tail.read(11) + tail.read(11) == b"", "it has the time of what was read"


@pytest.mark.parametrize("longer", [b"", b"and more\n"])
@pytest.mark.parametrize("start", [b"", HEADER])
def test_a_file_that_is_rewritten_in_place_is_read_anew(
    log: Path, start: bytes, longer: bytes
) -> None:
    tail = Tail(log)
    for n in range(3):
        body = (
            start + b"report %d\n" % n + 5 * b"all the services of this machine are fine\n" + longer
        )
        log.write_bytes(body)
        assert tail.read() + tail.read() == body


def test_a_long_file_is_rewritten_with_lines_that_end_alike(log: Path) -> None:
    tail = Tail(log, longest=1 << 20)
    for n in range(3):
        body = HEADER + b"".join(b"%d %03d %s\n" % (n, k, b"x" * 90) for k in range(300))
        log.write_bytes(body)
        assert tail.read() + tail.read() == body


def test_a_job_that_says_the_same_again_says_it_again_and_a_set_time_says_nothing(
    log: Path,
) -> None:
    tail = Tail(log)
    log.write_bytes(b"all is well\n")
    assert tail.read() + tail.read() + tail.read() == b"all is well\n"
    os.utime(log, (NOW - 100, NOW - 100))
    assert tail.read() + tail.read() + tail.read() == b""
    log.write_bytes(b"all is well\n")
    assert tail.read() + tail.read() + tail.read() == b"all is well\n"
    again = tail.again(log)
    assert again.first + again.read() + again.read() == b""
    log.write_bytes(b"all is well\n")
    assert again.again(log).first == b"all is well\n"


def test_nuls_at_the_end_are_not_yet_a_line(log: Path) -> None:
    log.write_bytes(b"1\n" + bytes(4096))
    tail = Tail(log)
    assert tail.first + tail.read() == b"1\n"
    assert tail.tailer.readers[0].behind(NOW)[0] == 0
    before = log.stat()
    with log.open("r+b") as file:
        file.seek(2)
        file.write(b"2\nhal")
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))  # as what is mapped
    assert tail.read(10) == b"2\n"
    with log.open("r+b") as file:
        file.seek(7)
        file.write(b"f\n")
    assert tail.read() == b"half\n"
    append(log, b"end\n")
    assert tail.read() == b"", "what lies between may come yet"
    assert tail.read(3) == b"end\n"


def test_the_hole_of_a_truncation_is_no_text(log: Path) -> None:
    with log.open("wb", buffering=0) as file:
        file.write(b"x" * 300_000 + b"\n")
        tail = Tail(log, longest=1 << 20)
        assert len(tail.first) == 300_001
        shutil.copyfile(log, f"{log}.1")
        os.truncate(log, 0)
        file.write(b"first\n")
        tail.read()
        file.write(b"second\n")
        assert tail.read(3) + tail.read(3) == b"first\nsecond\n"
        assert tail.again(log).first == b""


def test_a_link_whose_target_was_rotated_meanwhile(tmp_path: Path) -> None:
    pods, link = tmp_path / "pods", tmp_path / "in" / "app.log"
    pods.mkdir(), link.parent.mkdir()
    target = pods / "0.log"
    target.write_bytes(b"1\n")
    link.symlink_to(target)
    tail = Tail(link)
    append(target, b"2\n")
    target.rename(f"{target}.20261126-000001")
    target.write_bytes(b"3\n")  # rotated before it was ever seen
    target.rename(f"{target}.20261127-000001")
    target.write_bytes(b"4\n")
    again = tail.again(link)
    assert sorted((again.first + again.read()).split()) == [b"2", b"3", b"4"]


def test_a_link_whose_target_is_rotated_at_once(tmp_path: Path) -> None:
    pods, link = tmp_path / "pods", tmp_path / "app.log"
    pods.mkdir()
    target = pods / "0.log"
    target.write_bytes(b"1\n")
    (pods / "0.log.20261119-000001").write_bytes(b"old\n")
    link.symlink_to(target)
    os.utime(tmp_path, (NOW - 100, NOW - 100))
    tail = Tail(link)
    for n in range(2):
        append(target, b"more\n")
        target.rename(f"{target}.2026112{n}-000001")
        target.write_bytes(b"%d\n" % n)
        assert sorted((tail.read() + tail.read()).split()) == [b"%d" % n, b"more"]


def test_a_link_whose_target_is_rotated_before_it_could_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    pods, link = tmp_path / "pods", tmp_path / "app.log"
    pods.mkdir()
    link.symlink_to(pods / "0.log")
    tail = Tail(link)
    with monkeypatch.context() as patch:
        patch.setattr("kinesis_agent.arrivals.open_source", refuse)
        (pods / "0.log").write_bytes(b"1\n")
        assert tail.read() + tail.read() == b""
        (pods / "0.log").rename(pods / "0.log.1")
        (pods / "0.log").touch()
    assert tail.read(12) + tail.read(2) == b"1\n"


def test_what_is_copied_and_compressed_beside_a_link_s_target_is_known(tmp_path: Path) -> None:
    pods, link = tmp_path / "pods", tmp_path / "app.log"
    pods.mkdir()
    target, copy = pods / "0.log", pods / "0.log.1"
    link.symlink_to(target)
    target.touch()
    tail = Tail(link)
    target.write_bytes(b"1\n")
    shutil.copyfile(target, copy)
    append(target, b"2\n")
    assert tail.read() == b"1\n2\n"
    os.truncate(target, 0)
    assert tail.read() + tail.read(12) + tail.read() == b"", "it was there before the second line"
    target.write_bytes(b"3\n")
    copy.rename(pods / "0.log.2")
    shutil.copyfile(target, copy)
    os.truncate(target, 0)
    assert tail.read() + tail.read(12) == b"3\n"
    (pods / "0.log.3.gz").write_bytes(gzip.compress(copy.read_bytes()))
    copy.unlink()
    assert tail.read() + tail.read(12) == b""


def test_a_log_that_is_younger_than_what_it_lacks_is_no_copy(log: Path, tmp_path: Path) -> None:
    """It begins alike and ends before what was read of the log before it."""
    tail = Tail(log)
    log.write_bytes(HEADER + 99 * b"a line\n")
    assert tail.read() == log.read_bytes()
    log.write_bytes(b"2\n")
    log.rename(tmp_path / "archive")
    Path(f"{log}.1").write_bytes(HEADER + b"3\n")
    found = tail.read() + tail.read(12) + tail.read(12)
    assert HEADER + b"3\n" in found


def test_a_torn_end_does_not_go_on_in_a_log_that_begins_alike(log: Path) -> None:
    """Both came while the agent was down, and nothing could be taken for a while after it."""
    Path(f"{log}.1").write_bytes(HEADER + b"half")
    log.write_bytes(HEADER)
    tailer = Tailer(str(log), Lines(), [], Counters(), True, 1000)
    found = []
    for now in (NOW, NOW + 12, NOW + 24, NOW + 36):
        tailer.poll(now)
        while now > NOW + 12 and (piece := tailer.next(now)):
            found.append(piece.data)
    assert sorted(found) == [HEADER, HEADER, b"half"]


def test_a_link_to_the_current_log(tmp_path: Path) -> None:
    for day in (26, 27):
        (tmp_path / f"app-202611{day}.log").write_bytes(b"%d\n" % day)
    link = tmp_path / "current"
    link.symlink_to("app-20261126.log")
    tail = Tail(link)
    assert tail.first == b"26\n"
    append(tmp_path / "app-20261126.log", b"half")
    link.unlink()
    link.symlink_to("app-20261127.log")
    assert tail.read() == b"27\n"
    assert tail.read(6) + tail.read(6) == b"half"


def test_a_stranger_s_link_is_not_followed(
    tmp_path: Path, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As the system's protected_symlinks, but for who may read."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret\n")
    log.symlink_to(secret)
    os.chown(log, 12345, -1, follow_symlinks=False)
    tail = Tail(log)
    assert tail.first + tail.read(2) == b""
    assert caplog.text.count("user 12345 made the link") == 1
    Path(f"{secret}.1").write_bytes(b"older secret\n")
    assert tail.read(2) + tail.read(2) == b"", "nor to what was rotated beside its target"
    os.chown(log, 0, -1, follow_symlinks=False)
    assert sorted(tail.read(12) + tail.read(2)) == sorted(b"secret\nolder secret\n")


def test_a_link_that_is_made_while_a_file_is_opened_leads_nowhere(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret\n")
    log.write_bytes(b"log\n")

    def swap(*arguments: object) -> None:
        log.unlink()
        log.symlink_to(secret)
        check(*arguments)

    check = links._check
    monkeypatch.setattr(links, "_check", swap)
    source = open_source(str(log))
    assert source.read_at(0, 9) == b"log\n"
    source.close()


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("app.log.1", "app.log"),
        ("app.log.12.gz", "app.log"),
        ("app.log-20260131", "app.log"),
        ("app.log-20260131-1769817600.gz", "app.log"),
        ("app-2026-01-31.log", "app.log"),
        ("app-2026-01-31-2.log", "app.log"),
        ("app.log.2026-01-31_23-59", "app.log"),
        ("0.log.20261127-000001", "0.log"),
        ("app-2.log", "app-2.log"),
        ("app-123456.log", "app-123456.log"),
        ("worker.12345", "worker.12345"),
        ("app-20261399.log", "app-20261399.log"),
        ("2017-08-28_10.10.40.17.log", "2017-08-28_10.10.40.17.log"),
        ("app-2017-08-28_10.10.40.17.log", "app-2017-08-28_10.10.40.17.log"),
    ],
)
def test_what_a_rotator_makes_of_a_name(name: str, live: str) -> None:
    assert live_name(name) == live


def test_numbers_of_processes_tear_no_line_and_hold_up_no_other(tmp_path: Path) -> None:
    a, b = tmp_path / "worker.101", tmp_path / "worker.102"
    a.write_bytes(b"a\n"), b.write_bytes(b"b\n")
    tail = Tail(tmp_path / "worker.*")
    append(a, b"begin ")
    assert tail.read() + tail.read(7) == b""
    append(a, b"end\n")
    append(b, b"b\n")
    tail.now += 1
    tail.tailer.poll(tail.now)
    taken = []
    while piece := tail.tailer.next(tail.now):
        taken.append(piece.data)
        if len(taken) < 50:
            append(a, b"busy\n")
    assert taken == [b"begin end\n", b"b\n"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_long_line_of_wide_characters_is_cut_between_them(log: Path, encoding: str) -> None:
    def text(line: str) -> bytes:
        return line.encode(encoding)

    log.write_bytes(text("a\n" + "\u0a0a" * 900 + "\n" + "\u010a" * 100_001 + "\nb\n"))
    tail = Tail(log, framer=Lines(text("\n")))
    assert tail.first.decode(encoding).startswith("a\n" + "\u0a0a" * 900 + "\n")
    assert tail.first.decode(encoding).endswith("\u010a\nb\n")


def test_what_cannot_be_read_now_is_not_forgotten(
    log: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file, its descriptor, its directory; root may read everything, so it is refused here."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    log.write_bytes(b"1\n")
    tail = Tail(log)
    append(log, b"2\n")
    with monkeypatch.context() as patch:
        patch.setattr("kinesis_agent.reader.open_source", refuse)
        again = tail.again(log)
        assert again.first + again.read(20) == b""
    assert again.read(2) == b"2\n"
    append(log, b"3\n")
    with monkeypatch.context() as patch:
        patch.setattr("kinesis_agent.files.Plain.stat", refuse)
        assert again.read() + again.read(20) == b""
    assert again.read(2) == b"3\n"
    append(log, b"4\n")
    with monkeypatch.context() as patch:
        patch.setattr("kinesis_agent.directory.os.scandir", refuse)
        patch.setattr("kinesis_agent.reader.open_source", refuse)
        once_more = again.again(log)
        assert once_more.first + once_more.read(20) + once_more.read(5000) == b""
    assert once_more.read(20) == b"4\n"
    assert caplog.text.count("Stale file handle") == 3


def test_what_was_there_at_the_start_and_unreadable_is_read_from_where_it_ended(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    log.write_bytes(b"old\n")
    with monkeypatch.context() as patch:
        patch.setattr("kinesis_agent.arrivals.open_source", refuse)
        patch.setattr("kinesis_agent.reader.open_source", refuse)
        tail = Tail(log, from_start=False)
        append(log, b"new\n")
        assert tail.read() == b""
    assert tail.read(2) == b"new\n"


def test_a_volume_that_was_away_for_long_goes_on(log: Path, tmp_path: Path) -> None:
    """Its directory is another file system's meanwhile: a device that no file has had."""
    log.write_bytes(b"1\n")
    tail = Tail(log)
    tracked = [reader.tracked for reader in tail.tailer.readers]
    hidden = tmp_path.with_name("away")
    log.rename(hidden)
    tracked[0].device += 1
    away = Tail(log, tracked)
    away.tailer.readers[0].tracked.missing_since -= 100_000
    assert away.read(20) == b""
    hidden.rename(log)
    append(log, b"2\n")
    assert away.read(20) == b"2\n"


def test_a_last_line_before_nuls_is_whole_in_a_long_file(log: Path) -> None:
    tail = Tail(log, longest=1 << 20)
    text = b"x" * 70_000 + b"\nlast"
    log.write_bytes(text + bytes(4096))
    assert tail.read() == text[:-4]
    log.rename(f"{log}.1")
    log.touch()
    assert tail.read() + tail.read(6) + tail.read(6) == b"last"
    assert tail.counters.lost_bytes == 0


def test_a_file_that_was_empty_when_its_directory_went_away_is_known(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    log.touch()
    tail = Tail(log)
    log.write_bytes(b"1\n")
    log.rename(tmp_path / "saved")
    away = tmp_path.rename(tmp_path.with_name("away"))
    again = tail.again(log)
    assert again.first + again.read(20) == b""
    away.rename(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("kinesis_agent.reader.open_source", refuse)
        assert again.read(20) + again.read() == b""
    assert again.read(20) + again.read() == b"1\n"


def test_a_directory_that_is_away_tears_no_line(log: Path, tmp_path: Path) -> None:
    log.write_bytes(b"1\nha")
    tail = Tail(log)
    away = tmp_path.rename(tmp_path.with_name("away"))
    assert tail.read(20) + tail.read(20) == b""
    away.rename(tmp_path)
    append(log, b"lf\n")
    assert tail.read() + tail.read(20) == b"half\n"
    append(log, b"last")
    shutil.rmtree(tmp_path)
    assert tail.read(20) + tail.read(20) == b"last"


def test_a_copytruncate_where_nobody_could_look_is_known(log: Path, tmp_path: Path) -> None:
    """Its directory comes back with the log truncated, and the copy beside it."""
    log.write_bytes(b"1\n")
    tail = Tail(log)
    append(log, b"2\n")
    away = tmp_path.rename(tmp_path.with_name("away"))
    again = tail.again(log)
    assert again.read() == b""
    shutil.copyfile(away / "app.log", away / "app.log.1")
    os.truncate(away / "app.log", 0)
    away.rename(tmp_path)
    assert again.read() + again.read() == b"2\n"
    append(log, b"3\n")
    assert again.read() + again.read() == b"3\n"


@pytest.mark.parametrize(("flows", "parts"), [(1, 2), (2, 1)])
def test_long_lines_of_two_files_are_not_mixed(tmp_path: Path, flows: int, parts: int) -> None:
    """Two file systems may have one inode, and two flows one file."""
    kept = [Oversize(tmp_path / "oversize", f"flow {n}") for n in range(flows)] * parts
    ids = [(1, 7), (2, 7)] if flows == 1 else [(1, 7), (1, 7)]
    for data, last in ((b"a", False), (b"b\n", True)):
        for oversize, file in zip(kept, ids, strict=True):
            path = oversize.keep(file, 0, data * (file[0]), last)
            if path:
                assert path.read_bytes() == b"a" * file[0] + b"b\n" * file[0]
    assert not list((tmp_path / "oversize").glob("*.part"))


@pytest.mark.parametrize(
    "start", [b"PK\x03\x04", b"\x28\xb5\x2f\xfd", bytes(257) + b"ustar", b"\x04\x22\x4d\x18"]
)
def test_archives_are_passed_over_and_said(
    log: Path, start: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    tail = Tail(f"{log}*")
    Path(f"{log}.1").write_bytes(start + b"some\nlines\n")
    Path(f"{log}.2.gz").write_bytes(gzip.compress(start + b"some\nlines\n"))
    assert tail.read() + tail.read(2) + tail.read(2) == b""
    assert caplog.text.count("is passed over: it is an archive") == 2


@pytest.fixture
def few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are 20 of them for files."""
    monkeypatch.setattr("kinesis_agent.files.resource.getrlimit", lambda _: (84, 84))
    monkeypatch.setattr(descriptors, "_taken", 0)
    monkeypatch.setattr(descriptors, "refusals", 0)


def test_files_are_read_in_turn_where_descriptors_are_few(
    tmp_path: Path, few_descriptors: None, caplog: pytest.LogCaptureFixture
) -> None:
    lines = {b"%03d" % n for n in range(200)}
    for line in lines:
        (tmp_path / f"svc-{line.decode()}x.log").write_bytes(line + b"\n")
    tail = Tail(tmp_path / "*.log")
    found = tail.first
    for _ in range(40):
        found += tail.read(0.2)
    assert sorted(found.split()) == sorted(lines)
    assert caplog.text.count("LimitNOFILE") == 1
    append(tmp_path / "svc-150x.log", b"more\n")
    assert tail.read(0.2) + tail.read(0.2) + tail.read(0.2) == b"more\n"


@pytest.mark.parametrize("start", [b"", b"x" * 300 + b"\n"], ids=["short", "long"])
def test_a_copy_is_known_once_there_is_a_descriptor_for_it(
    log: Path, few_descriptors: None, start: bytes
) -> None:
    log.touch()
    tail = Tail(log)
    append(log, start + b"1\nhalf a")
    assert tail.read() == start + b"1\n"
    append(log, b" line")
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)
    append(log, b" goes on\n" + b"2\n" * 200)
    descriptors.take(18)
    assert tail.read() + tail.read() + tail.read(20) == b""
    descriptors.give(18)
    assert tail.read() + tail.read() == b"half a line goes on\n" + b"2\n" * 200
    assert tail.read(20) == b""
    assert tail.counters.lost_bytes == 0


@pytest.mark.parametrize("start", [b"", b"x" * 300 + b"\n"], ids=["short", "long"])
@pytest.mark.parametrize("is_closed", [False, True])
def test_a_copy_that_is_open_is_known_where_there_is_no_more_descriptor(
    log: Path,
    few_descriptors: None,
    monkeypatch: pytest.MonkeyPatch,
    start: bytes,
    is_closed: bool,
) -> None:
    """Where the log itself could not be opened either, the copy waits for it."""

    def refuse(_: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    log.touch()
    tail = Tail(log)
    append(log, start + b"1\n")
    assert tail.read() + tail.read() + tail.read() == start + b"1\n"
    if is_closed:
        descriptors.refused()
        assert tail.read() == b""
    append(log, b"2\n")
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)
    append(log, b"3\n" * 200)
    with monkeypatch.context() as patch:
        patch.setattr("kinesis_agent.reader.open_source", refuse)
        found = tail.read() + tail.read(20) + tail.read(20)
    assert found + tail.read() + tail.read(20) == b"2\n" + b"3\n" * 200


def test_a_line_that_a_copytruncate_cut_goes_on_where_descriptors_are_few(
    log: Path, few_descriptors: None
) -> None:
    log.touch()
    tail = Tail(log)
    append(log, b"half a")
    assert tail.read() == b""
    append(log, b" line")
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)
    assert tail.read() + tail.read() + tail.read() == b""
    descriptors.refused()
    assert tail.read() == b""
    append(log, b" goes on\n")
    assert tail.read() + tail.read() == b"half a line goes on\n"


@pytest.mark.parametrize("is_copy", [False, True])
def test_the_last_line_of_a_rotated_file_that_was_closed_is_not_torn(
    log: Path, few_descriptors: None, is_copy: bool
) -> None:
    log.touch()
    tail = Tail(log)
    append(log, b"half")
    assert tail.read() == b""
    if is_copy:
        shutil.copyfile(log, f"{log}.1")
        os.truncate(log, 0)
    else:
        log.rename(f"{log}.1")
    append(log, b"\n" * is_copy + b"next\n")
    found = tail.read() + tail.read() + tail.read()
    descriptors.refused()
    found += tail.read() + tail.read(20)
    assert sorted(found.split()) == [b"half", b"next"]
    assert tail.counters.lost_bytes == 0


def test_a_line_of_a_rotated_file_waits_for_a_descriptor(log: Path, few_descriptors: None) -> None:
    log.touch()
    tail = Tail(log)
    append(log, b"half a")
    log.rename(f"{log}.1")
    log.touch()
    assert tail.read() + tail.read() + tail.read() == b""
    descriptors.refused()
    assert tail.read() == b""
    append(Path(f"{log}.1"), b" line\n")
    descriptors.take(19)
    assert tail.read() + tail.read(20) + tail.read(20) == b""
    descriptors.give(19)
    assert tail.read() + tail.read() == b"half a line\n"


def test_a_line_that_a_copy_lacks_the_end_of_does_not_go_on_elsewhere(log: Path) -> None:
    log.touch()
    tail = Tail(log)
    append(log, b"1\n")
    shutil.copyfile(log, f"{log}.1")
    written = log.stat().st_mtime
    os.utime(f"{log}.1", (written, written))
    append(log, b"half")
    assert tail.read() == b"1\n"
    os.truncate(log, 0)
    append(log, b"2\n")
    assert tail.read() + tail.read(6) + tail.read(6) == b"2\n"
    assert tail.counters.lost_bytes == 4
