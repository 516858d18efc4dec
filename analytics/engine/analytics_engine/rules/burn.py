"""How fast an error budget is spent: the windows and factors of burn rates.

An objective of 0.999 leaves a budget of one bad line in a thousand. A burn rate of 14.4 spends it
14.4 times as fast as the objective allows. A pair is hot where the rate has reached its factor in
the long window, so that it matters, and in the short one, so that it is still so.
"""

from fractions import Fraction
from typing import Literal, NamedTuple

from analytics_engine.records.ticks import SECOND

HOUR = 3600
FINE, COARSE = 10 * SECOND, 60 * SECOND
"""Ticks of a cell, in which lines are counted together; a pair is judged at the end of each."""


class Pair(NamedTuple):
    """Two windows (seconds), and the factor that the burn rate is to reach in both."""

    factor: Fraction
    long: int
    short: int
    cell: int
    severity: Literal["warning", "critical"]


PAIRS = (
    Pair(Fraction("14.4"), HOUR, HOUR // 12, FINE, "critical"),
    Pair(Fraction(6), 6 * HOUR, HOUR // 2, COARSE, "critical"),
    Pair(Fraction(3), 24 * HOUR, 2 * HOUR, COARSE, "warning"),
    Pair(Fraction(1), 72 * HOUR, 6 * HOUR, COARSE, "warning"),
)
"""Of the SRE workbook (chapter 5) and, the third, of sloth; the fastest first."""


def budget(objective: float) -> Fraction:
    """The share of lines that may be bad."""
    return 1 - Fraction(str(objective))


def unreachable(objective: float) -> list[Pair]:
    """The pairs that would not be hot though every line were bad."""
    return [pair for pair in PAIRS if pair.factor * budget(objective) > 1]
