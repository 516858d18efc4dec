"""Tests of rules as data: given these lines at these times, expect these alarms."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import yaml

from analytics_engine.errors import InputError
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.offline.backtest import offline_engine
from analytics_engine.records.kind import Kind
from analytics_engine.records.ticks import TICK_MS, milliseconds, rfc3339
from analytics_engine.rules.files import Definitions, load

START_MS = 1_767_225_600_000
"""Second 0 of every test: 2026-01-01T00:00:00Z."""
DELAY_MS = 100
"""A line reaches the stream this long after its time, where `put` does not say otherwise."""


class Lines(msgspec.Struct, forbid_unknown_fields=True):
    """`count` lines, one `every` so many seconds; `{n}` in a column is the line's number."""

    at: float
    count: int = 1
    every: float = 0.0
    put: float | None = None
    """Second at which they reach the stream, where that is late."""
    columns: dict[str, str | int | float] = {}
    """By column; the others are empty, but for the identity's."""


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """An alarm: its second, its kind, and what else of it matters."""

    at: float
    kind: str
    fields: dict[str, Any] = {}


class Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    rule: str
    lines: list[Lines]
    until: float
    """Second until which time goes on."""
    expect: list[Expected]


class Cases(msgspec.Struct, forbid_unknown_fields=True):
    tests: list[Case]
    rules: str = "rules.yml"
    """The rules file, from the folder of the tests."""


class Record(msgspec.Struct):
    data: bytes
    arrival: float


def run(file: Path) -> Iterator[tuple[Case, list[str]]]:
    """Each case, and what is wrong with it: nothing where it passed."""
    try:
        text = yaml.safe_load(file.read_text(encoding="utf-8"))
        cases = msgspec.convert(text, Cases)
    except (yaml.YAMLError, msgspec.ValidationError, OSError) as error:
        raise InputError(f"{file}: {error}") from error
    definitions = load(file.parent / cases.rules)
    by_name = {rule.name: rule for rule in definitions.rules}
    for case in cases.tests:
        if case.rule not in by_name:
            yield case, [f"there is no rule {case.rule!r}"]
            continue
        rule = by_name[case.rule]
        alone = Definitions(definitions.sources, [rule], definitions.references)
        engine = offline_engine(alone, rule.source)
        engine.open_shard("0")
        kind = engine.source.kind
        records = sorted(_records(case.lines, kind), key=lambda record: record.arrival)
        engine.read("0", "", records)
        alarms = engine.advance((START_MS + round(case.until * 1000)) // TICK_MS)
        yield case, _differences(case.expect, alarms)


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
                name: value.replace("{n}", str(number)) if isinstance(value, str) else value
                for name, value in some.columns.items()
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
            actual = msgspec.to_builtins(alarm) | {"at": _second(alarm)}
            for key, value in ({"kind": wanted.kind, "at": wanted.at} | wanted.fields).items():
                if key not in actual or actual[key] != value:
                    found = actual.get(key)
                    wrong.append(
                        f"{wanted.kind} at {wanted.at:g}: {key} is {found!r}, not {value!r}"
                    )
    return wrong


def _second(alarm: Alarm) -> float:
    return (milliseconds(alarm.event_time) - START_MS) / 1000
