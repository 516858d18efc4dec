"""One incident: when it opens, is said again, and closes."""

import msgspec

from analytics_engine.evaluation.alarm import Kind
from analytics_engine.rules.conditions import Condition
from analytics_engine.rules.measures import Number


class Incident(msgspec.Struct):
    """State of an incident since its opening tick; ticks are indices."""

    scope: str
    opened: int
    last_hot: int
    peak: Number
    peak_tick: int
    peak_lines: int
    total: int
    """Lines from one window before the opening until now."""
    total_hot: int
    """The same until the last hot tick."""
    hot: bool = True
    sequence: int = 0
    closed: int | None = None
    top: dict[str, dict[str, int]] = {}
    topped: int = 0
    """The tick through which `top` has been counted."""
    earlier: int = 0
    """By how many ticks it began before it was opened, as is known now."""
    pair: int | None = None
    """Of a burn rate: the fastest pair of windows that has been hot."""
    hot_ticks: int = 1
    """Of the minute that is counted now."""
    late: tuple[int, int] | None = None
    """Between which ticks late lines have come for it, for which the past is not yet recounted."""

    @property
    def began(self) -> int:
        return self.opened - self.earlier

    def next_event(self, quiet: int, reminder: int | None, after: int) -> int | None:
        """The next tick after `after` at which something is due though nothing changes."""
        if not self.hot:
            return self.last_hot + quiet
        if reminder is None:
            return None
        return after + reminder - (after - self.opened) % reminder

    def keep_hot(self, tick: int) -> None:
        """Nothing has changed until before this tick."""
        if self.hot:
            self.hot_ticks += tick - 1 - self.last_hot
            self.last_hot = tick - 1

    def step(self, tick: int, hot: bool, value: Number, lines: int, condition: Condition) -> None:
        """Take in the state at a tick at which something changed or is due."""
        self.hot = hot
        if hot:
            self.hot_ticks += tick > self.last_hot
            self.last_hot = tick
            self.total_hot = self.total
            if condition.passes(value, self.peak):
                self.peak, self.peak_tick, self.peak_lines = value, tick, lines

    def due(self, tick: int, quiet: int, reminder: int | None) -> Kind | None:
        """What is to be said at this tick, after `step`."""
        if self.hot:
            due = reminder is not None and tick > self.opened
            return "REMINDER" if due and (tick - self.opened) % reminder == 0 else None
        return "CLOSE" if tick >= self.last_hot + quiet else None
