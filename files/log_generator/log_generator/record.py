"""The order line as it stands in the log."""

import csv
import functools
import re
import time
from zlib import crc32

SEPARATOR = {"csv": ",", "tsv": "\t"}
_BREAKS = {"csv": re.compile(r"\r\n|[\r\n]"), "tsv": re.compile(r"\r\n|[\r\n\t]")}
_V4 = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737; the IPv6 range is RFC 3849's
_FEW = 8  # one customer of so many is on IPv4
_CUSTOMER = 6
_EVENT_TIME = re.compile(rb"[,\t](\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)[,\t][0-9a-f.:]+\n$")


def body(fields: list[str], line_number: int, form: str) -> str:
    """All columns before EventTime, with the separator that follows them.

    One order is one line: a line break within a value becomes a space, and so does a tab in tsv.
    """
    separator = SEPARATOR[form]
    fields = [*fields, str(line_number)]
    text = separator.join(fields)
    tabs = form == "tsv" and text.count("\t") != len(fields) - 1
    if "\n" in text or "\r" in text or tabs:
        fields = [flat(field, form) for field in fields]
        text = separator.join(fields)
    if form == "csv" and ('"' in text or text.count(",") != len(fields) - 1):
        text = ",".join(quote(field) for field in fields)
    return text + separator


def flat(field: str, form: str) -> str:
    """A value as it stands in the log."""
    return _BREAKS[form].sub(" ", field)


def quote(field: str) -> str:
    if '"' in field or "," in field:
        return '"' + field.replace('"', '""') + '"'
    return field


def customer(body: bytes, form: str) -> bytes:
    """The customer of a line, given all its columns before EventTime; empty for a guest."""
    if form == "csv" and b'"' in body:
        return fields(body, form)[_CUSTOMER].encode()
    return body.split(SEPARATOR[form].encode(), _CUSTOMER + 1)[_CUSTOMER]


def fields(body: bytes, form: str) -> list[str]:
    """The values of a line, given all its columns before EventTime."""
    if form == "csv":
        if len(body) > csv.field_size_limit():
            csv.field_size_limit(len(body))
        return next(csv.reader([body.decode()]))
    return body.decode().split(SEPARATOR[form])


@functools.lru_cache(maxsize=256)
def client_address(customer: bytes, invoice: bytes) -> bytes:
    """The address that an order came from: a function of the customer, of the invoice for guests.

    A customer on IPv6 moves within one /64. There are 768 addresses of IPv4 for documentation: few
    customers have one, so that it is seldom shared.
    """
    key = customer or invoice
    first, second, host = (crc32(salt + key) for salt in (b"4", b"6", b"host" + invoice))
    if first % _FEW == 0:
        return f"{_V4[second % 3]}.{1 + (second >> 16) % 254}".encode()
    network, site = 1 + (first >> 16) % 65535, 1 + (second >> 16) % 65535
    return f"2001:db8:{network:x}:{site:x}::{1 + (host >> 16) % 65535:x}".encode()


def event_time(milliseconds: int) -> bytes:
    """RFC 3339 in UTC, of milliseconds since the epoch."""
    seconds, rest = divmod(milliseconds, 1000)
    return _second(seconds) + b"%03dZ" % rest


@functools.lru_cache(maxsize=2)
def _second(seconds: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(seconds)).encode()


def event_time_of(line: bytes) -> bytes | None:
    """The EventTime of a whole line of the log, whichever format it has."""
    match = _EVENT_TIME.search(line)
    return match[1] if match else None
