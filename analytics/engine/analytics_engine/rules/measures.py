"""What a rule measures of the lines that are in a group's window: a class a measure.

A measure is given the lines that enter at a tick, makes an entry of each group that they are of,
and takes the entry out again when its lines leave. What it holds of a group stands in the group.
"""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any, ClassVar, Protocol, TypeVar

from analytics_engine.records.batch import Columns, Matcher
from analytics_engine.records.kind import BURN, DISTINCT, HIGHEST, LINES, LOWEST, SHARE, Kind
from analytics_engine.records.where import Where, all_of, each, matcher
from analytics_engine.rules.rule import Rule

Name = TypeVar("Name")
Key = TypeVar("Key", str, tuple[str, Any])
Number = int | float
Names = Sequence[str] | None
"""The group of each line, or None where there is but one."""

GREATEST = 10**15
"""Beyond it nothing is believed to be an amount."""
SCALE = 10_000
"""Sums are of whole ten-thousandths: what comes and goes must not drift."""


class Group:
    """What a window holds of one group now."""

    __slots__ = ("amount", "born", "heap", "latest", "lines", "name", "threshold")

    def __init__(self, name: str, born: int, threshold: Number) -> None:
        self.name, self.born, self.threshold = name, born, threshold
        self.lines = 0
        self.amount: Number = 0
        self.latest: dict[Any, int] = {}
        """Of distinct values: the tick at which the last line of each leaves."""
        self.heap: list[float] = []
        """Of extremes: these values, and some that have left."""


Entry = tuple[Group, int, Any]
"""Lines of one group that enter together, and what they add."""


class Places(Protocol):
    """Where lines find their groups."""

    groups: dict[str, Group]

    def place(self, name: str, lines: int, tick: int) -> Group:
        """The group that takes, at a tick, so many lines of a name for which there is none yet."""

    def ordered(self, names: Collection[Key]) -> Iterable[Key]:
        """Names, or tuples that begin with one, in an order that finds the same places always."""


class Measure(ABC):
    """One rule's way to measure. It sees the lines that count (`counted`)."""

    only_lines_raise: ClassVar[bool] = True
    """Whether its value is the group's amount, and rises only where lines enter."""

    @abstractmethod
    def enter(
        self, places: Places, names: Names, columns: Columns, count: int, tick: int, leaving: int
    ) -> list[Entry]:
        """Count lines from a tick until the one at which they leave."""

    @abstractmethod
    def leave(self, entries: Iterable[Entry], tick: int, left: list[Group]) -> None:
        """Take out what entered together and leaves at a tick; add its groups to `left`."""

    def value(self, group: Group) -> Number:
        """What is measured of a group now."""
        return group.amount


class Additive(Measure):
    """Amounts that are added up."""

    def amounts(
        self, counts: Mapping[str, int], names: Names, columns: Columns
    ) -> Mapping[str, int]:
        """What the lines of each group add."""
        return counts

    def enter(
        self, places: Places, names: Names, columns: Columns, count: int, tick: int, leaving: int
    ) -> list[Entry]:
        counts = {"": count} if names is None else tally(names)
        amounts = self.amounts(counts, names, columns)
        groups, entries = places.groups, []
        for name in places.ordered(counts):
            lines, amount = counts[name], amounts.get(name, 0)
            group = groups.get(name) or places.place(name, lines, tick)
            group.lines += lines
            group.amount += amount
            entries.append((group, lines, amount))
        return entries

    def leave(self, entries: Iterable[Entry], tick: int, left: list[Group]) -> None:
        for group, lines, amount in entries:
            left.append(group)
            group.lines -= lines
            group.amount -= amount


class Lines(Additive):
    """How many lines there are."""

    def enter(
        self, places: Places, names: Names, columns: Columns, count: int, tick: int, leaving: int
    ) -> list[Entry]:
        if names is not None:
            return super().enter(places, names, columns, count, tick, leaving)
        group = places.groups.get("") or places.place("", count, tick)
        group.lines += count
        group.amount += count
        return [(group, count, count)]


class Share(Additive):
    """The share of lines that `where` takes among all."""

    only_lines_raise = False

    def __init__(self, matching: Matcher) -> None:
        self.matching = matching

    def amounts(
        self, counts: Mapping[str, int], names: Names, columns: Columns
    ) -> Mapping[str, int]:
        chosen = self.matching(columns)
        return {"": sum(chosen)} if names is None else tally(compress(names, chosen))

    def value(self, group: Group) -> float:
        return group.amount / group.lines if group.lines else 0.0


class SumProduct(Additive):
    """The sum of the product of some columns; a line without numbers there adds nothing."""

    only_lines_raise = False  # one that leaves may have been negative

    def __init__(self, columns: Sequence[str], kind: Kind) -> None:
        self._columns = [
            (column, int if kind.columns[column] == "integer" else float) for column in columns
        ]

    def amounts(
        self, counts: Mapping[str, int], names: Names, columns: Columns
    ) -> Mapping[str, int]:
        sums = dict.fromkeys(counts, 0)
        numbers = [(number, columns[column]) for column, number in self._columns]
        factors = zip(*(values for _, values in numbers), strict=True)
        parsers = [number for number, _ in numbers]
        one_group = [""] * sum(counts.values())
        for name, row in zip(names or one_group, factors, strict=True):
            try:
                product: Number = 1
                for parse, value in zip(parsers, row, strict=True):
                    product *= parse(value)
                if abs(product) <= GREATEST:
                    sums[name] += round(product * SCALE)
            except (ValueError, OverflowError):
                continue
        return sums

    def value(self, group: Group) -> float:
        return group.amount / SCALE


class Values(Measure):
    """What is measured of the distinct values of a column that are in the window."""

    def __init__(self, column: str) -> None:
        self._column = column

    def values(self, columns: Columns) -> Iterable[Any]:
        """The lines' values."""
        return columns[self._column]

    @abstractmethod
    def amount(self, group: Group, new: Any = None) -> Number:
        """What is measured of a group now; `new` has just come."""

    def enter(
        self, places: Places, names: Names, columns: Columns, count: int, tick: int, leaving: int
    ) -> list[Entry]:
        pairs = tally(zip(names or [""] * count, self.values(columns), strict=True))
        groups, entries = places.groups, []
        for pair in places.ordered(pairs):
            (name, value), lines = pair, pairs[pair]
            group = groups.get(name) or places.place(name, lines, tick)
            latest = group.latest
            new = value if value not in latest else None
            latest[value] = max(leaving, latest.get(value, 0))
            group.lines += lines
            group.amount = self.amount(group, new)
            entries.append((group, lines, value))
        return entries

    def leave(self, entries: Iterable[Entry], tick: int, left: list[Group]) -> None:
        for group, lines, value in entries:
            left.append(group)
            group.lines -= lines
            if group.latest.get(value) == tick:
                del group.latest[value]
                group.amount = self.amount(group)


class Distinct(Values):
    """How many there are."""

    def amount(self, group: Group, new: Any = None) -> int:
        return len(group.latest)


class Extreme(Values):
    """The highest or the lowest number; the lines all have one (`counted`)."""

    sign: ClassVar[int]
    """What makes the least of the number that is looked for."""

    def values(self, columns: Columns) -> Iterable[float]:
        return map(float, columns[self._column])

    def amount(self, group: Group, new: float | None = None) -> Number:
        if new is not None:
            heapq.heappush(group.heap, self.sign * new)
        while group.heap and self.sign * group.heap[0] not in group.latest:
            heapq.heappop(group.heap)
        return self.sign * group.heap[0] if group.heap else 0


class Highest(Extreme):
    """The highest number."""

    sign = -1


class Lowest(Extreme):
    """The lowest number."""

    sign = 1
    only_lines_raise = False  # one that leaves may have been lower


def measure_of(rule: Rule, kind: Kind) -> Measure:
    """How a rule measures."""
    if rule.measure in (SHARE, BURN):
        matching = measured(rule, kind)
        assert matching is not None
        return Share(matching)
    if rule.measure == LINES:
        return Lines()
    if rule.column is not None:
        if rule.measure == DISTINCT:
            return Distinct(rule.column)
        return (Lowest if rule.measure == LOWEST else Highest)(rule.column)
    own = kind.measures[rule.measure]
    if own.distinct is not None:
        return Distinct(own.distinct)
    return SumProduct(own.sum_product or (), kind)


def counted(rule: Rule, kind: Kind) -> dict[str, Matcher]:
    """How to look for the lines that count at all: by name, tests of which all must hold."""
    among = each(rule.among)
    conditions = among if rule.measure in (SHARE, BURN) else _conditions(rule)
    return {repr(one): matcher(one, kind.is_text(one.column)) for one in conditions}


def measured(rule: Rule, kind: Kind) -> Matcher | None:
    """How to look for the lines that are measured, where not all are."""
    matchers = [matcher(one, kind.is_text(one.column)) for one in _conditions(rule)]
    return all_of(matchers) if matchers else None


def _conditions(rule: Rule) -> list[Where]:
    conditions = [*each(rule.among), *each(rule.where)]
    if rule.measure in (HIGHEST, LOWEST) and rule.column is not None:
        conditions.append(Where(rule.column, at_least=-GREATEST, below=GREATEST))
    return conditions


def tally(names: Iterable[Name]) -> dict[Name, int]:
    """Lines by name. A Counter costs more to make than a tick's few lines to count."""
    counts: dict[Name, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
