"""Where slices stopped, found in a table that has every line up to there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_generator import sample, slices

from plugins.modules import slice_positions
from plugins.modules.slice_positions import Row, find


def rows_of(number, count):
    return [Row(number + 10 * n, f"{number}", "A", n + 1, "1") for n in range(count)]


@given(
    st.dictionaries(
        st.integers(0, 9), st.tuples(st.integers(1, 20), st.integers(0, 70), st.integers(0, 70))
    )
)
def test_the_first_line_that_is_not_there_is_the_next(cases):
    rows = {number: rows_of(number, size) for number, (size, _, _) in cases.items()}
    table, known = set(), {}
    for number, (size, end, start) in cases.items():
        table |= {rows[number][n % size].key(n // size + 1) for n in range(end)}
        start = min(start, end)
        known[number] = (start // size + 1, rows[number][start % size].place)
    positions, stopped = find(rows, known, lambda keys: table & set(keys), lambda: None)
    for number, (size, end, _) in cases.items():
        assert positions[number] == (end // size + 1, rows[number][end % size].place)
        last = f"{number}" if end <= size else f"{number}.{(end - 1) // size + 1}"
        assert stopped.get(number) == (f"{last} line {(end - 1) % size + 1}" if end else None)


def test_it_looks_again_until_nothing_more_arrives():
    rows = {3: rows_of(3, 9)}
    arriving = [[rows[3][n].key(1) for n in range(end)] for end in (2, 5, 5)]
    table = set(arriving.pop(0))
    positions, _ = find(
        rows,
        {3: (1, 0)},
        lambda keys: table & set(keys),
        lambda: table.update(arriving.pop(0)),
    )
    assert positions == {3: (1, rows[3][5].place)}


def test_a_slice_without_rows_goes_where_the_furthest_is():
    known = {3: (2, 7), 4: (5, 1)}
    rows = {3: [], 4: rows_of(4, 9)}
    positions, stopped = find(rows, known, lambda _: set(), lambda: None)
    assert positions == {3: (5, 4), 4: (5, 4)}
    assert list(stopped) == [4]
    assert find({3: []}, {3: (2, 7)}, lambda _: set(), lambda: None) == ({3: (2, 7)}, {})


def test_rows_are_those_of_the_table(tmp_path):
    path = tmp_path / "sample.csv"
    sample.write(path, rows=2000)
    rows = slice_positions.read_rows(path, range(1024), "csv")
    found = sorted((row for of in rows.values() for row in of), key=lambda row: row.place)
    assert [row.place for row in found] == list(range(2000))
    assert all(slices.slice_of(row.invoice) in rows for row in found)
    first = found[0].key(1)
    assert first == (found[0].customer, f"{found[0].invoice}-{found[0].article}-1")
    assert found[0].key(3)[1].startswith(f"{found[0].invoice}.3-")
    guests = [row for row in found if row.customer.startswith("-")]
    assert guests
    assert all(row.customer[1:] in row.invoice for row in guests)


@pytest.mark.parametrize("unprocessed", [0, 30])
def test_what_dynamodb_leaves_over_is_asked_again(unprocessed):
    class Client:
        left = unprocessed

        def batch_get_item(self, RequestItems):
            keys = RequestItems["orders"]["Keys"]
            assert len(keys) <= 100
            put_off, self.left = keys[: self.left], 0
            answered = [key for key in keys if key not in put_off]
            return {
                "Responses": {"orders": [{"OrderID": key["OrderID"]} for key in answered]},
                "UnprocessedKeys": {"orders": {"Keys": put_off}} if put_off else {},
            }

    keys = {("1", f"{number}-A-1") for number in range(250)}
    assert slice_positions.table_asker(Client(), "orders")(keys) == keys
