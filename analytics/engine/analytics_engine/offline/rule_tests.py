"""Tests of rules as data: given these lines at these times, expect these alarms.

A test that tests nothing is an error, not one that passed.
"""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from analytics_engine.errors import InputError
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.evaluation.alarm import Kind as AlarmKind
from analytics_engine.offline.backtest import offline_engine
from analytics_engine.records.document import Problem, Wrong, convert, entries, mapping, pairs
from analytics_engine.records.kind import Kind
from analytics_engine.records.ticks import TICK_MS, milliseconds, rfc3339
from analytics_engine.rules.files import Definitions, load
from analytics_engine.rules.rule import Rule

START_MS = 1_767_225_600_000
"""Second 0 of every test: 2026-01-01T00:00:00Z."""
DELAY_MS = 100
"""A line reaches the stream this long after its time, where `put` does not say otherwise."""


Second = Annotated[float, msgspec.Meta(ge=0)]


class Lines(msgspec.Struct, forbid_unknown_fields=True):
    """`count` lines, one `every` so many seconds; `{n}` in a column is the line's number."""

    at: Second
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    every: Second = 0.0
    put: Second | None = None
    """Second at which they reach the stream, where that is late."""
    columns: dict[str, str | int | float] = {}
    """By column; the others are empty, but for the identity's."""

    @property
    def last(self) -> float:
        """Second at which all of them are there."""
        return max(self.at + (self.count - 1) * self.every, self.put or 0.0)


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """An alarm: its second, its kind, and what else of it matters."""

    at: Second
    kind: AlarmKind
    fields: dict[str, Any] = {}


class Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    rule: str
    lines: list[Lines]
    until: Annotated[float, msgspec.Meta(gt=0)]
    """Second until which time goes on."""
    expect: list[Expected]


class Record(msgspec.Struct):
    data: bytes
    arrival: float


def run(file: Path) -> Iterator[tuple[Case, list[str]]]:
    """Each case, and what is wrong with it: nothing where it passed. Raises InputError."""
    definitions, cases = _read(file)
    by_name = {rule.name: rule for rule in definitions.rules}
    for case in cases:
        rule = by_name[case.rule]
        alone = Definitions(definitions.sources, [rule], definitions.references)
        engine = offline_engine(alone, rule.source)
        engine.open_shard("0")
        kind = engine.source.kind
        records = sorted(_records(case.lines, kind), key=lambda record: record.arrival)
        engine.read("0", "", records)
        alarms = engine.advance((START_MS + round(case.until * 1000)) // TICK_MS)
        wrong = _differences(case.expect, alarms)
        counts = engine.counts
        if not counts.lines_counted:
            wrong.append("none of its lines is counted before its end")
        if counts.repeated:
            wrong.append(f"of its lines {counts.repeated} repeat others: {kind.identity} are alike")
        if counts.too_late:
            wrong.append(f"of its lines {counts.too_late} come too late to count")
        if counts.unreadable:
            wrong.append(f"of its lines {counts.unreadable} are none of the kind {kind.name}")
        yield case, wrong


def _read(file: Path) -> tuple[Definitions, list[Case]]:
    """The cases, and the rules that they are of: the file that `rules` names from here."""
    name = str(file)
    try:
        root = mapping(file.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {error}") from error
    nodes = entries(root, "tests", name)
    others = [(key, node) for key, node in pairs(root) if key != "tests"]
    wrong = [
        Wrong(node.start_mark.line + 1, f"{key}: expected the name of a rules file, once")
        for number, (key, node) in enumerate(others)
        if key != "rules" or number or not isinstance(node, yaml.ScalarNode)
    ]
    if not nodes:
        wrong.append(Wrong(1, "tests: there are none"))
    if wrong:
        raise InputError(*(f"{name}:{line}: {message}" for line, message in wrong))
    rules = str(others[0][1].value) if others else "rules.yml"
    definitions = load(file.parent / rules)
    by_name = {rule.name: rule for rule in definitions.rules}
    cases = []
    for node in nodes:
        case, found = convert(node, Case, lambda case: _problems(case, by_name, definitions))
        wrong += found
        if case is not None:
            cases.append(case)
    if wrong:
        raise InputError(*(f"{name}:{line}: {message}" for line, message in wrong))
    return definitions, cases


def _problems(case: Case, rules: Mapping[str, Rule], definitions: Definitions) -> Iterator[Problem]:
    """Why a case would test nothing."""
    if case.rule not in rules:
        yield "rule", f"there is no rule {case.rule!r} (known: {', '.join(rules)})"
        return
    kind = definitions.sources[rules[case.rule].source].kind
    if not case.lines:
        yield "lines", "there are none, so nothing can happen"
    for number, some in enumerate(case.lines):
        key = f"lines.{number}"
        if some.last >= case.until:
            yield key, f"there is one at {some.last:g}, and the test ends at {case.until:g}"
        for column, value in some.columns.items():
            if column not in kind.columns:
                known = ", ".join(kind.columns)
                yield f"{key}.columns", f"no column {column!r} (columns of {kind.name}: {known})"
            elif column == kind.moment.column:
                yield f"{key}.columns", f"{column} is what 'at' says"
            elif kind.columns[column] == "text" and isinstance(value, float):
                yield f"{key}.columns", f"{column} is text: put {value} in quotes"
    for number, expected in enumerate(case.expect):
        if expected.at > case.until:
            yield f"expect.{number}", f"is after the end of the test at {case.until:g}"
        for field in expected.fields.keys() - {*Alarm.__struct_fields__}:
            known = ", ".join(Alarm.__struct_fields__)
            yield f"expect.{number}", f"an alarm has no {field!r} (it has {known})"


def _records(lines: list[Lines], kind: Kind) -> Iterator[Record]:
    number = 0
    for some in lines:
        for index in range(some.count):
            number += 1
            time_ms = START_MS + round((some.at + index * some.every) * 1000)
            put_ms = time_ms + DELAY_MS
            if some.put is not None:
                put_ms = START_MS + round(some.put * 1000)
            values = {
                name: str(value).replace("{n}", str(number)) for name, value in some.columns.items()
            }
            line = _line(kind, number) | values | {kind.moment.column: _moment(kind, time_ms)}
            yield Record(msgspec.json.encode(line), put_ms / 1000)


def _line(kind: Kind, number: int) -> dict[str, Any]:
    """A line of which no column says anything, but its own number in the identity."""
    own = dict.fromkeys(kind.identity, "1") | {column: str(number) for column in kind.identity[-1:]}
    return dict.fromkeys(kind.columns, "") | own


def _moment(kind: Kind, time_ms: int) -> str | float:
    if kind.moment.format == "rfc3339":
        return rfc3339(time_ms)
    return time_ms / 1000 if kind.moment.format == "epoch_seconds" else time_ms


def _differences(expected: list[Expected], alarms: list[Alarm]) -> list[str]:
    """A sentence for each difference, in the order of time."""
    wrong = []
    for wanted, alarm in zip_longest(expected, alarms):
        if alarm is None:
            wrong.append(f"{wanted.kind} at {wanted.at:g} did not come")
        elif wanted is None:
            wrong.append(f"{alarm.kind} at {_second(alarm):g} was not expected")
        else:
            actual = msgspec.json.decode(msgspec.json.encode(alarm)) | {"at": _second(alarm)}
            for key, value in ({"kind": wanted.kind, "at": wanted.at} | wanted.fields).items():
                if key not in actual or actual[key] != value:
                    found = actual.get(key)
                    wrong.append(
                        f"{wanted.kind} at {wanted.at:g}: {key} is {found!r}, not {value!r}"
                    )
    return wrong


def _second(alarm: Alarm) -> float:
    return (milliseconds(alarm.event_time) - START_MS) / 1000
