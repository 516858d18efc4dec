import errno
import os

import pytest
from log_generator import inject, record
from log_generator.config import Surge
from log_generator.inject import Batch

ROWS = [
    ["V7-1", str(number), 'a "b", c', "1", "1/1/2011 8:00", "1", "", "France"]
    for number in range(40)
]


@pytest.fixture
def host(machine):
    """A host that owns a tenth of the slices, to write about 10 lines a second."""
    return machine(slices="0-102", lines_per_second=100)


def test_lines_come_at_the_pace_each_with_the_clock_of_its_writing(host):
    generator = host.start()
    host.run(generator, 60)
    times = host.times()
    assert len(times) == pytest.approx(600, abs=5)
    assert len(set(times)) == len(times)
    assert (times[0][:19], times[-1][:18]) == (b"2026-01-01T00:00:00", b"2026-01-01T00:00:5")


def test_two_runs_write_the_same_lines(machine):
    hosts = [machine(name, pace="poisson", lines_per_second=50) for name in ("one", "two")]
    hosts[1].clock.seconds = 12345.678
    for host in hosts:
        host.run(host.start(), 20)
    one, two = (host.lines() for host in hosts)
    assert len(one) == pytest.approx(1000, rel=0.15)
    assert one == two


def test_a_surge_is_a_stretch_of_the_schedule_that_stops_do_not_shift(host):
    host.settings["surges"] = (Surge(start=10, duration=10, factor=5, every=100),)
    generator = host.start()
    host.run(generator, 5)
    generator.stop()
    host.clock.seconds += 3600
    generator = host.start()
    host.run(generator, 25)
    seconds = [int(time[17:19]) + 60 * int(time[14:16]) for time in host.times()]
    assert sum(5 <= s < 10 for s in seconds) == pytest.approx(50, abs=2)
    assert sum(10 <= s < 20 for s in seconds) == pytest.approx(500, abs=5)
    assert len(seconds) == pytest.approx(50 + 50 + 500 + 100, abs=5)


def test_it_does_not_catch_up(host):
    generator = host.start()
    host.run(generator, 10)
    host.clock.seconds += 3600  # the machine slept
    host.run(generator, 10)
    assert len(host.lines()) == pytest.approx(210, abs=3)


def test_another_pace_goes_on_in_the_same_schedule(host):
    generator = host.start()
    host.run(generator, 500)
    generator.stop()
    before = len(host.lines())
    host.settings["surges"] = (Surge(start=501, duration=1, factor=50),)
    host.run(host.start(), 3)
    assert len(host.lines()) - before == pytest.approx(10 + 500 + 10, abs=5)


def test_more_slices_make_no_heap_of_lines(host):
    host.slices = "0"
    generator = host.start()
    host.run(generator, 10)
    generator.stop()
    host.slices = "0-1023"
    generator = host.start()
    host.run(generator, 0.1)
    assert generator.lines < 120


def test_recorded_pace_follows_the_dates(machine, tmp_path):
    source = tmp_path / "data.csv"
    rows = [f"{1000 + number},A,x,1,1/1/2011 8:{number // 6:02},1,,X" for number in range(60)]
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    source.write_text("\n".join([header, *rows, ""]))
    host = machine(source=source, pace="recorded", recorded_speed=60)
    host.run(host.start(), 5)
    assert len(host.lines()) == pytest.approx(30, abs=1)


def test_event_time_never_goes_back(host):
    generator = host.start()
    host.clock.seconds = 100.0
    host.run(generator, 10)
    now = host.clock.now
    host.clock.now = lambda: now() - 60_000
    host.run(generator, 10)
    generator.stop()
    host.run(host.start(), 10)
    times = host.times()
    assert len(times) > 250
    assert times == sorted(times)


def test_it_follows_a_rename_and_overwrites_nothing(host):
    generator = host.start()
    host.run(generator, 1)
    old = host.log.rename(host.log.with_name("orders.log-1"))
    before = old.read_bytes()
    host.run(generator, 1)
    assert old.read_bytes() == before
    assert host.saved()["log"]["inode"] == host.log.stat().st_ino
    other = host.log.rename(host.log.with_name("orders.log-2"))
    host.log.write_bytes(b"made by another\n")  # logrotate's `create`, say
    host.run(generator, 1)
    assert host.log.read_bytes().startswith(b"made by another\n")
    host.log.write_bytes(host.log.read_bytes().removeprefix(b"made by another\n"))
    lines = host.lines(old, other, host.log)
    assert len(lines) == len(set(lines)) == generator.lines


def test_it_pauses_where_the_disk_is_nearly_full(host, caplog):
    host.settings["min_free_mb"] = 100
    generator = host.start()
    host.run(generator, 5)
    host.free = 99_000_000
    host.run(generator, 60)
    paused = len(host.lines())
    assert paused == pytest.approx(50, abs=4)
    assert host.saved()["paused"].startswith("99 MB are free")
    assert "pausing: 99 MB are free" in caplog.text
    host.free = 100_000_000
    host.run(generator, 5)
    assert len(host.lines()) == pytest.approx(paused + 50, abs=4)
    assert host.saved()["paused"] is None


def test_a_full_disk_in_the_middle_of_a_line_is_waited_for(host, monkeypatch):
    generator = host.start()
    host.run(generator, 5)
    before, write = host.log.read_bytes(), os.write
    room = 150

    def limited(descriptor, data):
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(descriptor, data[:room])
        room -= done
        return done

    monkeypatch.setattr("os.write", limited)
    host.run(generator, 30)
    assert len(host.log.read_bytes()) == len(before) + 150
    assert "No space left" in host.saved()["paused"]
    monkeypatch.undo()
    host.run(generator, 5)
    assert len(host.lines()) == len(set(host.lines())) == generator.lines


def test_a_stop_on_a_full_disk_loses_nothing(host, monkeypatch):
    generator = host.start()
    host.run(generator, 5)
    write = os.write

    def half(descriptor, data):
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    monkeypatch.setattr("os.write", half)
    host.run(generator, 2)
    generator.stop()
    monkeypatch.undo()
    generator = host.start()
    host.run(generator, 5)
    assert len(host.lines()) == len(set(host.lines())) == generator.lines


def test_given_lines_are_written_once_between_its_own(host):
    generator = host.start()
    host.run(generator, 1)
    drop = inject.drop(host.state / "inject", Batch(ROWS, seconds=5))
    host.run(generator, 10)
    assert not drop.exists()
    host.run(generator, 5)
    own = [body for body, _ in host.lines() if not body.startswith(b"V")]
    given = [body for body, _ in host.lines() if body.startswith(b"V")]
    assert given == [
        record.body(row, number, "csv").rstrip(",").encode() for number, row in enumerate(ROWS, 1)
    ]
    assert len(own) == pytest.approx(160, abs=4)
    times = [t for t, line in zip(host.times(), host.lines(), strict=True) if line[0][:1] == b"V"]
    assert 4 < int(times[-1][17:19]) - int(times[0][17:19]) <= 6
    generator.stop()
    saved = host.saved()
    assert (saved["lines"], saved["injected"]) == (len(own), 40)


def test_batches_wait_for_each_other(host):
    generator = host.start()
    for number in (1, 2, 3):
        rows = [[f"V{number}", "A", "x", "1", "1/1/2011 8:00", "1", "", ""]] * 5
        inject.drop(host.state / "inject", Batch(rows, seconds=1))
    host.run(generator, 10)
    given = [body.split(b",")[0] for body, _ in host.lines() if body.startswith(b"V")]
    assert sorted(given) == [b"V1"] * 5 + [b"V2"] * 5 + [b"V3"] * 5


def test_a_batch_that_cannot_be_read_goes(host, caplog):
    generator = host.start()
    (host.state / "inject" / "x.json").write_text("{}")
    host.run(generator, 1)
    assert list((host.state / "inject").iterdir()) == []
    assert "cannot be read" in caplog.text


def test_slices_without_rows_are_said(machine, tmp_path, caplog):
    source = tmp_path / "data.csv"
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    source.write_text(f"{header}\n536365,A,x,1,1/1/2011 8:00,1,,X\n")
    host = machine(source=source, slices="10", lines_per_second=10_000)
    host.run(host.start(), 1)
    assert host.lines() == []
    assert "no row in the slices 10" in caplog.text
