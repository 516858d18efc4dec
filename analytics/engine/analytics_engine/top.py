"""The most frequent values of an incident, in bounded memory."""

from collections import Counter
from collections.abc import Mapping

LIMIT = 1_000
SHOWN = 5


def merge(counts: dict[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Both together: exact up to LIMIT distinct values, beyond it a lower bound (Misra-Gries)."""
    merged = Counter(counts)
    merged.update(more)
    if len(merged) <= LIMIT:
        return dict(merged)
    floor = sorted(merged.values(), reverse=True)[LIMIT]
    return {value: count - floor for value, count in merged.items() if count > floor}


def shown(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The first few, ties by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
