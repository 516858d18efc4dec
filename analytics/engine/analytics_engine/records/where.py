"""Which lines are meant: tests of columns."""

import math
from collections.abc import Sequence
from functools import partial, reduce
from operator import and_

import msgspec

from analytics_engine.records.batch import Columns, Matcher, texts


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines whose column equals a value, is one of several, begins with one, or is in a range.

    The first three compare text, of numbers too. A range is of numbers; what is none is in none.
    """

    column: str
    equals: str | None = None
    one_of: list[str] | None = None
    starts_with: str | None = None
    at_least: float | None = None
    below: float | None = None

    @property
    def is_range(self) -> bool:
        """Whether it is of numbers."""
        return self.at_least is not None or self.below is not None

    @property
    def problem(self) -> str | None:
        """What is wrong with it whatever the columns are."""
        tests = (self.equals, self.one_of, self.starts_with)
        if sum(test is not None for test in tests) + self.is_range != 1:
            return "expected one of equals, one_of, starts_with, or at_least and below"
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            return f"no number is at least {self.at_least:g} and below {self.below:g}"
        return None


Conditions = Where | list[Where] | None
"""None, or one or more of which all must hold."""


def each(conditions: Conditions) -> list[Where]:
    """The conditions one by one."""
    if conditions is None:
        return []
    return conditions if isinstance(conditions, list) else [conditions]


def excluded(where: Where, values: Sequence[str]) -> bool:
    """Whether it surely takes none of the values; cheaper than to look at each."""
    start = where.starts_with
    return start is not None and f"\n{start}" not in "\n".join(["", *values])


def matcher(where: Where, text: bool = True) -> Matcher:
    """How to look for the lines; `text`: whether the column holds nothing but text."""
    column = where.column
    start, length = where.starts_with, len(where.starts_with or "")
    wanted = {where.equals} if where.one_of is None else set(where.one_of)
    low = -math.inf if where.at_least is None else where.at_least
    high = math.inf if where.below is None else where.below

    def matching(columns: Columns) -> Sequence[bool]:
        values = columns[column] if text else texts(columns[column])
        if start is not None:
            return [value[:length] == start for value in values]
        return list(map(wanted.__contains__, values))

    def within(columns: Columns) -> Sequence[bool]:
        try:
            return [low <= value < high for value in columns[column]]
        except TypeError:  # some stand as text
            return [low <= _number(value) < high for value in columns[column]]

    return within if where.is_range else matching


def all_of(matchers: Sequence[Matcher]) -> Matcher:
    """How to look for the lines of which each test holds; there is one test at least."""
    if len(matchers) == 1:
        return matchers[0]

    def matching(columns: Columns) -> Sequence[bool]:
        return list(reduce(partial(map, and_), (one(columns) for one in matchers)))

    return matching


def _number(value: str | float) -> float:
    """It, or what is in no range."""
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
