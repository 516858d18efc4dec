"""Log-linear buckets of times: whole milliseconds, 32 buckets an octave, so within 1.6 %.

Counts of buckets can be added over any stretch of time, and give a percentile of the whole.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

_OCTAVE = 5
"""Bits of the buckets of an octave."""
LONGEST = 24 * 3600 * 1000
"""Milliseconds; what took longer counts as this."""


def bucket(seconds: Any) -> int | None:
    """The bucket of a time (a number, or text that is one); None where it is no time."""
    try:
        number = float(seconds)
        milliseconds = round(min(number * 1000, LONGEST)) if number >= 0 else None
    except (ValueError, OverflowError):
        return None
    if milliseconds is None:
        return None
    shift = max(milliseconds.bit_length() - _OCTAVE - 1, 0)
    return (shift << _OCTAVE) + (milliseconds >> shift)


def middle(number: int) -> float:
    """Milliseconds in the middle of a bucket: all that may be in it are within 1.6 %."""
    shift = max((number >> _OCTAVE) - 1, 0)
    low = number if shift == 0 else (number & (1 << _OCTAVE) - 1) + (1 << _OCTAVE) << shift
    return low + ((1 << shift) - 1) / 2


def percentile(counts: Mapping[int, int], percent: int) -> float | None:
    """Milliseconds at a percentile (nearest rank) of counts by bucket; None of no count."""
    rank = math.ceil(Fraction(percent * sum(counts.values()), 100))
    for number in sorted(counts):
        rank -= counts[number]
        if rank <= 0:
            return middle(number)
    return None
