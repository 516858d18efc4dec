"""What the tutorial's SQL, taken literally, would have sent of a surge, and what ours sends.

    SELECT STREAM …, COUNT(*) OVER (RANGE INTERVAL '15' SECOND PRECEDING) AS order_count  -- >= 30
    … COUNT(*) OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS trigger_count  -- >= 1

Every order is a row, counted in its own window, and the damping damps nothing: a row that has
triggered is in its own minute, so its trigger_count is at least 1.
"""

from analytics_engine.rules.rule import Rule

from tests.analytics.brute import Put
from tests.analytics.streams import START, Drive


def tutorial(times_ms: list[int]) -> list[int]:
    """The times at which the tutorial sends a message."""
    triggers = []
    for index, time in enumerate(times_ms):
        count = sum(1 for earlier in times_ms[: index + 1] if earlier > time - 15_000)
        if count >= 30:
            triggers.append(time)
    return [
        time
        for time in triggers
        if sum(1 for earlier in triggers if time - 60_000 < earlier <= time) >= 1
    ]


def test_one_surge() -> None:
    """Two minutes at 5 orders a second: 571 messages, and 4."""
    times = list(range(START, START + 120_000, 200))
    puts = [Put(0, time + 100, time, "I", number) for number, time in enumerate(times)]
    ours = Drive([Rule("order_surge", 30)], puts, seed=1).run(START + 300_000)
    assert len(tutorial(times)) == len(times) - 29 == 571
    assert [said.kind for said in ours] == ["OPEN", "REMINDER", "REMINDER", "CLOSE"]
