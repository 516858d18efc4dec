"""Which lines a rule measures, and which count at all: against a plain reading of the words."""

import random
import sys
from fractions import Fraction
from math import ceil
from pathlib import Path

import pytest
from analytics_engine.errors import InputError
from analytics_engine.records.batch import Batch
from analytics_engine.records.ticks import milliseconds
from analytics_engine.records.where import Where, each
from analytics_engine.rules.files import load
from analytics_engine.rules.rule import Percentile, Rule, parse

from tests.unit.analytics.conftest import ORDERS, START, Driven, Put

COUNTRIES = ("France", "Finland", "Spain")
NUMBERS = ("-3", "0", "2", "2.5", "10", "", "many")


def conditions(rng: random.Random) -> Where | list[Where] | None:
    def one() -> Where:
        match rng.randrange(5):
            case 0:
                return Where("Country", equals=rng.choice(COUNTRIES))
            case 1:
                return Where("Country", one_of=rng.sample(COUNTRIES, 2))
            case 2:
                return Where("Country", starts_with="F")
            case 3:
                return Where(
                    "UnitPrice", at_least=rng.choice((-3, 0, 2.5)), below=rng.choice((3, 11))
                )
            case _:
                return Where("UnitPrice", **{rng.choice(("at_least", "below")): 2.0})

    return rng.choice((None, one(), [one()], [one(), one()]))


def holds(some: Where | list[Where] | None, line: dict[str, str]) -> bool:
    return all(_holds(one, line[one.column]) for one in each(some))


def _holds(one: Where, value: str) -> bool:
    if one.equals is not None:
        return value == one.equals
    if one.one_of is not None:
        return value in one.one_of
    if one.starts_with is not None:
        return value.startswith(one.starts_with)
    try:
        number = float(value)
    except ValueError:
        return False
    high = one.below is None or number < one.below
    return high and (one.at_least is None or number >= one.at_least)


@pytest.mark.parametrize("measure", ["lines", "share", "invoices"])
def test_what_counts_and_what_is_measured_is_what_the_words_say(measure: str) -> None:
    rng = random.Random(measure)
    for _ in range(60):
        where, among = conditions(rng), conditions(rng)
        if measure == "share" and where is None:
            continue
        lines = [
            {"Country": rng.choice(COUNTRIES), "UnitPrice": rng.choice(NUMBERS)} for _ in range(40)
        ]
        counted = [line for line in lines if holds(among, line)]
        measured = [line for line in counted if holds(where, line)]
        least = rng.choice((0, 5))
        rule = Rule("r", 0, measure=measure, where=where, among=among, minimum_lines=least)
        driven = Driven([rule])
        driven.put([Put(100, 0, f"I{n}", 1, line) for n, line in enumerate(lines)])
        driven.idle(5_000)
        seen = counted if measure == "share" else measured
        if len(seen) < max(least, 1):
            assert not [a for a in driven.alarms if a.order_count and a.kind == "OPEN"]
            continue
        opened = driven.alarms[0]
        value = len(measured) / len(counted) if measure == "share" else len(measured)
        assert (opened.order_count, opened.value) == (len(seen), value)
        assert opened.top is not None
        assert sum(count for _, count in opened.top["Country"]) == len(measured)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("where: []", "where: expected a condition, or a list of them"),
        ("among: {column: Cuntry, equals: x}", "among: no column 'Cuntry'"),
        ("where: {column: Country, at_least: 3}", "where: Country is text, not a number"),
        ("where: {column: Quantity, at_least: 3, equals: '3'}", "expected one of equals"),
        ("where: {column: Quantity, at_least: 3, below: 3}", "no number is at least 3 and below 3"),
        ("among: [{column: Quantity, below: 3}, {column: Country}]", "among: expected one of"),
        ("among: {column: InvoiceNo, starts_with: V}", "among: takes lines of tests alone"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(
    given: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "rules.yml").write_text(f"rules: [{{name: r, threshold: 2, {given}}}]\n")
    with pytest.raises(InputError, match=r"rules\.yml:1: ") as error:
        load(tmp_path / "rules.yml")
    assert message in str(error.value)


def test_a_list_is_read_as_it_stands() -> None:
    text = "rules: [{name: r, threshold: 2, where: [{column: Quantity, at_least: 3, below: 9.5}]}]"
    (rule,) = parse(text, "rules.yml", {"orders": ORDERS})
    assert rule.where == [Where("Quantity", at_least=3, below=9.5)]


def test_a_percentile_is_the_nearest_rank() -> None:
    rng = random.Random(3)
    said = 0
    for _ in range(150):
        percentile = rng.choice((50, 90, 99, 99.9, 33.3, 0.1))
        values = [rng.choice((1, 2, 3)) for _ in range(rng.choice((1, 2, 9, 10, 11, 100, 101)))]
        rank = ceil(Fraction(str(percentile)) / 100 * len(values))
        rule = Rule(
            "slow",
            Percentile(percentile),
            measure="share",
            where=Where("UnitPrice", at_least=3),
            among=Where("Country", equals="France"),
        )
        driven = Driven([rule])
        lines = [Put(100, 0, f"I{n}", 1, {"UnitPrice": str(one)}) for n, one in enumerate(values)]
        driven.put([*lines, Put(100, 0, "X", 1, {"Country": "Spain", "UnitPrice": "3"})])
        driven.idle(5_000)
        hot = sorted(values)[rank - 1] >= 3
        # The nearest rank at each tick: all lines came at one.
        assert [alarm.kind for alarm in driven.alarms] == ["OPEN"] * hot
        said += hot
    assert 30 < said < 120


@pytest.mark.parametrize(
    "given", ["measure: lines", "measure: share, comparison: below", "measure: invoices"]
)
def test_a_percentile_is_of_a_share(given: str, tmp_path: Path) -> None:
    where = "where: {column: UnitPrice, at_least: 3}"
    rules = f"rules: [{{name: r, threshold: {{percentile: 99}}, {given}, {where}}}]\n"
    (tmp_path / "rules.yml").write_text(rules)
    with pytest.raises(InputError, match="a percentile is of a share"):
        load(tmp_path / "rules.yml")


@pytest.mark.parametrize("measure", ["highest", "lowest", "distinct"])
@pytest.mark.parametrize("group_by", [None, "Country"])
def test_measures_of_a_column_are_those_of_what_is_in_the_window(
    measure: str, group_by: str | None
) -> None:
    rng = random.Random(f"{measure}{group_by}")
    reckon = {"highest": max, "lowest": min, "distinct": len}[measure]
    column = "StockCode" if measure == "distinct" else "UnitPrice"
    for _ in range(12):
        rule = Rule(
            "r", 3, measure=measure, column=column, group_by=group_by, window_seconds=2,
            quiet_seconds=1, reminder_seconds=None,
        )  # fmt: skip
        lines, time = [], 0
        for number in range(120):
            time += rng.choice((0, 40, 100, 700, 5_000))
            given = {"Country": rng.choice(COUNTRIES), "StockCode": rng.choice("abcd")}
            given["UnitPrice"] = rng.choice((*NUMBERS, "nan", "inf"))
            lines.append(Put(time + 100, time, f"I{number}", 1, given))
        driven = Driven([rule])
        for line, following in zip(lines, [*lines[1:], lines[-1]], strict=True):
            driven.put([line])
            if following.time_ms > line.time_ms + 1_500:  # all that came is decided
                driven.idle(line.time_ms + 1_000)
                driven.save()
                driven.restart()
        driven.idle(time + 60_000)
        wanted = []
        for scope in COUNTRIES if group_by else [""]:
            own = [line for line in lines if scope in ("", line.columns["Country"])]
            last_hot = None
            for tick in range(1, time // 100 + 40):
                held = [
                    line.columns[column]
                    for line in own
                    if (tick - 20) * 100 <= line.time_ms < tick * 100
                ]
                if measure == "distinct":
                    value = len(set(held))
                else:
                    numbers = [float(one) for one in held if one in NUMBERS[:5]]
                    value = reckon(numbers) if numbers else -9
                if value < 3:
                    continue
                if last_hot is None or tick > last_hot + 10:
                    wanted.append((scope, tick, value))
                last_hot = tick
        opened = [
            (alarm.scope, (milliseconds(alarm.event_time) - START) // 100, alarm.value)
            for alarm in driven.alarms
            if alarm.kind == "OPEN"
        ]
        assert sorted(opened) == sorted(wanted)
        assert {alarm.unit for alarm in driven.alarms} <= {column}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("measure: highest", "column: is for the measures"),
        ("column: Quantity", "column: is for the measures"),
        ("measure: highest, column: Country", "column: Country is text, not a number"),
        ("measure: distinct, column: Nonsense", "column: no column 'Nonsense'"),
        ("measure: distinct, column: Country, group_by: Country", "never more than 1"),
    ],
)
def test_measures_of_a_column_need_a_fitting_one(given: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(f"rules: [{{name: r, threshold: 2, {given}}}]\n")
    with pytest.raises(InputError) as error:
        load(tmp_path / "rules.yml")
    assert message in str(error.value)


@pytest.mark.parametrize("taken", [[True, True], [True, False], [False, False]])
def test_a_batch_that_was_chosen_from_is_freed(taken: list[bool]) -> None:
    """By its references alone: the garbage collector does not know it."""
    batch = Batch(1, False, {"Route": ["home", "order"]})
    before = sys.getrefcount(batch)
    assert len(batch.chosen("test", lambda _: taken)) == sum(taken)
    assert batch.chosen("test", lambda _: []).tick == 1
    assert sys.getrefcount(batch) == before
