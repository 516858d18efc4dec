"""Reading the data set as it was published: compressed or not, Latin-1 or UTF-8."""

import contextlib
import csv
import gzip
import hashlib
import lzma
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from log_generator.errors import DatasetError

COLUMNS = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
]
INVOICE = re.compile(r"[0-9A-UW-Za-z][0-9A-Za-z]*")  # V… is kept for `log-generator inject`


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> Iterator[list[str]]:
    """The rows after the header, each of eight strings; DatasetError names the first bad line."""
    try:
        with _open(path) as file:
            reader = csv.reader(map(_decode, file), strict=True)
            header = [name.strip() for name in next(reader, [])]
            if header != COLUMNS:
                raise DatasetError(f"{path}: the columns are {header}, not {COLUMNS}")
            for row in reader:
                if len(row) != len(COLUMNS) or not INVOICE.fullmatch(row[0]):
                    raise DatasetError(f"{path}: line {reader.line_num} is no order line: {row}")
                yield row
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, csv.Error) as error:
        raise DatasetError(f"{path}: {error}") from error


def check_header(path: Path) -> None:
    """Fail unless the file opens as a data set with at least one row."""
    if next(read(path), None) is None:
        raise DatasetError(f"{path}: there is no row in it")


def _decode(line: bytes) -> str:
    # Line by line, so that the file is read once: no Latin-1 pound sign is valid UTF-8.
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("latin-1")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """Open by what the file is, not by how it is called."""
    with open(path, "rb") as file:
        magic = file.peek(6)[:6]
        if magic.startswith(b"PK"):
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
                if len(names) != 1:
                    raise DatasetError(f"{path}: holds {len(names)} csv files, not one")
                with archive.open(names[0]) as member:
                    yield member
            return
        for start, opener in ((b"\xfd7zXZ\0", lzma.open), (b"\x1f\x8b", gzip.open)):
            if magic.startswith(start):
                with opener(file) as unpacked:
                    yield unpacked
                return
        yield file
