"""Waits double up to a limit, and differ."""

from event_source.backoff import LONGEST_SECONDS, delay


def test_waits_grow_to_the_limit_and_are_jittered():
    longest = [delay(failures, chance=lambda: 1.0) for failures in range(1, 100)]
    shortest = [delay(failures, chance=lambda: 0.0) for failures in range(1, 100)]
    assert longest[:3] == [0.2, 0.4, 0.8]
    assert longest == sorted(longest)
    assert longest[-1] == LONGEST_SECONDS
    assert shortest == [wait / 2 for wait in longest]
