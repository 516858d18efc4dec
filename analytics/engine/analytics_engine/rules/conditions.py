"""When a rule's value is hot: a class a condition."""

from abc import ABC, abstractmethod
from typing import ClassVar

from analytics_engine.records.kind import HIGHEST, LOWEST, SHARE
from analytics_engine.rules.measures import Group, Number
from analytics_engine.rules.rule import BELOW, Percentile, Rule

NEVER = 1 << 62
"""A tick that does not come."""


class Condition(ABC):
    """One rule's condition."""

    waits: ClassVar[bool]
    """Whether it waits for what does not come: then groups stay though they hold nothing."""

    def __init__(self, rule: Rule) -> None:
        self._window = rule.window
        # No line has no share, and no extreme.
        needs = int(rule.measure in (SHARE, HIGHEST, LOWEST))
        self._minimum_lines = max(rule.minimum_lines, needs)

    @abstractmethod
    def is_hot(self, group: Group, value: Number, tick: int) -> bool:
        """Whether a group is hot at a tick with this value."""

    @abstractmethod
    def passes(self, value: Number, other: Number) -> bool:
        """Whether a value is further beyond the threshold than another."""


class AtLeast(Condition):
    """The value has reached the threshold."""

    waits = False

    def is_hot(self, group: Group, value: Number, tick: int) -> bool:
        return value >= group.threshold and group.lines >= self._minimum_lines

    def passes(self, value: Number, other: Number) -> bool:
        return value > other


class Above(AtLeast):
    """More than the threshold's share of the lines are taken; reckoned in whole numbers."""

    def __init__(self, rule: Rule, threshold: Percentile) -> None:
        super().__init__(rule)
        self._taken, self._of = threshold.share.as_integer_ratio()

    def is_hot(self, group: Group, value: Number, tick: int) -> bool:
        enough = group.lines >= self._minimum_lines
        return enough and group.amount * self._of > group.lines * self._taken


class Below(Condition):
    """The value stays below the threshold, one window after the group's first line or later."""

    waits = True

    def is_hot(self, group: Group, value: Number, tick: int) -> bool:
        settled = tick >= group.born + self._window and group.lines >= self._minimum_lines
        return settled and value < group.threshold

    def passes(self, value: Number, other: Number) -> bool:
        return value < other


def condition_of(rule: Rule) -> Condition:
    """A rule's condition."""
    if isinstance(rule.threshold, Percentile):
        return Above(rule, rule.threshold)
    return Below(rule) if rule.comparison == BELOW else AtLeast(rule)
