from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_generator import dataset, prepared, replay, slices
from log_generator.replay import Replay

NUMBERS = st.integers(0, 1023)


@pytest.fixture
def rows(source):
    return list(dataset.read(source))


@pytest.fixture(params=["csv", "tsv"])
def ready(request, source, tmp_path):
    return prepared.prepare(source, dataset.sha256(source), tmp_path, request.param)


def take(sequence, count):
    found = []
    for line in islice(sequence, count):
        sequence.written(line.place)
        found.append(line)
    return found


def test_all_slices_together_are_the_data_set_in_its_order(ready, rows):
    lines = take(Replay(ready, range(1024), {}), len(rows))
    assert [line.invoice.decode() for line in lines] == [row[0] for row in rows]


def test_line_numbers_count_over_the_whole_file(ready, rows):
    separator = b"\t" if ready.path.suffix == ".tsv" else b","
    identities = set()
    for line in take(Replay(ready, range(1024), {}), len(rows)):
        number = int(line.body.rsplit(separator, 2)[1])
        assert number == 1 or (line.invoice, number - 1) in identities
        identities.add((line.invoice, number))
    assert len(identities) == len(rows)


def test_a_second_pass_makes_new_invoices_of_the_same_lines(ready, rows):
    lines = take(Replay(ready, range(1024), {}), 2 * len(rows) + 1)
    first, second = lines[: len(rows)], lines[len(rows) : -1]
    for before, after in zip(first, second, strict=True):
        assert after.invoice == before.invoice + b".2"
        assert after.body == after.invoice + before.body[len(before.invoice) :]
    assert lines[-1].invoice == first[0].invoice + b".3"


def test_hosts_share_the_rows_by_slice(ready, rows):
    hosts = [range(400), range(400, 1024)]
    for owned in hosts:
        expected = [row[0] for row in rows if slices.slice_of(row[0]) in owned]
        lines = take(Replay(ready, owned, {}), len(expected))
        assert [line.invoice.decode() for line in lines] == expected


def test_a_slice_goes_on_at_another_host_where_it_stopped(ready, rows):
    """Two hosts, one slower; its slices move to the other in the middle of a pass."""
    slow, fast = Replay(ready, range(500), {}), Replay(ready, range(500, 1024), {})
    before = take(slow, 300) + take(fast, 1200)
    joined = Replay(ready, range(1024), slow.positions() | fast.positions())
    lines = before + take(joined, len(rows) - len(before))
    assert sorted(line.place for line in lines) == list(range(len(rows)))


def test_a_slice_that_was_given_away_keeps_its_position(ready):
    sequence = Replay(ready, range(1024), {})
    take(sequence, 100)
    left = Replay(ready, range(10), sequence.positions())
    take(left, 5)
    assert left.positions()[1000] == (1, 100)


def test_it_resumes_anywhere(ready):
    lines = take(Replay(ready, range(600), {}), 4000)
    sequence = Replay(ready, range(600), {})
    resumed = []
    for count in (1, 700, 1500, 1799):
        resumed += take(sequence, count)
        sequence = Replay(ready, range(600), replay.unpack(replay.pack(sequence.positions())))
    assert resumed == lines


def test_a_slice_without_a_row_holds_up_no_other(ready, rows):
    numbers = [slices.slice_of(row[0]) for row in rows]
    empty = min(set(range(1024)) - set(numbers))
    sequence = Replay(ready, [empty, numbers[0]], {empty: (1, 0), numbers[0]: (5, 0)})
    (line,) = take(sequence, 1)
    assert line.invoice.decode() == f"{rows[0][0]}.5"


def test_slices_without_a_row_end_it(ready, rows):
    empty = set(range(1024)) - {slices.slice_of(row[0]) for row in rows}
    assert list(Replay(ready, empty, {})) == []


@given(st.dictionaries(NUMBERS, st.tuples(st.integers(1, 3), st.integers(0, 9))))
def test_positions_are_stored_whole(positions):
    assert replay.unpack(replay.pack(positions)) == positions


def test_the_prepared_file_is_made_once_for_each_data_set_and_format(source, tmp_path):
    checksum = dataset.sha256(source)
    first = prepared.prepare(source, checksum, tmp_path, "csv")
    inode = first.path.stat().st_ino
    assert prepared.prepare(source, checksum, tmp_path, "csv").path.stat().st_ino == inode
    other = prepared.prepare(source, checksum, tmp_path, "tsv")
    assert other.header == first.header
    assert list(tmp_path.iterdir()) == [other.path]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["1/1/2011 8:00"] * 3, [0, 20_000, 40_000]),
        (["1/1/2011 8:00", "1/1/2011 8:01", "1/1/2011 8:03"], [0, 60_000, 180_000]),
        (["1/1/2011 23:59", "1/2/2011 0:00", "1/1/2011 9:00"], [0, 60_000, 90_000]),
        (["soon", "1/1/2011 8:00", "13/1/2011 8:00", "1/1/2011 8:01"], [0, 20_000, 40_000, 60_000]),
    ],
)
def test_recorded_time_spreads_a_minute_and_never_goes_back(dates, expected):
    rows = [["1", "A", "", "1", date, "1", "", ""] for date in dates]
    assert [time for _, time in prepared.with_recorded_time(rows)] == expected
