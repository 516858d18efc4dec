"""Which lines are meant: a test of one column."""

from collections.abc import Callable, Sequence

import msgspec

from analytics_engine.records.batch import Columns, texts


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines whose column equals a value, is one of several, or begins with one."""

    column: str
    equals: str | None = None
    one_of: list[str] | None = None
    starts_with: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with it whatever the columns are."""
        tests = (self.equals, self.one_of, self.starts_with)
        if sum(test is not None for test in tests) != 1:
            return "expected one of equals, one_of, starts_with"
        return None


def excluded(where: Where, values: Sequence[str]) -> bool:
    """Whether it surely takes none of the values; cheaper than to look at each."""
    start = where.starts_with
    return start is not None and f"\n{start}" not in "\n".join(["", *values])


Matcher = Callable[[Columns], Sequence[bool]]
"""Says which lines a test takes, in their order."""


def matcher(where: Where, text: bool = True) -> Matcher:
    """How to look for the lines; `text`: whether the column holds nothing but text."""
    column = where.column
    start, length = where.starts_with, len(where.starts_with or "")
    wanted = {where.equals} if where.one_of is None else set(where.one_of)

    def matching(columns: Columns) -> Sequence[bool]:
        values = columns[column] if text else texts(columns[column])
        if start is not None:
            return [value[:length] == start for value in values]
        return [value in wanted for value in values]

    return matching
