"""What a rule saw in a minute: of its open groups, and of the five whose values went furthest.

It is what was decided with the lines that were there in time, so it is told once, at the minute's
end. Of a burn rate also the lines of each minute and the bad ones among them are told, which late
lines change: then again.
"""

from collections.abc import Callable, Collection, Mapping

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
    kept: dict[str, Seen] = {}
    """The groups that went furthest, and those in `opened`."""
    opened: set[str] = set()
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
        self.sign = -1 if rule.comparison == BELOW else 1
        """What makes of a value a rank: more is further."""
        self._settle()

    @property
    def is_empty(self) -> bool:
        state = self.state
        return not (state.kept or state.spent)

    def keep(self, group: Group, value: Number) -> None:
        """Take in a value that is further than the group's last, and not before `bound`."""
        state, name = self.state, group.name
        if name not in state.opened and name not in state.kept and self._least is not None:
            if (self.sign * value, name) < self._least:
                return
            del state.kept[self._least[1]]
        state.kept[name] = Seen(value, group.lines, group.threshold)
        self._settle()

    def opens(self, name: str) -> None:
        """A group has an incident from now on."""
        self.state.opened.add(name)
        self._settle()

    def end(self, tick: int, incidents: Collection[Incident]) -> None:
        """At the first tick of another minute: make what is to be told of the last."""
        state, end = self.state, self.next_event
        hot = dict(state.hot)
        for incident in incidents:
            incident.keep_hot(end)
            hot[incident.scope] = hot.get(incident.scope, 0) + incident.hot_ticks
            incident.hot_ticks = 0
        ranked = sorted(state.kept.items(), key=self._rank, reverse=True)
        opened = [one for one in ranked if one[0] in state.opened]
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
        since = max(end, minute_of(tick) * MINUTE + 1)
        self.state = RuleMinute(minute_of(tick), since, opened={one.scope for one in incidents})
        self._settle()

    def spend(self, minutes: Callable[[str], Mapping[int, tuple[int, int]]]) -> None:
        """Make what is to be told of the budget; `minutes` gives a group's lines, and bad ones."""
        for scope, minute in sorted(self.state.spent):
            if (counts := minutes(scope).get(minute)) is not None:
                told = {"objective": self.rule.objective, "lines": counts[0], "bad": counts[1]}
                self.measures.append(self._measure("slo", scope, minute) | told)

    def _measure(self, kind: str, scope: str, minute: int) -> Measure:
        when = at(minute * MINUTE)
        return {"kind": kind, "minute": when, "rule": self.rule.name, "scope": scope}

    def _rank(self, one: tuple[str, Seen]) -> tuple[Number, str]:
        return self.sign * one[1].value, one[0]

    def _settle(self) -> None:
        """When the minute is over, which group gives its place to another, and to what rank."""
        self.next_event = (self.state.minute + 1) * MINUTE + 1
        others = [one for one in self.state.kept.items() if one[0] not in self.state.opened]
        is_full = len(others) >= FURTHEST
        self._least = min(map(self._rank, others)) if is_full else None
        self.bound = -float("inf") if self._least is None else self._least[0]
