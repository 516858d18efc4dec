"""The data set, from the ways in which people have it to rows as it was published with."""

import contextlib
import csv
import gzip
import hashlib
import io
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

from log_generator import table
from log_generator.dates import Dates
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
_ALSO = {"invoice": "invoiceno", "price": "unitprice"}  # Online Retail II
_NOTHING = {"nan", "null", "none", "na", "n/a", "#n/a", "<na>"}
_WHOLE_WITH_FRACTION = re.compile(r"([0-9]+)[.,]0+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")


class Summary(NamedTuple):
    rows: int
    invoices: int
    notes: list[str]
    """Sentences about how the file was read."""


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> Iterator[list[str]]:
    """The rows, each of eight strings, as the published data set has them.

    Raises DatasetError with the first line that is wrong, before any row.
    """
    with _looked_through(path) as (rows, _):
        for row, _ in rows:
            yield row


def convert(path: Path, target: Path | None = None) -> Summary:
    """Read a data set through, and write it so that hosts read it without a question: csv in gz,
    dates with the year first. Raises DatasetError.
    """
    invoices = set()
    count = 0
    with _looked_through(path) as (rows, notes), _written(target) as write:
        for count, (row, moment) in enumerate(rows, 1):  # noqa: B007
            invoices.add(row[0])
            write([*row[:4], moment.isoformat(" "), *row[5:]])
    if not count:
        raise DatasetError(f"{path}: there is no row in it")
    return Summary(count, len(invoices), notes)


def check_header(path: Path) -> None:
    """Fail unless the file opens as a data set with at least one row."""
    if next(_rows(path, []), None) is None:
        raise DatasetError(f"{path}: there is no row in it")


@contextlib.contextmanager
def _looked_through(
    path: Path,
) -> Iterator[tuple[Iterator[tuple[list[str], datetime]], list[str]]]:
    """The rows, with what their dates mean, and notes.

    What the dates mean is known at the end of the file only: until then, rows wait in another.
    """
    dates = Dates()
    notes: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as waiting:
        write = csv.writer(waiting).writerow
        for place, row in _rows(path, notes):
            try:
                dates.look(row[4], place)
            except DatasetError as error:
                raise DatasetError(f"{path}: {error}") from error
            write(row)
        if waiting.tell():
            notes.insert(0, dates.decide())
        waiting.seek(0)
        yield _dated(csv.reader(waiting), dates), notes


def _dated(rows: Iterator[list[str]], dates: Dates) -> Iterator[tuple[list[str], datetime]]:
    text, moment, written = "", datetime.min, ""
    for row in rows:
        if row[4] != text:
            text = row[4]
            moment = dates.read(text)
            written = f"{moment.month}/{moment.day}/{moment.year} {moment.hour}:{moment.minute:02}"
            written += f":{moment.second:02}" if dates.has_seconds else ""
        row[4] = written
        yield row, moment


@contextlib.contextmanager
def _written(target: Path | None) -> Iterator[Callable[[Sequence[str]], object]]:
    if target is None:
        yield lambda _: None
        return
    temporary = target.with_name(target.name + ".tmp")
    with (
        open(temporary, "wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        write = csv.writer(text).writerow
        write(COLUMNS)
        yield write
    temporary.rename(target)


def _rows(path: Path, notes: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The rows and their places, put right but for the date."""
    refused: list[str] | None = None
    skipped: list[str] = []
    seen = False
    with table.opened(path) as tables:
        for found in tables:
            _, header = next(found.rows, (0, []))
            columns = _columns(header)
            if columns is None:
                refused = header if refused is None else refused
                skipped.append(found.unit)
                continue
            seen = True
            for number, row in found.rows:
                place = f"{found.unit} {number}"
                if len(row) != len(header):
                    raise DatasetError(
                        f"{place} is no order line: it has {len(row)} columns, not {len(header)}: "
                        f"{row}; a value with the separator in it is put in quotes"
                    )
                if row == header:
                    notes.append(f"{place} repeats the columns' names and is left out")
                    continue
                try:
                    right = _put_right([row[column] for column in columns], found.decimal_comma)
                except ValueError as error:
                    raise DatasetError(f"{place} is no order line: {error}: {row}") from error
                yield place, right
        if not seen:
            raise DatasetError(f"the columns are {refused or []}, not {COLUMNS}")
    notes.extend(
        f"{unit.removesuffix(', row')} has other columns and is left out" for unit in skipped
    )


def _columns(header: list[str]) -> list[int] | None:
    """Where the data set's columns stand; None where one is missing or there twice."""
    names = [re.sub(r"[^a-z]", "", name.casefold()) for name in header]
    names = [_ALSO.get(name, name) for name in names]
    wanted = [name.casefold() for name in COLUMNS]
    if any(names.count(name) != 1 for name in wanted):
        return None
    return [names.index(name) for name in wanted]


def _put_right(row: list[str], decimal_comma: bool) -> list[str]:
    """As published, whatever saved it since; ValueError says what is wrong."""
    invoice, stock, description, quantity, date, price, customer, country = row
    invoice = _code(invoice)
    if not INVOICE.fullmatch(invoice):
        raise ValueError(
            f"InvoiceNo {invoice!r} must be letters and digits, and not begin with V, "
            "which is kept for verification"
        )
    return [
        invoice,
        _code(stock),
        "" if description.casefold() in _NOTHING else description,
        _number("Quantity", quantity, decimal_comma, whole=True),
        date.strip(),
        _number("UnitPrice", price, decimal_comma, whole=False),
        "" if customer.strip().casefold() in _NOTHING else _code(customer),
        country,
    ]


def _code(text: str) -> str:
    """Without the fraction that programs give to a column of numbers in which some are missing."""
    text = text.strip()
    match = _WHOLE_WITH_FRACTION.fullmatch(text)
    return match[1] if match else text


def _number(name: str, text: str, decimal_comma: bool, whole: bool) -> str:
    if _NUMBER.fullmatch(text) and not (whole and "." in text):
        return text
    plain = text.strip()
    if decimal_comma and "," in plain:
        plain = plain.replace(".", "").replace(",", ".")
    elif _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or abs(value.adjusted()) > 20 or (whole and value % 1):
        kind = "a whole number" if whole else "a number as 2.55"
        raise ValueError(f"{name} {text!r} is not {kind}")
    return str(int(value)) if whole else format(value, "f")
