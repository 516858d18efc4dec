import pytest
from log_generator import inject, record, recovery, sample
from log_generator.inject import Batch

ROWS = [["V1-1", str(n), "x, y", "1", "1/1/2011 8:00", "1", "", "France"] for n in range(5)]


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_whatever_is_cut_off_the_log_is_written_again(machine, form):
    """As a kill leaves it: an earlier state, and the log up to any byte after that."""
    host = machine(format=form, slices="0-99", lines_per_second=102.4)
    generator = host.start()
    drop = inject.drop(host.state / "inject", Batch(ROWS, seconds=1))
    given = drop.read_bytes()
    generator.step()
    saved = (host.state / "state.json").read_bytes()
    host.run(generator, 1.55)
    generator.stop()
    data = host.log.read_bytes()
    expected = split(host.lines())
    assert len(expected[0]) == 15
    assert len(expected[1]) == 5

    for cut in range(0, len(data), 23):
        rewrite(host.log, data[:cut])
        (host.state / "state.json").write_bytes(saved)
        drop.write_bytes(given)
        logs = [host.log]
        if renamed := cut % 2:
            logs.insert(0, host.log.rename(host.log.with_name("orders.log-1")))
        generator = host.start()
        host.run(generator, 2.5)
        generator.stop()
        own, injected = split(host.lines(*logs))
        assert own[:15] == expected[0], cut
        assert injected == expected[1], cut
        assert logs[0].read_bytes().startswith(data[:cut])
        assert not drop.exists()
        times = host.times(logs[0])
        assert times == sorted(times)
        if renamed:
            host.log.unlink()
            logs[0].rename(host.log)


def split(lines):
    own = [line for line in lines if not line[0].startswith(b"V")]
    return own, [line for line in lines if line[0].startswith(b"V")]


def rewrite(path, data):
    """Set a file's content, and keep its inode."""
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(data)


def test_with_another_data_set_a_new_pass_begins(machine, tmp_path):
    host = machine(lines_per_second=10)
    generator = host.start()
    host.run(generator, 3.05)
    generator.stop()
    other = tmp_path / "other.csv"
    sample.write(other, rows=2000, seed=9)
    host.settings["dataset"] = other
    generator = host.start()
    host.run(generator, 3)
    generator.stop()
    assert host.saved()["positions"]["0-1023"] == [2, 30]
    assert host.lines()[30][0].startswith(b"100001.2,")


def test_slices_that_change_after_a_kill_keep_their_positions(machine):
    host = machine(lines_per_second=10, slices="0-511")
    generator = host.start()
    host.run(generator, 0.9)  # no state is saved yet
    saved = host.saved()
    assert saved["lines"] == 0
    host.slices = "0-255"
    generator = host.start()
    stopped_at = generator.state().positions["0-511"]
    assert generator.lines == 4
    host.run(generator, 5)
    positions = generator.state().positions
    assert positions["256-511"] == stopped_at
    assert positions["0-255"] > stopped_at


def test_a_log_that_is_gone_does_not_stop_it(machine, caplog):
    host = machine(lines_per_second=10)
    generator = host.start()
    host.run(generator, 2.05)
    generator.stop()
    host.log.unlink()
    generator = host.start()
    host.run(generator, 1)
    assert len(host.lines()) == 10
    assert "gone" in caplog.text


def test_what_another_program_left_in_the_log_stays(machine):
    host = machine(lines_per_second=10)
    host.log.write_bytes(b"not ours")
    generator = host.start()
    host.run(generator, 1)
    assert host.log.read_bytes().startswith(b"not ours\n100001,")


BODY = b"1,A,,1,,,17850,,1,"


@pytest.mark.parametrize(
    ("partial", "rest"),
    [
        (b"1,", b"A,,1,,,17850,,1,2026-01-01T00:00:09.000Z,"),
        (b"%b2026-01-01T00:00:0" % BODY, b"9.000Z,"),
        (b"%b2026-01-01T00:00:05" % BODY, b".000Z,"),
        (b"%b2026-01-01T00:00:05.123Z" % BODY, b","),
        (b"%b2026-01-01T00:00:07." % BODY, b"000Z,"),
    ],
)
def test_a_half_line_gets_a_time_between_the_last_and_now(partial, rest):
    found = recovery.rest_of(
        partial, b"1", BODY, "csv", b"2026-01-01T00:00:05.000Z", b"2026-01-01T00:00:09.000Z"
    )
    assert found == rest + record.client_address(b"17850", b"1") + b"\n"


def test_a_half_line_of_another_is_not_finished():
    assert recovery.rest_of(b"2,", b"1", BODY, "csv", b"", b"2026-01-01T00:00:09.000Z") is None
