"""How long to wait before the next try."""

import random
from collections.abc import Callable

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 10.0


def delay(failures: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait after that many failures in a row: doubling, between half and all of it."""
    full = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(failures - 1, 16))
    return full * (0.5 + chance() / 2)
