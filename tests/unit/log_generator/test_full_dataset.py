import csv
import os
import zlib
from collections import Counter
from pathlib import Path

import pytest
from log_generator import dataset, prepared
from log_generator.replay import Replay

SOURCE = os.environ.get("SURGEWATCH_DATASET")

pytestmark = pytest.mark.skipif(not SOURCE, reason="SURGEWATCH_DATASET names no data set")


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    source = Path(SOURCE)
    folder = tmp_path_factory.mktemp("full")
    return prepared.prepare(source, dataset.sha256(source), folder, "csv")


def test_every_row_is_replayed_as_it_is(ready):
    """Compared to the data set as the csv module alone reads it, and to the contract's LineNo."""
    assert ready.header.rows == 541_909
    assert ready.header.invoices == 25_900
    numbers = Counter()
    written = csv.reader(line.body.decode() for line in Replay(ready, range(1024), {}))
    for row, line in zip(dataset.read(Path(SOURCE)), written, strict=False):
        numbers[row[0]] += 1
        assert line == [*row, str(numbers[row[0]]), ""]
    assert numbers.total() == 541_909


def test_slices_are_of_the_contract(ready):
    for line in Replay(ready, [7], {}):
        if line.place >= 541_909:
            break
        assert zlib.crc32(line.invoice) % 1024 == 7
