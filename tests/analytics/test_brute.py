"""The embedded engine says what brute force says, however the stream is read."""

import pytest
from analytics_engine.rules.rule import Rule

from tests.analytics.brute import Brute, by_address
from tests.analytics.streams import START, Drive, random_stream

END = START + 400_000
RULES = [
    Rule("order_surge", 30, window_seconds=15, quiet_seconds=60),
    Rule("quick", 8, window_seconds=1, quiet_seconds=3, reminder_seconds=2),
    Rule(
        "by_address", 6, window_seconds=4, quiet_seconds=10, reminder_seconds=7, group_by="ClientIP"
    ),
]


def expected(rule: Rule, puts):
    numbers = (rule.threshold, rule.window_seconds, rule.quiet_seconds, rule.reminder_seconds)
    scope = {} if rule.group_by is None else {"scope": by_address}
    return Brute(rule.name, *numbers, **scope).alarms(puts, END)


@pytest.mark.parametrize("late", [False, True], ids=["on time", "with late lines"])
def test_random_streams(late: bool, full: bool) -> None:
    """Rules together over the same streams, in three interleavings, one with crashes."""
    seen = set()
    for seed in range(200 if full else 40):
        puts = random_stream(seed, late)
        wanted = sorted(said for rule in RULES for said in expected(rule, puts))
        assert Drive(RULES, puts, seed).run(END) == wanted, seed
        seen |= {(said.kind, said.late) for said in wanted}
    assert {"OPEN", "REMINDER", "CLOSE"} <= {kind for kind, _ in seen}
    assert (("CORRECTION", False) in seen) == late
    assert (("OPEN", True) in seen) == late


@pytest.mark.parametrize("late", [False, True], ids=["on time", "with late lines"])
def test_crashes(late: bool, full: bool, tmp_path) -> None:
    for seed in range(100 if full else 10):
        puts = random_stream(seed, late)
        wanted = sorted(said for rule in RULES for said in expected(rule, puts))
        drive = Drive(RULES, puts, seed, str(tmp_path / f"{seed}.db"))
        assert drive.run(END, crashes=0.1) == wanted, seed
