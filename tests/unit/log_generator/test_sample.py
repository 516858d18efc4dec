import hashlib
from collections import Counter
from datetime import datetime

import pytest
from log_generator import dataset, sample

# Rows of the real data set with each quirk, of 541,909 (data/README.md's figures are facts of it).
REAL_ROWS = 541_909
REAL = {
    "guest": 135_080,
    "no description": 1_454,
    "cancelled": 9_288,
    "negative": 10_624,
    "free": 2_515,
    "comma": 4_796,
    "quote": 1_239,
    "duplicate": 5_268,
    "same key": 10_148,
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "sample.csv"
    sample.write(path)
    return path


@pytest.fixture(scope="module")
def rows(raw):
    return list(dataset.read(raw))


def test_the_bytes_are_the_same_everywhere(raw):
    assert dataset.sha256(raw) == "ad5c0e4cc3cbab2bde806b6c7b90c47ea1033d81645345f1f91f1dc1573a79f3"


def test_another_seed_is_another_sample(tmp_path, raw):
    sample.write(tmp_path / "other", seed=3)
    assert hashlib.sha256(raw.read_bytes()).hexdigest() != dataset.sha256(tmp_path / "other")


def test_quirks_come_in_the_proportions_of_the_real_one(rows):
    keys = Counter((row[6], row[0], row[1]) for row in rows if row[6])
    same = Counter(map(tuple, rows))
    found = {
        "guest": sum(not row[6] for row in rows),
        "no description": sum(not row[2] for row in rows),
        "cancelled": sum(row[0].startswith("C") for row in rows),
        "negative": sum(row[3].startswith("-") for row in rows),
        "free": sum(row[5] == "0" for row in rows),
        "comma": sum("," in row[2] for row in rows),
        "quote": sum('"' in row[2] for row in rows),
        "duplicate": sum(count - 1 for count in same.values()),
        "same key": sum(count - 1 for count in keys.values()),
    }
    assert len(rows) == 20_000
    expected = {name: count * len(rows) / REAL_ROWS for name, count in REAL.items()}
    assert found == pytest.approx(expected, rel=0.35)


def test_what_is_rare_is_there(raw, rows):
    data = raw.read_bytes()
    sizes = Counter(row[0] for row in rows)
    assert sum(row[0].startswith("A") for row in rows) == 3
    assert [row[5] for row in rows if float(row[5]) < 0] == ["-11062.06"] * 2
    assert min(int(row[3]) for row in rows) == -80_995
    assert data.count(b"\xa3") == sum(byte > 127 for byte in data) >= 2
    assert max(sizes.values()) == 1114
    assert 15 < len(rows) / len(sizes) < 25
    assert torn(rows) >= 1
    assert any(row[1][-1].islower() for row in rows)


def torn(rows):
    """Invoices whose lines are not together."""
    seen, count, last = set(), 0, None
    for row in rows:
        if row[0] != last:
            count += row[0] in seen
            seen.add(row[0])
            last = row[0]
    return count


def test_it_is_laid_out_as_the_real_one(raw, rows):
    lines = raw.read_bytes().split(b"\r\n")
    assert lines[0].decode() == ",".join(dataset.COLUMNS)
    assert lines[-1] == b""
    assert len(lines) == len(rows) + 2
    dates = [datetime.strptime(row[4], "%m/%d/%Y %H:%M") for row in rows]
    assert dates == sorted(dates)
    assert (str(dates[0].date()), str(dates[-1].date())[:7]) == ("2010-12-01", "2011-12")
    assert all(date.isoweekday() != 6 for date in dates)
    assert not any(row[4].startswith("0") for row in rows)


@pytest.mark.parametrize("count", [1, 100, 12_000])
def test_any_number_of_rows(tmp_path, count):
    sample.write(tmp_path / "sample", rows=count)
    assert len(list(dataset.read(tmp_path / "sample"))) == count
