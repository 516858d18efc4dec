"""What a rule saw in a minute: of its open groups, and of the five whose values went furthest.

It is what was decided with the lines that were there in time, so it is told once, at the minute's
end. Of a burn rate also the lines of each minute and the bad ones among them are told, which late
lines change: then again.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from analytics_engine.evaluation.incident import Incident
from analytics_engine.evaluation.minutes import Measure
from analytics_engine.records.ticks import MINUTE, at, minute_of
from analytics_engine.rules.measures import Group, Number
from analytics_engine.rules.rule import BELOW, Rule

FURTHEST = 5
OPEN = 100
"""Open groups of a rule that are told, at most."""


class Seen(msgspec.Struct, array_like=True):
    """A group where its value went furthest."""

    value: Number
    lines: int
    """In the window then."""
    threshold: Number


class RuleMinute(msgspec.Struct):
    """What a rule has seen in a minute so far; saved with its state."""

    minute: int
    since: int
    """The first tick that it decided of it."""
    furthest: dict[str, Seen] = {}
    open: dict[str, Seen] = {}
    """Groups with an incident, which may be closed by now."""
    hot: dict[str, int] = {}
    """Hot ticks of those that were closed in it."""
    spent: set[tuple[str, int]] = set()
    """Of a burn rate: groups and minutes whose lines have changed."""


class Watch:
    """Keeps a rule's minute. A better value is one that is further beyond the threshold."""

    def __init__(self, rule: Rule, saved: RuleMinute | None, decided: int) -> None:
        self.rule = rule
        self.state = saved or RuleMinute(minute_of(decided + 1), decided + 1)
        self.measures: list[Measure] = []
        """What is to be told."""
        self._sign = -1 if rule.comparison == BELOW else 1
        self._bound()

    @property
    def next_event(self) -> int:
        """The first tick after the minute."""
        return (self.state.minute + 1) * MINUTE + 1

    @property
    def is_empty(self) -> bool:
        state = self.state
        return not (state.furthest or state.open or state.spent)

    def see(self, group: Group, value: Number, is_open: bool) -> None:
        """Take in a group's value at a tick."""
        rank = self._sign * value
        seen = self.state.open if is_open else self.state.furthest
        known = seen.get(group.name)
        if known is not None and rank <= self._sign * known.value:
            return
        if is_open:
            seen[group.name] = Seen(value, group.lines, group.threshold)
        elif len(seen) < FURTHEST or known is not None or (rank, group.name) > self._least:
            seen[group.name] = Seen(value, group.lines, group.threshold)
            if len(seen) > FURTHEST:
                del seen[self._least[1]]
            self._bound()

    def end(self, tick: int, incidents: Iterable[Incident]) -> None:
        """At the first tick of another minute: make what is to be told of the last."""
        state, end = self.state, self.next_event
        hot = dict(state.hot)
        for incident in incidents:
            incident.keep_hot(end)
            hot[incident.scope] = hot.get(incident.scope, 0) + incident.hot_ticks
            incident.hot_ticks = 0
        # What an open group was before it opened counts no more.
        ranked = sorted(
            (state.furthest | state.open).items(),
            key=lambda one: (self._sign * one[1].value, one[0]),
            reverse=True,
        )
        opened = [one for one in ranked if one[0] in state.open]
        told = dict(ranked[:FURTHEST]) | dict(opened[:OPEN])
        for scope, seen in sorted(told.items()):
            self.measures.append(
                self._measure("rule", scope, state.minute)
                | {
                    "value": seen.value,
                    "threshold": seen.threshold,
                    "lines": seen.lines,
                    "hot_ticks": hot.get(scope, 0),
                    "ticks": end - state.since,
                }
            )
        self.state = RuleMinute(minute_of(tick), max(end, minute_of(tick) * MINUTE + 1))
        self._bound()

    def spend(self, minutes: Callable[[str], Mapping[int, tuple[int, int]]]) -> None:
        """Make what is to be told of the budget; `minutes` gives a group's lines, and bad ones."""
        for scope, minute in sorted(self.state.spent):
            if (counts := minutes(scope).get(minute)) is not None:
                told = {"objective": self.rule.objective, "lines": counts[0], "bad": counts[1]}
                self.measures.append(self._measure("slo", scope, minute) | told)

    def _measure(self, kind: str, scope: str, minute: int) -> Measure:
        when = at(minute * MINUTE)
        return {"kind": kind, "minute": when, "rule": self.rule.name, "scope": scope}

    def _bound(self) -> None:
        """Of those kept the one that goes first, and what a value must reach to be kept."""
        ranks = [(self._sign * seen.value, name) for name, seen in self.state.furthest.items()]
        self._least = min(ranks, default=(0, ""))
        self.bound = self._least[0] if len(ranks) >= FURTHEST else -float("inf")
