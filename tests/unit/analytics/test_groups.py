"""Groups: measures, limits, tops; and that a restart in the middle changes none of them."""

import pytest
from analytics_engine.evaluation.top import LIMIT, bounded, shown
from analytics_engine.records.where import Where
from analytics_engine.rules.rule import Rule

from tests.unit.analytics.conftest import START, Driven, puts, time_of


def scopes(driven: Driven) -> list[tuple[str, str, float]]:
    return [(alarm.kind, alarm.scope, alarm.value) for alarm in driven.alarms]


def test_groups_beyond_the_limit_are_counted_together(surge: Rule) -> None:
    rule = Rule("r", 3, group_by="Country", max_groups=2)
    driven = Driven([rule])
    for number, country in enumerate("abcd"):
        driven.put(puts([1_000 * number + n for n in range(2)], country, Country=country))
    driven.idle(100_000)
    assert scopes(driven)[0] == ("OPEN", "other", 4)
    opened, closed = driven.alarms
    assert opened.top["Country"] == [("c", 2), ("d", 2)]  # not those that have a place
    assert closed.top == opened.top


def test_who_gets_the_last_place_does_not_depend_on_the_order() -> None:
    found = []
    for order in ("abc", "cba"):
        driven = Driven([Rule("r", 2, group_by="Country", max_groups=2)])
        lines = [line for country in order for line in puts([0, 0], country, Country=country)]
        driven.put(lines)
        driven.idle(5_000)
        found.append(sorted(scopes(driven)))
    assert found[0] == found[1] == [("OPEN", name, 2) for name in ("a", "b", "other")]


def test_a_crowded_window_comes_back_as_it_was() -> None:
    rule = Rule("r", 3, group_by="Country", max_groups=2, window_seconds=10)
    plain, restarted = Driven([rule]), Driven([rule])
    for driven in (plain, restarted):
        for second, country in enumerate("abcabcadcbd"):
            driven.put(puts([1_000 * second], f"{second}", Country=country))
            driven.idle(1_000 * second + 900)
            if driven is restarted:
                driven.save()
                driven.restart()
        driven.idle(100_000)
    assert restarted.alarms == plain.alarms
    assert {alarm.scope for alarm in plain.alarms} >= {"other"}


def test_revenue_comes_and_goes_without_drift() -> None:
    driven = Driven([Rule("r", 30.3, measure="revenue", window_seconds=1)])
    driven.put(puts([0] * 3, Quantity="1", UnitPrice="10.10"))
    driven.put(puts([5_000], "X", Quantity="many", UnitPrice="10.10"))
    driven.idle(100_000)
    opened, closed = driven.alarms
    assert (opened.value, opened.unit, opened.order_count) == (30.3, "GBP", 3)
    assert closed.value == 0


def test_share_needs_its_minimum_traffic() -> None:
    where = Where("InvoiceNo", starts_with="C")
    driven = Driven([Rule("r", 0.5, measure="share", where=where, minimum_lines=4)])
    driven.put(puts([0] * 2, "C1") + puts([10_000] * 2, "I"))
    driven.idle(200_000)
    assert [(a.kind, a.value, a.order_count) for a in driven.alarms] == [
        ("OPEN", 0.5, 4),
        ("CLOSE", 0.0, 0),
    ]


def test_tops_are_of_the_incident() -> None:
    driven = Driven([Rule("r", 30)])
    driven.put(puts([0] * 20, "A", Country="EIRE") + puts([0] * 9, "B"))
    driven.put(puts([20_000] * 25, "C", Country="Spain"))  # the first have left
    driven.put(puts([21_000] * 8, "D"))
    driven.idle(300_000)
    opened, closed = driven.alarms
    assert opened.top["Country"] == closed.top["Country"] == [("Spain", 25), ("France", 8)]


def test_tops_are_exact_until_the_limit_and_bounded_beyond() -> None:
    many = {f"v{number:04}": 1 for number in range(LIMIT - 1)}
    exact = bounded(many | {"w": 5})
    assert len(exact) == LIMIT
    assert shown(exact)[:2] == [("w", 5), ("v0000", 1)]
    over = bounded(exact | {"x": 3, "y": 1})
    assert len(over) <= LIMIT
    assert [value for value, _ in shown(over)][:2] == ["w", "x"]


def test_a_rule_that_is_new_opens_at_the_next_tick_after_a_restart_too() -> None:
    driven = Driven([Rule("other", 99)])
    driven.put(puts(range(0, 3_000, 100), delay_ms=0))
    driven.idle(4_000)
    driven.change([Rule("other", 99), Rule("new", 20)], {})
    driven.save()
    for engine in (driven.engine, driven.restart()):
        engine.idle("0", START + 5_000)
        (alarm,) = engine.advance()
        assert (alarm.rule, alarm.event_time) == ("new", time_of(3_300))


@pytest.mark.parametrize(
    ("rule", "column"),
    [
        (Rule("new", 5, group_by="Customer"), "Customer"),
        (Rule("new", 5, where=Where("Description", equals="A")), "Description"),
    ],
)
def test_a_rule_that_needs_a_new_column_counts_what_comes_then(rule: Rule, column: str) -> None:
    """What was kept of earlier lines lacks it."""
    driven = Driven([Rule("other", 99)])
    driven.put(puts([0, 200, 400, 600], **{column: "A"}))
    driven.idle(3_000)
    driven.change([Rule("other", 99), rule], {})
    driven.save()
    driven.restart()
    driven.put(puts([4_000] * 5, "J", **{column: "A"}))
    (opened,) = driven.idle(5_000)
    assert (opened.rule, opened.order_count) == ("new", 5)
    assert opened.top["Country"] == [("France", 5)]
    driven.idle(120_000)
    late = puts([3_500], "K", delay_ms=120_000, **{column: "A"})
    driven.put(late)  # the past is counted again
    driven.idle(240_000)
    assert [alarm.kind for alarm in driven.alarms] == ["OPEN", "CLOSE", "CORRECTION"]


def test_a_correction_follows_what_it_corrects_and_has_a_top() -> None:
    driven = Driven([Rule("r", 30)])
    driven.put(puts([0] * 30))
    driven.put(puts([1_000] * 5, "L", delay_ms=20_000, Country="Spain"))
    driven.idle(200_000)
    assert [(alarm.kind, alarm.sequence) for alarm in driven.alarms] == [
        ("OPEN", 0),
        ("CLOSE", 1),
        ("CORRECTION", 2),
    ]
    assert driven.alarms[-1].top["Country"] == [("France", 30), ("Spain", 5)]


def test_a_group_that_empties_and_fills_at_one_tick_is_the_new_one() -> None:
    driven = Driven([Rule("r", 0, measure="revenue", window_seconds=1)])
    driven.put(puts([0], "A", Quantity="-3", UnitPrice="100"))
    driven.put(puts([1_000], "B", Quantity="2", UnitPrice="100"))  # as the first leaves
    driven.idle(1_900)
    (opened,) = driven.alarms
    assert (opened.value, opened.order_count, opened.event_time) == (200, 1, time_of(1_100))


def test_groups_that_open_together_are_told_in_their_order() -> None:
    found = []
    for order in ("ba", "ab"):
        driven = Driven([Rule("r", 2, group_by="Country")])
        driven.put([line for country in order for line in puts([0, 0], country, Country=country)])
        driven.idle(5_000)
        found.append([alarm.scope for alarm in driven.alarms])
    assert found == [["a", "b"], ["a", "b"]]


def test_a_group_with_many_values_at_one_tick_opens_once() -> None:
    driven = Driven([Rule("r", 3, measure="invoices", group_by="Country")])
    driven.put([line for invoice in "abcde" for line in puts([0], invoice)])
    driven.idle(5_000)
    assert [(alarm.kind, alarm.value) for alarm in driven.alarms] == [("OPEN", 5)]


def test_a_long_incidents_top_has_each_of_its_lines_once() -> None:
    """Both are brought up to date together, though they were counted up to different ticks."""
    driven = Driven([Rule("r", 5, group_by="Country", window_seconds=10, quiet_seconds=20)])
    times = {"a": range(0, 200_000, 500), "b": range(23_000, 170_000, 700)}
    lines = [line for name, some in times.items() for line in puts(some, name, Country=name)]
    driven.put(lines)
    driven.idle(300_000)
    closed = {alarm.scope: alarm for alarm in driven.alarms if alarm.kind == "CLOSE"}
    for name, some in times.items():
        assert closed[name].total == len(some)
        assert closed[name].top["Country"] == [(name, len(some))]
