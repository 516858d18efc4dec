"""Rules that wait for what does not come: what they cost, and what they forget."""

from collections import Counter

import pytest
from analytics_engine.evaluation.window import FORGOTTEN
from analytics_engine.records.ticks import TICK_MS
from analytics_engine.rules.conditions import Below
from analytics_engine.rules.rule import BELOW, Rule

from tests.unit.analytics.conftest import Driven, puts, time_of

DAY_MS = FORGOTTEN * TICK_MS
SILENT = Rule(
    "silent", 1, comparison=BELOW, group_by="Country", window_seconds=10, reminder_seconds=None
)


def test_a_silence_costs_by_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Counter[str]()
    is_hot = Below.is_hot

    def counted(self: Below, group, value, tick) -> bool:
        asked[group.name] += 1
        return is_hot(self, group, value, tick)

    monkeypatch.setattr(Below, "is_hot", counted)
    driven = Driven([SILENT])
    driven.put([line for n in range(500) for line in puts([n], f"I{n}", Country=f"C{n}")])
    for second in range(1, 60):
        driven.put(puts([second * 1_000], f"J{second}", Country="lively"))
    driven.idle(60_000)
    assert {alarm.scope for alarm in driven.alarms} == {f"C{n}" for n in range(500)}
    # Entered, settled, left: each once and never again, however long the others go on.
    assert max(asked[f"C{n}"] for n in range(500)) <= 4
    assert asked["lively"] <= 3 * 60


@pytest.mark.parametrize("restarts", [False, True])
def test_a_group_that_stays_silent_is_forgotten_after_a_day(restarts: bool) -> None:
    driven = Driven([SILENT])
    driven.put(puts([0], Country="gone"))
    driven.put(puts([0], "J", Country="back"))
    for hour in range(1, 25):
        driven.put(puts([hour * 3_600_000], f"K{hour}", Country="back"))
        driven.idle(hour * 3_600_000 + 20_000)
        if restarts:
            driven.save()
            driven.restart()
    driven.idle(DAY_MS + 60_000)
    gone = [alarm for alarm in driven.alarms if alarm.scope == "gone"]
    assert [(alarm.kind, alarm.event_time) for alarm in gone] == [
        ("OPEN", time_of(10_100)),
        ("CLOSE", time_of(DAY_MS + 10_100)),
    ]
    assert "forgotten" in (gone[-1].reason or "")
    (silent,) = [evaluator.tracker for evaluator in driven.engine._evaluators.values()]
    assert silent.window.groups.keys() == {"back"}
    driven.put(puts([DAY_MS + 100_000], "L", Country="gone"))
    driven.idle(DAY_MS + 200_000)
    assert driven.alarms[-1].event_time == time_of(DAY_MS + 110_100)


def test_the_silence_of_all_is_never_forgotten() -> None:
    driven = Driven([Rule("silent", 1, comparison=BELOW, reminder_seconds=None)])
    driven.put(puts([0]))
    driven.idle(3 * DAY_MS)
    assert [alarm.kind for alarm in driven.alarms] == ["OPEN"]
