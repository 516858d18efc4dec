"""The 1024 slices by which the hosts of a fleet share the data set."""

from collections.abc import Iterable
from zlib import crc32

COUNT = 1024


def slice_of(invoice: str) -> int:
    """The slice of an invoice number of the data set (without the suffix of a later pass)."""
    return crc32(invoice.encode()) % COUNT


def parse(text: str) -> frozenset[int]:
    """Read "0-511,700" into the set of those slices; ValueError says what is wrong."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise ValueError(f"{part.strip()!r} is neither a slice nor a range of slices")
        low, high = int(first), int(last or first)
        if not low <= high < COUNT:
            raise ValueError(f"{part.strip()!r} is not within 0-{COUNT - 1}")
        found.update(range(low, high + 1))
    return frozenset(found)


def render(numbers: Iterable[int]) -> str:
    """The shortest text that parse reads back."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
