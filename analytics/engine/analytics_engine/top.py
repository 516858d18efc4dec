"""The most frequent values of an incident, in bounded memory."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from analytics_engine.history import History
from analytics_engine.incident import Incident
from analytics_engine.line import SECOND, TOP_COLUMNS
from analytics_engine.measure import matching
from analytics_engine.rules import Rule
from analytics_engine.window import Window

LIMIT = 1_000
SHOWN = 5
EVERY = 60 * SECOND
"""An open incident's top is brought up to date this often, to need no older history."""

Span = tuple[int, int]
"""Ticks, both ends included."""


def merge(counts: dict[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Both together: exact up to LIMIT distinct values, beyond it a lower bound (Misra-Gries)."""
    merged = Counter(counts)
    merged.update(more)
    if len(merged) <= LIMIT:
        return dict(merged)
    floor = sorted(merged.values(), reverse=True)[LIMIT]
    return {value: count - floor for value, count in merged.items() if count > floor}


def shown(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The first few, ties by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]


class Tops:
    """Counts the lines of the incidents of one rule, from the history."""

    def __init__(self, rule: Rule, window: Window, history: History) -> None:
        self._rule, self._window, self._history = rule, window, history

    def keep(self, incidents: Iterable[Incident], now: int) -> None:
        """Bring open incidents up to date, in one go for those that are due at once."""
        due: dict[Span, list[Incident]] = {}
        for incident in incidents:
            until = incident.topped - incident.topped % EVERY + EVERY
            last_hot = now if incident.hot else incident.last_hot
            while last_hot >= until:
                due.setdefault((incident.topped, until), []).append(incident)
                until += EVERY
        for (topped, until), some in sorted(due.items(), key=lambda item: item[0]):
            self.count(some, max(topped, until - EVERY), until)

    def count(
        self,
        incidents: Sequence[Incident],
        after: int,
        until: int,
        seconds: Container[int] | None = None,
    ) -> None:
        """Count the lines of some ticks; none from before an incident's window."""
        rule = self._rule
        found: dict[str, dict[str, list[str]]] = {
            i.scope: {name: [] for name in TOP_COLUMNS} for i in incidents
        }
        oldest = {i.scope: i.opened - rule.window for i in incidents}
        for bucket in self._history.read(after + 1, until, seconds):
            if bucket.test != rule.test:
                continue
            columns, firsts = bucket.columns, bucket.firsts
            rows: dict[str, list[int]] = {scope: [] for scope in found}
            if (names := self._window.names(columns)) is None:
                rows[""] = list(range(len(bucket)))
            elif not rows.keys().isdisjoint(names):
                for row, name in enumerate(names):
                    if name in rows:
                        rows[name].append(row)
            else:
                continue
            chosen = matching(rule.where, columns) if rule.where is not None else None
            for scope, some in rows.items():
                if chosen is not None:
                    some = [row for row in some if chosen[row]]
                if firsts is not None:
                    some = [row for row in some if firsts[row] > oldest[scope]]
                for column, gathered in found[scope].items():
                    values = columns[column]
                    every = len(some) == len(values)
                    gathered += values if every else [values[row] for row in some]
        for incident in incidents:
            for column, gathered in found[incident.scope].items():
                incident.top[column] = merge(incident.top.get(column, {}), Counter(gathered))
            incident.topped = until
