"""Tables as people save them: csv with commas, semicolons or tabs, or xlsx; packed or not."""

import contextlib
import csv
import io
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

from python_service import compression
from python_service.compression import CompressionError

from log_generator.errors import DatasetError

LINE_MIB = 1
TOTAL_MIB = 1024
TEXTS_MIB = 64
"""Of a workbook's texts, which its reader keeps in memory."""
_BOUNDS = f"at most {LINE_MIB} MiB of a line is read, and {TOTAL_MIB} MiB of all, unpacked"
_MIB = 1 << 20
_CHUNK = 1 << 16
_SHEET_ROWS = 1 << 20  # of Excel
_ROW = re.compile(rb"<(?:\w+:)?row[ />]")
_OTHERS = {
    b"\xd0\xcf\x11\xe0": "is an old workbook (xls) or one with a password",
    b"\xff\xfe": "is text in UTF-16",
    b"\xfe\xff": "is text in UTF-16",
}


class Table(NamedTuple):
    """What a file or a sheet holds."""

    unit: str
    """What a row's number counts, e.g. `line`."""
    decimal_comma: bool
    rows: Iterator[tuple[int, list[str]]]
    """By their number, the first with the columns' names; rows of nothing are left out."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Iterator[Table]]:
    """The table of a file, or those of a workbook's sheets.

    Raises DatasetError with the path, also from reading them, and for what is raised meanwhile.
    """
    try:
        with open(path, "rb") as file:
            if compression.kind(file) != "zip":
                yield _text(compression.unpacked(file))
                return
            archive = compression.opened_zip(file)
            if _is_workbook(archive):
                yield _sheets(file, archive)
                return
            with compression.opened_member(archive, _only_table(archive)) as member:
                if compression.kind(member) != "zip":
                    yield _text(member)
                    return
                with tempfile.TemporaryFile() as copy:  # a workbook's reader goes to and fro
                    _copy(member, copy)
                    yield _sheets(copy, zipfile.ZipFile(copy))
    except (DatasetError, OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: {error}") from error


def _only_table(archive: zipfile.ZipFile) -> str:
    names = [member.filename for member in compression.members(archive)]
    tables = [name for name in names if re.search(r"\.(csv|tsv|xlsx)(\.\w+)?$", name.lower())]
    found = tables or names
    if len(found) != 1:
        listed = f" ({', '.join(found[:5])})" if found else ""
        raise DatasetError(f"the zip holds {len(found)} tables{listed}, not one: unpack it")
    return found[0]


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while chunk := source.read(_MIB):
        target.write(chunk)
        if target.tell() > TOTAL_MIB * _MIB:
            raise DatasetError(f"the workbook is too large: {_BOUNDS}")
    target.seek(0)


# Text


def _text(file: io.BufferedReader) -> Iterator[Table]:
    lines = _Lines(file)
    head = []
    for line in lines:
        head.append(line)
        if line.strip():
            break
    delimiter = max(",;\t", key=head[-1].count) if head else ","
    lines.back = head
    yield Table("line", delimiter != ",", _records(lines, delimiter))


class _Lines:
    """Lines as text, of which none and no record of several is longer than the bounds."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.number = 0
        self.record = 0
        """Bytes of the record so far; who reads records sets it back."""
        self.back: list[str] = []
        """Lines to give once more."""
        self._file = file
        self._total = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.back:
            return self.back.pop(0)
        self.number += 1
        try:
            line = self._file.readline(LINE_MIB * _MIB + 1)
        except CompressionError as error:
            raise DatasetError(f"line {self.number}: {error}") from error
        if not line:
            raise StopIteration
        if self.number == 1 and (what := _OTHERS.get(line[:4]) or _OTHERS.get(line[:2])):
            raise DatasetError(f"it {what}: save it as xlsx, or as csv in UTF-8")
        self.record += len(line)
        self._total += len(line)
        if self.record > LINE_MIB * _MIB:
            raise DatasetError(f"line {self.number} is too long: {_BOUNDS}")
        if self._total > TOTAL_MIB * _MIB:
            raise DatasetError(f"line {self.number} is too much: {_BOUNDS}; take a part of it")
        # One by one, so that the file is read once: no Latin-1 pound sign is valid UTF-8.
        try:
            return line.decode("utf-8-sig")
        except UnicodeDecodeError:
            return line.decode("latin-1")


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        lines.record = 0
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DatasetError(
                f"line {number}: {error}; quotes are closed, and a quote within is written twice"
            ) from error
        if row is None:
            return
        if any(row):
            yield number, row


# Workbooks


def _is_workbook(archive: zipfile.ZipFile) -> bool:
    return "xl/workbook.xml" in archive.namelist()


def _sheets(file: IO[bytes], archive: zipfile.ZipFile) -> Iterator[Table]:
    """The sheets, read row by row: in memory are the texts, and of each row some 80 bytes."""
    if not _is_workbook(archive):
        raise DatasetError("the zip in it is no workbook: unpack it")
    try:
        import openpyxl
    except ImportError as error:
        raise DatasetError("xlsx is read on the control node only: save it as csv") from error
    with _readable("the workbook"):
        _check_parts(archive)
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
    for sheet in workbook.worksheets:
        yield Table(f"sheet {sheet.title!r}, row", False, _sheet_rows(sheet))


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of styles and the like
            yield
    except DatasetError:
        raise
    except Exception as error:  # its library may raise anything over what is damaged
        raise DatasetError(f"{what} cannot be read ({error!r}): save it anew, or as csv") from error


def _check_parts(archive: zipfile.ZipFile) -> None:
    """Refuse what would not fit into memory: too long rows, and too many texts."""
    texts = total = 0
    for part in archive.infolist():
        total += part.file_size
        sheet = "/worksheets/" in part.filename
        if part.filename.endswith(".xml") and not sheet and "pivotCache" not in part.filename:
            texts += part.file_size
        if texts > TEXTS_MIB * _MIB:
            raise DatasetError(f"its texts are more than {TEXTS_MIB} MiB: save it as csv")
        if total > TOTAL_MIB * _MIB:
            raise DatasetError(f"the workbook is too large: {_BOUNDS}; take a part of it")
        if sheet:
            with archive.open(part) as xml:
                _check_rows(part.filename, xml)


def _check_rows(name: str, xml: IO[bytes]) -> None:
    number = since = 0
    rest = b""
    while chunk := xml.read(_CHUNK):
        text = rest + chunk
        found = [match.start() for match in _ROW.finditer(text)]
        since = len(text) - found[-1] if found else since + len(chunk)
        number += len(found)
        if since > LINE_MIB * _MIB:
            raise DatasetError(f"{name}, row {number} is too long: {_BOUNDS}")
        rest = text[-32:]


def _sheet_rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    with _readable(f"the sheet {sheet.title!r}"):
        sheet.reset_dimensions()  # programs write wrong ones
        rows = enumerate(sheet.iter_rows(values_only=True), 1)
    width = 0
    while True:
        with _readable(f"the sheet {sheet.title!r}"):
            number, values = next(rows, (0, ()))
            row = [_cell(value) for value in values]
        if not number:
            return
        if number > _SHEET_ROWS:
            raise DatasetError(f"the sheet {sheet.title!r} has more than {_SHEET_ROWS} rows")
        while row and not row[-1] and len(row) > width:
            row.pop()
        if any(row):
            width = width or len(row)
            yield number, row + [""] * (width - len(row))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):  # computed from a fraction of a day
        return (value + timedelta(milliseconds=500)).isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return str(value)
