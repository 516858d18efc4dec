"""The most frequent values of an incident, in bounded memory."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from analytics_engine.evaluation.incident import Incident
from analytics_engine.evaluation.window import OTHER, Window
from analytics_engine.records.batch import Batch, joined, texts
from analytics_engine.records.history import History
from analytics_engine.records.ticks import SECOND
from analytics_engine.records.values import text

LIMIT = 1_000
SHOWN = 5
EVERY = 60 * SECOND
"""An open incident's top is brought up to date this often, to need no older history."""
CHUNK = 2_000
"""Lines."""


def bounded(counts: Mapping[str, int]) -> dict[str, int]:
    """Exact up to LIMIT distinct values, beyond it a lower bound (Misra-Gries)."""
    if len(counts) <= LIMIT:
        return dict(counts)
    floor = sorted(counts.values(), reverse=True)[LIMIT]
    return {value: count - floor for value, count in counts.items() if count > floor}


def shown(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The first few, ties by name."""
    first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
    return [(text(value), count) for value, count in first]


def keep(history: History, rules: Iterable[tuple[Window, Iterable[Incident]]], now: int) -> None:
    """Bring incidents up to date, those of all rules that are due at once in one go."""
    due: dict[int, list[tuple[Window, list[Incident]]]] = {}
    for window, incidents in rules:
        of_rule: dict[int, list[Incident]] = {}
        for incident in incidents:
            if _is_over(incident):
                continue
            topped, last_hot = incident.topped, now if incident.hot else incident.last_hot
            while (until := topped - topped % EVERY + EVERY) <= last_hot:
                following = history.next(topped)
                if following is None or following > last_hot:
                    incident.topped = last_hot - last_hot % EVERY
                    break
                if following > until:  # nothing is to be counted until then
                    topped = (following - 1) // EVERY * EVERY
                    continue
                of_rule.setdefault(until, []).append(incident)
                topped = until
        for until, some in of_rule.items():
            due.setdefault(until, []).append((window, some))
    for until, together in sorted(due.items(), key=lambda item: item[0]):
        count(history, together, until - EVERY, until)


def count(
    history: History,
    rules: Iterable[tuple[Window, Sequence[Incident]]],
    after: int,
    until: int,
    seconds: Container[int] | None = None,
) -> None:
    """Count the lines of some ticks for the incidents of each rule."""
    tops = [_Tops(window, [i for i in some if not _is_over(i)]) for window, some in rules]
    batches = history.read(after + 1, until, seconds)
    cuts = sorted({topped for top in tops for topped in top.topped if topped > after})
    for batch in batches if any(top.has_other for top in tops) else _chunks(batches, cuts):
        for top in tops:
            top.add(batch)
    for top in tops:
        top.finish(until)


def _is_over(incident: Incident) -> bool:
    """Whether nothing is added any more: of OTHER only the window knows whose lines are there."""
    return incident.scope == OTHER and incident.topped > 0


def _chunks(batches: Iterable[Batch], cuts: Sequence[int]) -> Iterator[Batch]:
    """Like batches together, as many as are cheap to count at once and to hold in memory.

    None has ticks up to a cut and others beyond it.
    """
    some: list[Batch] = []
    lines = part = 0
    for batch in batches:
        last, part = part, bisect_left(cuts, batch.tick)
        if some and (lines >= CHUNK or part != last or not _alike(some[0], batch)):
            yield joined(some)
            some, lines = [], 0
        some.append(batch)
        lines += len(batch)
    if some:
        yield joined(some)


def _alike(one: Batch, other: Batch) -> bool:
    return one.test == other.test and one.columns.keys() == other.columns.keys()


class _Tops:
    """Counts lines for incidents of one rule; none from before an incident's window, none twice."""

    def __init__(self, window: Window, incidents: Sequence[Incident]) -> None:
        self._window, self._incidents = window, incidents
        self._counts = {
            i.scope: {name: Counter(i.top.get(name, {})) for name in window.kind.top}
            for i in incidents
        }
        self._oldest = {i.scope: i.opened - window.rule.window for i in incidents}
        self._topped = {i.scope: i.topped for i in incidents}
        self.topped = self._topped.values()
        """The ticks beyond which lines are counted: those of a batch lie on one side of each."""
        self.has_other = OTHER in self._counts
        """Whether it needs each batch at its own tick."""

    def add(self, batch: Batch) -> None:
        if not self._window.sees(batch):
            return
        firsts, kind = batch.firsts, self._window.kind
        for scope, rows in self._rows(batch).items():
            if batch.tick <= self._topped[scope]:
                continue
            if firsts is not None:
                rows = [row for row in rows if firsts[row] > self._oldest[scope]]
            every = len(rows) == len(batch)
            for column, counter in self._counts[scope].items():
                values = batch.columns.get(column)
                if values is None:
                    continue  # it is from before the kind named this column
                some = values if every else [values[row] for row in rows]
                counter.update(some if kind.is_text(column) else texts(some))

    def finish(self, until: int) -> None:
        for incident in self._incidents:
            counts = self._counts[incident.scope]
            incident.top = {column: bounded(counter) for column, counter in counts.items()}
            incident.topped = until

    def _rows(self, batch: Batch) -> Mapping[str, Sequence[int]]:
        """Which lines are of each incident's scope."""
        chosen = self._window.rows(batch)
        if (names := self._window.names(batch.columns)) is None:
            return {"": chosen}
        rows: dict[str, list[int]] = {}
        for row in chosen:
            if (name := names[row]) in self._counts:
                rows.setdefault(name, []).append(row)
            elif self.has_other and not self._window.has_place(name, batch.tick):
                rows.setdefault(OTHER, []).append(row)
        return rows
