"""Each sentence of the design about time, lateness and replay."""

import shutil
from pathlib import Path

import msgspec
import pytest
from analytics_engine.records.clock import next_read
from analytics_engine.records.ticks import at
from analytics_engine.records.ticks import milliseconds as parse
from analytics_engine.rules.rule import Rule

from tests.unit.analytics.conftest import ORDERS, START, Driven, Put, puts


def kinds(alarms) -> list[tuple[str, int]]:
    """Kind and time, in milliseconds after START."""
    return [(alarm.kind, milliseconds(alarm.event_time)) for alarm in alarms]


def milliseconds(text: str) -> int:
    return parse(text) - START


def test_an_order_counts_at_the_ticks_after_it_for_one_window(surge: Rule) -> None:
    driven = Driven([surge])
    driven.put(puts([0] * 29) + puts([15_000], "J"))  # at e + 15 s the first still count
    assert driven.idle(100_000) == []
    driven = Driven([surge])
    driven.put(puts([0] * 29) + puts([14_999], "J"))
    assert kinds(driven.idle(20_000)) == [("OPEN", 15_000)]


def test_open_reminders_and_close(driven: Driven) -> None:
    driven.put(puts(range(0, 120_000, 500)))
    driven.idle(300_000)
    # 30 orders are in the window until 15 s after the 30th last one.
    assert kinds(driven.alarms) == [("OPEN", 14_600), ("REMINDER", 74_600), ("CLOSE", 180_000)]


def test_the_last_count_and_the_close_need_no_later_order(driven: Driven) -> None:
    driven.put(puts([0] * 30))
    assert driven.idle(849) == []  # the tick 100 waits for arrivals until 600
    assert kinds(driven.idle(850)) == [("OPEN", 100)]
    assert driven.idle(75_749) == []
    assert kinds(driven.idle(75_750)) == [("CLOSE", 75_000)]


def test_a_tick_waits_for_the_slowest_shard(surge: Rule) -> None:
    driven = Driven([surge], shards=2)
    driven.put(puts([0] * 30))
    driven.idle(10_000, shard=0)
    assert driven.alarms == []  # the other shard may still hold orders
    driven.put(puts([0] * 5, "J"), shard=1)
    driven.idle(10_000, shard=1)
    assert driven.alarms[0].order_count == 35


def test_a_record_moves_its_shard_to_just_before_its_arrival(driven: Driven) -> None:
    driven.put([*puts([0] * 30), Put(600, 600, "J")])
    assert driven.alarms == []  # more may have arrived in the same millisecond
    driven.put([Put(600, 50, "K"), Put(601, 601, "L")])
    assert driven.alarms[0].order_count == 31


def test_an_order_that_arrives_500_ms_after_its_tick_is_on_time(driven: Driven) -> None:
    driven.put(puts([0] * 30, delay_ms=600))
    driven.idle(2_000)
    assert kinds(driven.alarms) == [("OPEN", 100)]
    assert driven.engine.counts.late == 0


def test_a_late_order_counts_from_its_arrival_on(driven: Driven) -> None:
    driven.put(puts([0] * 30, delay_ms=601))
    driven.idle(2_000)
    assert kinds(driven.alarms) == [("OPEN", 200)]
    assert driven.engine.counts.late == 30


def test_a_fast_clock_counts_at_the_arrival_and_moves_nothing(driven: Driven) -> None:
    driven.put([Put(1_000, 6_001 + n, "F", n) for n in range(30)])
    assert driven.engine.counts.ahead == 30
    driven.idle(10_000)
    assert kinds(driven.alarms) == [("OPEN", 1_100)]
    driven = Driven([Rule("order_surge", 30)])
    driven.put([Put(1_000, 6_000, "F", n) for n in range(30)])
    driven.idle(10_000)
    assert kinds(driven.alarms) == [("OPEN", 6_100)]


def test_a_repeat_counts_once_wherever_it_is_put(surge: Rule) -> None:
    driven = Driven([surge], shards=2)
    lines = puts([0] * 29)
    driven.put(lines)
    driven.put([line for line in lines for _ in range(2)], shard=1)
    late = [Put(5_000, line.time_ms, line.invoice, line.line) for line in lines]
    driven.put(late)
    for shard in range(2):
        driven.idle(100_000, shard)
    assert driven.alarms == []
    assert driven.engine.counts.lines_counted == 29
    assert driven.engine.counts.repeated == 3 * 29


def test_a_repeat_of_an_order_from_a_fast_clock_counts_once(driven: Driven) -> None:
    driven.put([Put(0, 6_000, "F", n) for n in range(30)])
    driven.put([Put(1_500, 6_000, "F", n) for n in range(30)])  # now it is believed
    driven.idle(30_000)
    assert driven.engine.counts.lines_counted == 30


def test_a_host_cut_off_for_five_minutes_is_told_of_once(driven: Driven) -> None:
    driven.put(puts([0] * 30))
    driven.idle(100_000)
    assert [alarm.kind for alarm in driven.alarms] == ["OPEN", "CLOSE"]
    cut_off = [Put(300_000 + n, 1_000 + n, "C", n) for n in range(20)]
    cut_off += [Put(300_100 + n, 200_000 + n, "D", n) for n in range(30)]
    driven.put(cut_off)
    assert driven.idle(350_000) == []  # it may not have caught up yet
    correction, opened, closed = driven.idle(400_000)
    assert (correction.kind, correction.sequence, correction.peak) == ("CORRECTION", 2, 50)
    assert (opened.kind, opened.late, opened.order_count) == ("OPEN", True, 30)
    assert (closed.kind, closed.late, closed.sequence) == ("CLOSE", True, 1)
    assert driven.idle(900_000) == []


def test_more_than_a_quarter_of_an_hour_late_is_only_counted(driven: Driven) -> None:
    driven.put([Put(0, 0, "A")])
    driven.put([Put(900_700, 0, "B"), Put(900_600, 0, "C")])
    driven.idle(2_000_000)
    assert driven.engine.counts.too_late == 1
    assert driven.engine.counts.late == 1


def test_what_cannot_be_read_is_counted(driven: Driven) -> None:
    class Record:
        data, arrival = b"{}", START / 1000

    class NoTime:
        data = b'{"InvoiceNo":"1","LineNo":"1","EventTime":"today"}'
        arrival = START / 1000

    driven.engine.read("0", "1", [Record, NoTime, *puts([0])])
    assert driven.engine.counts.unreadable == 2
    driven.idle(5_000)
    assert driven.engine.counts.lines_counted == 1


def test_a_rule_that_is_removed_closes_its_incident_with_the_reason(driven: Driven) -> None:
    driven.put(puts([0] * 30))
    driven.idle(10_000)
    closed = driven.engine.change(ORDERS, [Rule("other", 5)], {})
    assert [(alarm.kind, alarm.reason) for alarm in closed] == [("CLOSE", "the rule was removed")]


def test_a_changed_rule_takes_effect_at_the_next_tick(driven: Driven) -> None:
    driven.put(puts([0] * 10))
    driven.idle(3_000)
    assert driven.alarms == []
    driven.change([Rule("order_surge", 10)], {})
    (opened,) = driven.idle(5_000)
    assert opened.event_time == at(START // 100 + 23)
    assert opened.order_count == 10


@pytest.mark.parametrize(
    ("regular_ms", "awaited", "expected"),
    [
        (1_000, [], 1_000),
        (1_000, [4], 1_150),  # tick 4 can be decided at 400 + 500 + 250
        (1_000, [6, 5, 4], 1_250),
        (1_000, [2, 4], 1_000),  # the first can be decided already
        (1_000, [6], 1_000),  # the read after this one comes first
    ],
)
def test_a_read_waits_for_a_tick_that_it_can_decide(regular_ms, awaited, expected) -> None:
    assert next_read(regular_ms, 333, awaited, 500) == expected


@pytest.mark.parametrize("again", ["restarted", "changed"])
def test_lines_of_a_shard_that_has_ended_are_read_again_until_they_count(
    surge: Rule, again: str
) -> None:
    driven = Driven([surge], shards=2)
    lines = puts([0] * 30)
    driven.put(lines, shard=0)
    driven.engine.close_shard("0")
    driven.save()
    if again == "restarted":
        driven.restart()
    else:
        driven.change([surge, Rule("other", 40)], {})
    assert driven.engine.shards.keys() == {"0", "1"}
    driven.put(lines, shard=0)
    driven.engine.close_shard("0")
    driven.idle(20_000, shard=1)
    assert [(one.kind, one.order_count) for one in driven.alarms] == [("OPEN", 30)]
    assert driven.engine.snapshot().shards.keys() == {"1"}


def test_a_stream_has_a_lateness_of_its_own(surge: Rule) -> None:
    driven = Driven([surge])
    driven.engine.change(msgspec.structs.replace(ORDERS, lateness_ms=2_500), [surge], {})
    driven.put(puts([0] * 30, delay_ms=2_600))
    assert driven.idle(2_849) == []  # the tick 100 waits for arrivals until 2,600
    assert kinds(driven.idle(2_850)) == [("OPEN", 100)]
    driven.put(puts([4_000], "J", delay_ms=2_601))
    driven.idle(8_000)
    assert driven.engine.counts.late == 1


def test_state_of_version_2_is_taken_over(surge: Rule, tmp_path: Path) -> None:
    """The file was written by that version, after the lines that stand here."""
    shutil.copy(Path(__file__).with_name("state_of_version_2.db"), tmp_path / "engine.db")
    taken_over, whole = Driven([surge], path=tmp_path / "engine.db"), Driven([surge])
    before = [*puts([n * 100 for n in range(29)]), *puts([1_000], "L", delay_ms=2_000)]
    whole.put([*before, *puts([2_950], "M")])
    whole.idle(4_000)
    assert taken_over.engine.decided == whole.engine.decided
    assert [alarm.kind for alarm in whole.alarms] == ["OPEN"]
    after = [*before[-1:], *puts([50], "N", delay_ms=20_000)]
    for driven in (taken_over, whole):
        driven.put(after)  # a repeat of a late line, and another late one
        driven.idle(200_000)
    assert taken_over.alarms == whole.alarms[1:]
    assert [alarm.kind for alarm in taken_over.alarms] == ["CLOSE", "CORRECTION"]
    assert taken_over.engine.counts.repeated == 1


def test_what_a_restart_reads_again_of_long_ago_has_counted(surge: Rule, tmp_path: Path) -> None:
    """One answer may span hours, and is read again whole: beyond what the history knows."""
    driven = Driven([surge], path=tmp_path / "engine.db")
    hours = 3 * 3_600_000
    records = [*puts(range(0, 3_000, 100)), *puts([hours], "later")]
    driven.put(records)
    driven.save()
    driven.restart()
    driven.put(records)
    driven.idle(hours + 600_000)
    assert [alarm.kind for alarm in driven.alarms if not alarm.late] == ["OPEN", "CLOSE"]
    assert [alarm.kind for alarm in driven.alarms if alarm.late] == []
