"""The data set made ready once: a file of finished lines, so that a host needs no row in memory.

A line is: slice (4 digits), recorded time in ms since the first row (12 digits), whether it is the
last of its invoice (L, else a blank), and the body of the order line. LineNo is in it, counted over
the whole data set. All slices are in it, so that a slice can come to a host without preparing anew.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import msgspec

from log_generator import dataset, record, slices
from log_generator.errors import DatasetError

PREFIX = 17
LAST = b"L"
_HEADER_BYTES = 256
_VERSION = 2


class Header(msgspec.Struct, frozen=True):
    content: str  # SHA-256 of the rows, whatever file and format they came in
    rows: int
    invoices: int


class Prepared(msgspec.Struct, frozen=True):
    path: Path
    header: Header

    def lines(self, start: int = 0) -> Iterator[bytes]:
        """The prepared lines from row `start` on."""
        with open(self.path, "rb") as file:
            file.seek(_HEADER_BYTES)
            yield from islice(file, start, None)


def prepare(source: Path, source_sha256: str, directory: Path, form: str) -> Prepared:
    """The prepared file of a data set, made if it is not there; it replaces all others."""
    path = directory / f"rows-{_VERSION}-{source_sha256[:16]}.{form}"
    if not path.exists():
        _write(path, source, form)
        for other in directory.glob("rows-*"):
            if other != path:
                other.unlink()
    with open(path, "rb") as file:
        return Prepared(path, msgspec.json.decode(file.read(_HEADER_BYTES), type=Header))


def _write(path: Path, source: Path, form: str) -> None:
    content = hashlib.sha256()
    numbers: Counter[str] = Counter()
    marks: dict[str, int] = {}  # where the mark of each invoice's last line is
    rows = 0
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.seek(_HEADER_BYTES)
        for fields, milliseconds in with_recorded_time(dataset.read(source)):
            invoice = fields[0]
            numbers[invoice] += 1
            rows += 1
            content.update(("\x1f".join(fields) + "\x1e").encode())
            text = record.body(fields, numbers[invoice], form)
            marks[invoice] = file.tell() + PREFIX - 1
            file.write(f"{slices.slice_of(invoice):04}{milliseconds:012} {text}\n".encode())
        if not rows:
            raise DatasetError(f"{source}: there is no row in it")
        for mark in marks.values():
            file.seek(mark)
            file.write(LAST)
        header = Header(content.hexdigest(), rows, len(numbers))
        file.seek(0)
        file.write(msgspec.json.encode(header).ljust(_HEADER_BYTES - 1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def with_recorded_time(rows: Iterable[list[str]]) -> Iterator[tuple[list[str], int]]:
    """Each row with its time in ms since the first: the lines of a minute (or of a second, where
    dates tell it) are spread over it evenly.

    A date that is earlier than the one before, or none, counts as the one before.
    """
    first: int | None = None
    latest, text, together, unit = 0, "", [], 60_000
    for fields in rows:
        if fields[4] != text:
            text = fields[4]
            found = _milliseconds(text)
            if first is None:
                first = found
            if found is not None and first is not None and found - first > latest:
                yield from _spread(together, latest, unit)
                latest, together = found - first, []
            unit = 1_000 if text.count(":") == 2 else 60_000
        together.append(fields)
    yield from _spread(together, latest, unit)


def _spread(rows: list[list[str]], start: int, unit: int) -> Iterator[tuple[list[str], int]]:
    for place, fields in enumerate(rows):
        yield fields, start + place * unit // len(rows)


def _milliseconds(text: str) -> int | None:
    match = re.fullmatch(r"(\d+)/(\d+)/(\d+) (\d+):(\d+)(?::(\d+))?", text)
    if not match:
        return None
    month, day, year, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        days = datetime(year, month, day, hour, minute, second).toordinal()
    except ValueError:
        return None
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000
