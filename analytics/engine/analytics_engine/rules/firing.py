"""Why a rule could never fire, where that is seen without a line."""

import math
from collections.abc import Iterator

from analytics_engine.records.document import Problem
from analytics_engine.records.kind import BURN, DISTINCT, LINES, SHARE, Kind, Mark
from analytics_engine.records.values import LONGEST, UNKNOWN, Addresses, text
from analytics_engine.records.where import Where, each
from analytics_engine.rules.grouping import thresholds
from analytics_engine.rules.reference import References
from analytics_engine.rules.rule import BELOW, Rule


def problems(rule: Rule, kind: Kind, references: References) -> Iterator[Problem]:
    """What keeps a rule from ever firing, by the key that is to be changed."""
    for key in ("where", "among"):
        for condition in each(getattr(rule, key)):
            values = condition.one_of or [condition.equals or condition.starts_with or ""]
            address = kind.columns.get(condition.column) == "address"
            if condition.one_of == []:
                yield key, "one_of names nothing, so no line is taken"
            elif any(value != text(value) for value in values):
                yield key, f"no value is longer than {LONGEST} characters or unprintable: it is cut"
            elif (
                address
                and condition.starts_with is None
                and set(values).isdisjoint(map(Addresses().made, values))
            ):
                yield key, f"{condition.column} holds addresses; what is none counts as {UNKNOWN}"
            elif kind.test is not None and condition.column == kind.test.column:
                yield from ((key, message) for message in _tests(rule, condition, kind.test))
    if rule.measure == BURN:
        return
    lowest, highest = _range(rule, kind)
    unit = rule.unit(kind)
    of = "a share (0.3 is 30 %)" if rule.measure == SHARE else f"the number of {unit}"
    for scope, threshold in thresholds(rule, references).items():
        at = f"{threshold} of {scope}" if isinstance(rule.threshold, str) else str(threshold)
        if rule.comparison != BELOW and threshold > highest:
            yield "threshold", f"{of} is never more than {highest}, so {at} is never reached"
        elif rule.comparison == BELOW and threshold > highest:
            yield "threshold", f"{of} is never more than {highest}, so always below {at}"
        elif rule.comparison == BELOW and threshold <= lowest:
            yield "threshold", f"{of} is never less than {lowest}, so never below {at}"
        elif rule.comparison == BELOW and _fewest(rule, kind) >= threshold:
            yield (
                "minimum_lines",
                f"with {rule.minimum_lines} lines or more {of} is never below {at}",
            )


def _tests(rule: Rule, where: Where, mark: Mark) -> Iterator[str]:
    """Lines of tests are seen by rules with `test: true`, and they see no other."""
    every, some = _marked(where, mark)
    if every and not rule.test:
        yield "takes lines of tests alone, which only rules with 'test: true' see"
    if not some and rule.test:
        yield "takes no line of a test, and a rule with 'test: true' sees no other"


def _marked(where: Where, mark: Mark) -> tuple[bool, bool]:
    """Whether all, and whether some, of the values that a `where` takes mark a test."""
    if where.starts_with is None:
        values = [where.equals or ""] if where.one_of is None else where.one_of
        found = [_takes(mark, value) for value in values]
        return all(found), any(found)
    start = where.starts_with
    if mark.starts_with is not None:
        every = start.startswith(mark.starts_with)
        return every, every or mark.starts_with.startswith(start)
    values = [mark.equals or ""] if mark.one_of is None else mark.one_of
    return False, any(value.startswith(start) for value in values)


def _takes(where: Where, value: str) -> bool:
    if where.starts_with is not None:
        return value.startswith(where.starts_with)
    return value == where.equals if where.one_of is None else value in where.one_of


def _range(rule: Rule, kind: Kind) -> tuple[float, float]:
    """The lowest and the highest value of what a rule measures."""
    if rule.measure == SHARE:
        return 0, 1
    if rule.measure == LINES:
        return 0, math.inf
    distinct = _distinct(rule, kind)
    if distinct is None:
        return -math.inf, math.inf
    highest = 1 if rule.group_by == distinct else math.inf
    for condition in (*each(rule.where), *each(rule.among)):
        if condition.column == distinct and condition.equals is not None:
            highest = 1
        elif condition.column == distinct and condition.one_of is not None:
            highest = min(highest, len(set(condition.one_of)))
    return 0, highest


def _distinct(rule: Rule, kind: Kind) -> str | None:
    """The column of which distinct values are counted, if they are."""
    if rule.measure == DISTINCT:
        return rule.column
    own = kind.measures.get(rule.measure)
    return own and own.distinct


def _fewest(rule: Rule, kind: Kind) -> float:
    """What is measured at least where there are as many lines as the rule asks for."""
    if rule.measure == LINES:
        return rule.minimum_lines
    return min(rule.minimum_lines, 1) if _distinct(rule, kind) else -math.inf
