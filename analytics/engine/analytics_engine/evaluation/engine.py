"""All rules over one stream: takes records in, and returns what is to be said.

What it returns depends on the stream alone, not on when, how fast or in which interleaving of the
shards it was read; other streams have engines of their own. It does no input or output but through
the history that it is given.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from analytics_engine.evaluation.alarm import Alarm, Said
from analytics_engine.evaluation.evaluator import Evaluator
from analytics_engine.evaluation.incident import Incident
from analytics_engine.evaluation.intake import Intake, Record
from analytics_engine.evaluation.minutes import Counting, Measure
from analytics_engine.evaluation.snapshot import Snapshot
from analytics_engine.evaluation.top import keep
from analytics_engine.evaluation.tracker import State, Tracker
from analytics_engine.records.clock import KEPT, Shard, decided_through
from analytics_engine.records.history import History
from analytics_engine.records.kind import Kind, Minutes, Source
from analytics_engine.rules.reference import Reference, References
from analytics_engine.rules.rule import Rule

_arrival, _tick = attrgetter("arrival"), itemgetter(0)
_nature = attrgetter("measure", "column", "where", "among", "group_by", "comparison", "test")
"""What a rule is of; the rest is how much and how long."""


class Engine:
    """Feed it with `read` and `idle`, then `advance`; `snapshot` says how to go on from there."""

    def __init__(
        self, history: History, snapshot: Snapshot, source: Source, measured: bool = False
    ) -> None:
        """`measured`: what each minute amounts to is to be told, too."""
        self.history, self.measured = history, measured
        self.measures: list[Measure] = []
        """What is to be told since the last save."""
        self.source = msgspec.structs.replace(source, kind=snapshot.kind or source.kind)
        self.decided = snapshot.decided
        """The tick through which all is decided: the stream's watermark."""
        self.counts = snapshot.counts
        self.shards = {
            name: Shard(sequence, arrival) for name, (sequence, arrival) in snapshot.shards.items()
        }
        self._ended: dict[str, Shard] = {}
        """Shards of which not all has been counted yet: a restart reads them again."""
        self.intake = Intake(self.source, history, snapshot.counts, snapshot.decided)
        self._minutes: Counting | None = None
        self._evaluators: dict[str, Evaluator] = {}
        self._states = snapshot.states
        references = {name: Reference(text, name) for name, text in snapshot.references.items()}
        self._use(self.source, snapshot.rules, references)

    def change(
        self, source: Source, rules: Sequence[Rule], references: References
    ) -> list[Alarm] | None:
        """Take other rules, or another kind of record, from the next tick on; None if all is same.

        Save at once: the tick must be remembered. And read each shard again after its `last`: lines
        that wait may lack what the new rules need.
        """
        texts = {name: reference.text for name, reference in references.items()}
        if (source, list(rules), texts) == (self.source, self.rules, self._texts()):
            return None
        old = {name: evaluator.tracker for name, evaluator in self._evaluators.items()}
        same = {
            rule.name
            for rule in rules
            if rule.name in old
            and old[rule.name].rule == rule
            and source.kind == self.source.kind
            and all(_same(self.references, references, name) for name in rule.references)
        }
        kept = {
            rule.name for rule in rules if rule.name in old and _alike(old[rule.name].rule, rule)
        }
        alarms: list[Alarm] = []
        for name, tracker in old.items():
            if name not in kept:
                there = any(rule.name == name for rule in rules)
                reason = "the rule was changed" if there else "the rule was removed"
                alarms += tracker.close_all(self.decided, reason)
                self.history.cells.forget(name)
        self._states = {name: self._evaluators[name].state() for name in kept}
        self.counts.alarms += len(alarms)
        self._use(source, rules, references, same)
        self.settle()
        self.shards |= self._ended
        self._ended = {}
        for shard in self.shards.values():
            shard.rewind()
        return alarms

    def read(self, name: str, sequence: str, records: Sequence[Record]) -> None:
        """Take in a batch; `sequence` is its last record's."""
        arrivals = list(map(_arrival, records))
        self.take(name, sequence, arrivals, self.intake.decode(records))

    def take(
        self, name: str, sequence: str, arrivals: Sequence[float], lines: Sequence[Any]
    ) -> None:
        """Take in a batch of lines (None for a record that was none), and when they arrived."""
        shard = self.shards[name]
        self.counts.records_read += len(lines)
        shard.read_through(sequence, self.intake.take(shard, arrivals, lines))

    def idle(self, name: str, request_ms: int) -> None:
        """A request made then found a shard read to its end."""
        self.shards[name].idle(request_ms)

    def open_shard(self, name: str, parent: str | None = None) -> None:
        """Follow another shard; it holds back the ticks from where its parent stood."""
        if name not in self.shards:
            self.shards[name] = Shard()
            if parent in self.shards:
                self.shards[name].watermark_ms = self.shards[parent].watermark_ms

    def close_shard(self, name: str) -> None:
        """A shard has been read to its end for ever: open its children first."""
        self._ended[name] = self.shards.pop(name)

    @property
    def awaited(self) -> list[int]:
        """Undecided ticks at which there may be something to say, as far as is known."""
        due = [evaluator.tracker.awaited for evaluator in self._evaluators.values()]
        return [tick for tick in (*self.intake.ticks(), *due) if tick > self.decided]

    def advance(self, until: int | None = None) -> list[Alarm]:
        """Decide what can be decided, or all up to a tick."""
        if until is None:
            if not self.shards:
                return []
            watermark_ms = min(shard.watermark_ms for shard in self.shards.values())
            until = decided_through(watermark_ms, self.source.lateness_ms)
        if until <= self.decided:
            return []
        lines, tests = self.intake.drain(until)
        if self._minutes is not None:
            self.measures += self._minutes.advance(lines, until)
        alarms: list[Said] = []
        for evaluator in self._evaluators.values():
            tracker = evaluator.tracker
            alarms += evaluator.advance(tests if tracker.rule.test else lines, until)
            tracker.forget(until - KEPT)
            if tracker.watch is not None:
                self.measures += tracker.watch.measures
                tracker.watch.measures = []
            self.counts.in_other += tracker.window.overflowed
            tracker.window.overflowed = 0
        trackers = [evaluator.tracker for evaluator in self._evaluators.values()]
        keep(self.history, ((t.window, t.open.values()) for t in trackers), until)
        self.decided = self.intake.decided = until
        return self._in_order(alarms)

    def finish(self) -> list[Alarm]:
        """Let time go on without lines until what is open has closed: there are no more.

        A rule that waits for silence stays where it is: that nothing follows is no silence.
        """
        newest = max(self.intake.ticks(), default=self.decided)
        alarms = self.advance(newest)
        closing: list[Said] = []
        for evaluator in self._evaluators.values():
            tracker = evaluator.tracker
            if not tracker.condition.waits:
                end = newest + tracker.window.lasting + tracker.rule.quiet
                closing += evaluator.advance([], end)
        return alarms + self._in_order(closing)

    def _in_order(self, alarms: list[Said]) -> list[Alarm]:
        """In the order of the ticks at which they are said: corrections tell of earlier ones."""
        alarms.sort(key=_tick)
        self.counts.alarms += len(alarms)
        return [alarm for _, alarm in alarms]

    @property
    def reads(self) -> bool:
        """Whether its stream is to be read: there are rules, or minutes are counted."""
        return bool(self.rules) or self._minutes is not None

    def save(self) -> list[Measure]:
        """Write what does not stand in the snapshot; return what is to be told since."""
        self.history.save()
        self.history.expire(self.decided - KEPT)
        if self._minutes is not None:
            self._minutes.save()
        told, self.measures = self.measures, []
        return told

    def snapshot(self) -> Snapshot:
        """What to save, after `save`, in the same transaction."""
        self.settle()
        shards = self.shards | self._ended
        return Snapshot(
            self.decided,
            {name: (shard.sequence, shard.saved_ms) for name, shard in shards.items()},
            self.source.kind,
            self.rules,
            self._texts(),
            {name: evaluator.state() for name, evaluator in self._evaluators.items()},
            self.counts,
        )

    @property
    def open_incidents(self) -> list[tuple[Rule, Incident]]:
        """All that are open, with their rules."""
        return [
            (evaluator.tracker.rule, incident)
            for evaluator in self._evaluators.values()
            for incident in evaluator.tracker.open.values()
        ]

    def settle(self) -> None:
        """Move the positions from which a restart reads behind what has been counted."""
        for shard in (self.shards | self._ended).values():
            shard.settle(self.decided)
        self._ended = {name: shard for name, shard in self._ended.items() if shard.waiting}

    def _texts(self) -> dict[str, str]:
        return {name: reference.text for name, reference in self.references.items()}

    def _use(
        self,
        source: Source,
        rules: Sequence[Rule],
        references: References,
        same: Iterable[str] | None = None,
    ) -> None:
        """Build the evaluators; those of rules that are not `same` begin anew at the next tick."""
        self.source, self.rules, self.references = source, list(rules), dict(references)
        kind = source.kind
        keys = {references[name].key for rule in rules for name in rule.references}
        counted = kind.minutes if self.measured else None
        if counted is not None:
            keys |= counted.columns
        self._count(kind, counted)
        self.intake.use(source, keys.union(*(rule.columns(kind) for rule in rules)))
        old, fresh = self._evaluators, same is not None
        self._evaluators = {
            rule.name: old[rule.name] if same and rule.name in same else self._new(rule, fresh)
            for rule in rules
        }
        self._states = {}

    def _count(self, kind: Kind, counted: Minutes | None) -> None:
        """Count minutes as a kind asks for it; where it asks otherwise than before, begin anew."""
        old = self._minutes
        if old is not None and (old.kind.name, old.kind.unit, old.kind.minutes) != (
            kind.name,
            kind.unit,
            counted,
        ):
            self.measures += old.finish()
            self._minutes = None
        if self._minutes is None and counted is not None:
            self._minutes = Counting(kind, self.history, self.decided)

    def _new(self, rule: Rule, fresh: bool) -> Evaluator:
        state = self._states.get(rule.name, State())
        measured = self.measured and not rule.test
        tracker = Tracker(
            rule,
            self.source.kind,
            self.references,
            self.history,
            state,
            self.decided,
            fresh,
            measured,
        )
        return Evaluator(tracker, state)


def _same(old: References, new: References, name: str) -> bool:
    return name in old and name in new and old[name].text == new[name].text


def _alike(old: Rule, new: Rule) -> bool:
    """Whether incidents of the one can go on as incidents of the other."""
    return _nature(old) == _nature(new)
