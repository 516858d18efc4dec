"""Order lines given from outside (by `verify`), written between the generator's own, once.

A batch is a file in the drop directory, named after its content. It is removed when its last line
stands in the log and the state says so.
"""

import csv
import hashlib
import logging
import os
import re
from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
from python_service import file

from log_generator import dataset, record
from log_generator.errors import InjectionError

FIRST_LETTER = b"V"
_INVOICE = re.compile(r"V[0-9A-Za-z.-]+")
_SUFFIX = ".json"

logger = logging.getLogger(__name__)

Row = Annotated[list[str], msgspec.Meta(min_length=8, max_length=8)]


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: Annotated[list[Row], msgspec.Meta(min_length=1)]
    seconds: float = 0.0
    """The time over which the lines are spread."""


def directory_in(state_directory: Path) -> Path:
    return state_directory / "inject"


def read_rows(lines: list[str]) -> list[list[str]]:
    """Rows of the data set's eight columns, as csv without a header."""
    rows = list(csv.reader(lines))
    for number, row in enumerate(rows, 1):
        if len(row) != len(dataset.COLUMNS):
            raise InjectionError(f"row {number}: {len(row)} columns, not {len(dataset.COLUMNS)}")
        if not _INVOICE.fullmatch(row[0]):
            raise InjectionError(f"row {number}: InvoiceNo must begin with V, not {row[0]!r}")
    if not rows:
        raise InjectionError("there is no row")
    return rows


def drop(directory: Path, batch: Batch) -> Path:
    """Leave a batch for the running generator; its file is gone when all of it is written."""
    data = msgspec.json.encode(batch)
    path = directory / (hashlib.sha256(data).hexdigest()[:16] + _SUFFIX)
    file.replace(path, data, durably=True)
    return path


def waiting(directory: Path) -> str | None:
    """The name of the oldest batch that waits."""
    found = [
        (entry.stat().st_mtime_ns, entry.name)
        for entry in os.scandir(directory)
        if entry.name.endswith(_SUFFIX)
    ]
    return min(found)[1] if found else None


def bodies(directory: Path, name: str, form: str) -> tuple[list[tuple[bytes, bytes]], float]:
    """Invoice and body of each line of a batch, and the seconds between two of them."""
    batch = msgspec.json.decode(file.read(directory / name), type=Batch)
    numbers: Counter[str] = Counter()
    lines = []
    for row in batch.rows:
        numbers[row[0]] += 1
        lines.append((row[0].encode(), record.body(row, numbers[row[0]], form).encode()))
    return lines, batch.seconds / len(lines)
