"""Burn rates, against a count of every window at the end of every cell."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.records.cells import Cells
from analytics_engine.records.ticks import milliseconds
from analytics_engine.records.where import Where
from analytics_engine.rules.rule import Rule

from tests.analytics.brute import BruteBurn
from tests.unit.analytics.conftest import START, Driven, Put
from tests.unit.analytics.test_rules import named

HOUR = 3_600_000
BAD = Where("Country", equals="bad")


def rule(objective: float = 0.99, minimum_bad: int = 3, **given: object) -> Rule:
    return Rule(
        "burn",
        measure="burn",
        objective=objective,
        where=BAD,
        minimum_bad=minimum_bad,
        reminder_seconds=None,
        **given,
    )


def told(alarms: list[Alarm], scope: str = "") -> list[tuple]:
    return [
        (
            alarm.kind,
            milliseconds(alarm.event_time) // 100,
            alarm.threshold,
            alarm.window_seconds,
            alarm.severity,
            alarm.order_count,
            alarm.value,
        )
        for alarm in alarms
        if alarm.scope == scope
    ]


def stream(rng: random.Random) -> list[tuple[int, bool]]:
    """Quiet hours, incidents of all lengths, and gaps, over some days."""
    lines, now = [], 0
    while now < 5 * 24 * HOUR:
        length = rng.choice((2, 15, 60, 600, 1_500)) * 60_000
        every = rng.choice((4_000, 20_000, 100_000, length))
        failing = rng.choice((0, 0, 0.002, 0.02, 0.1, 0.5, 1))
        for time in range(now, now + length, every):
            lines.append((START + time + rng.randrange(every), rng.random() < failing))
        now += length
    return sorted(lines)


def put(lines: list[tuple[int, bool]], group: str = "x") -> list[Put]:
    return [
        Put(
            time - START + 100,
            time - START,
            f"{group}{number}",
            columns={"Country": "bad" if bad else "good", "StockCode": group},
        )
        for number, (time, bad) in enumerate(lines)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_burn_rate_is_what_a_count_of_its_windows_says(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    objective = rng.choice((0.99, 0.999, 0.95))
    driven = Driven([rule(objective, group_by="StockCode")], path=tmp_path / "state")
    streams = {name: stream(rng) for name in ("x", "y")}
    records = sorted(
        (one for name, lines in streams.items() for one in put(lines, name)),
        key=lambda one: one.put_ms,
    )
    alarms: list[Alarm] = []
    first = 0
    for last, (one, following) in enumerate(pairwise(records), 1):
        if last - first > len(records) // 9 and following.put_ms > one.put_ms + 2_000:
            alarms += driven.put(records[first:last])
            alarms += driven.idle(one.put_ms + 1_000)
            driven.store.save({"orders": driven.engine})
            driven.restart()  # what it does not remember is lost
            first = last
    alarms += driven.put(records[first:])
    end = max(one.put_ms for one in records) + 8 * 24 * HOUR
    alarms += driven.idle(end)
    for name, lines in streams.items():
        known = [(time // 100 + 1, time // 100 + 1, bad) for time, bad in lines]
        wanted = BruteBurn(known, objective, 3).said(600, None, (START + end - 750) // 100)
        assert told(alarms, name) == wanted
        assert {"OPEN", "CLOSE"} <= {one[0] for one in wanted}


def test_a_late_line_counts_in_its_own_cell_and_corrects_nothing() -> None:
    driven = Driven([rule()])
    lines = [(START + n * 1_000, False) for n in range(600)]
    records = put(lines)
    late = [Put(700_000, n, f"late{n}", columns={"Country": "bad"}) for n in range(60_000, 60_100)]
    driven.put([*records, *late])
    driven.idle(8 * HOUR)
    opened, closed = driven.alarms
    assert (opened.kind, closed.kind) == ("OPEN", "CLOSE")
    assert milliseconds(opened.event_time) == START + 720_000
    assert (opened.order_count, opened.window_seconds) == (len(records) + len(late), 21_600)


def test_a_save_writes_what_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    driven = Driven([rule(group_by="StockCode")])
    lines = [(START + n * 60_000, False) for n in range(600)]
    for group in ("x", "y"):
        driven.put(put(lines, group))
    driven.save()
    written, write = [], Cells.write
    monkeypatch.setattr(Cells, "write", lambda *all: written.append(all[2:4]) or write(*all))
    driven.put(put([(START + 601 * 60_000, False)]))
    driven.put(put([(START + 602 * 60_000, True)], "z"))
    driven.save()
    # The group itself, and what has left its window of an hour since the last save.
    assert set(written) <= {(name, ticks) for name in "xyz" for ticks in (100, 600)}
    assert ("x", 600) in written
    assert len(written) < 10
    written.clear()
    driven.save()
    assert written == []


def test_a_rule_that_was_removed_begins_anew(tmp_path: Path) -> None:
    driven = Driven([rule()], path=tmp_path / "state")
    bad = put([(START + n * 1_000, True) for n in (*range(50), *range(4_000, 4_050))])
    driven.put(bad[:50])
    driven.idle(60_000)
    driven.save()
    for rules in ([], [rule(minimum_bad=60)]):
        driven.change(rules, {})
        driven.save()
    driven.put(bad[50:60])
    driven.save()
    driven.restart()  # what it knows is what has come since
    driven.engine.open_shard("0")
    driven.put(bad[60:])
    driven.idle(5_000_000)
    assert [alarm.kind for alarm in driven.alarms] == ["OPEN"]  # of the first rule


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("objective: 0.9", "objective: though all were bad, the budget of 0.9 would not burn 14.4"),
        ("threshold: 3, objective: 0.999", "threshold: is not for a burn rate"),
        ("window_seconds: 60, objective: 0.999", "window_seconds: is not for a burn rate"),
        ("severity: info, objective: 0.999", "severity: is not for a burn rate"),
        ("minimum_bad: 5", "measure: a burn rate needs 'objective'"),
    ],
)
def test_a_burn_rate_that_means_nothing_is_refused(given: str, message: str) -> None:
    found = named(f"measure: burn, where: {{column: Country, equals: x}}, {given}")
    assert any(error.startswith(f"r:1: {message}") for error in found), found


def test_an_objective_is_of_burn_rates_and_bad_lines_are_named() -> None:
    for key in ("objective: 0.99", "minimum_bad: 5"):
        found = named(f"threshold: 1, {key}")
        assert any("is for the measure burn" in error for error in found), found
    assert any("needs 'where'" in error for error in named("measure: burn, objective: 0.99"))
