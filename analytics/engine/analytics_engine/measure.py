"""What of a bucket's lines a rule measures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from analytics_engine.rules import Where

Name = TypeVar("Name")

PENCE = 10_000
"""Revenue is summed in whole ten-thousandths: sums that come and go must not drift."""


def matching(where: Where, columns: Mapping[str, Sequence[str]]) -> list[bool]:
    """Which lines a filter takes."""
    values = columns[where.column]
    if where.starts_with is not None:
        start = where.starts_with
        return [value.startswith(start) for value in values]
    wanted = {where.equals} if where.one_of is None else set(where.one_of)
    return [value in wanted for value in values]


def tally(names: Iterable[Name]) -> dict[Name, int]:
    """Lines by group. A Counter costs more to make than a tick's few lines to count."""
    counts: dict[Name, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


def revenue(
    names: Sequence[str] | None, quantities: Sequence[str], prices: Sequence[str]
) -> dict[str, int]:
    """Sums by group; a line without numbers adds nothing."""
    sums: dict[str, int] = {}
    for name, quantity, price in zip(names or [""] * len(prices), quantities, prices, strict=True):
        try:
            amount = round(int(quantity) * float(price) * PENCE)
        except (ValueError, OverflowError):
            continue
        sums[name] = sums.get(name, 0) + amount
    return sums
