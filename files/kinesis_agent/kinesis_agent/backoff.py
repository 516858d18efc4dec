"""How long to wait before another try."""

from collections.abc import Callable

from kinesis_agent.config import Flow

# For what does not mend itself: no such stream, no permission.
SLOW = 10.0


class Backoff:
    """Doubles from the flow's initial wait up to its longest, give or take 30 %."""

    def __init__(self, flow: Flow, random: Callable[[], float]) -> None:
        self._initial = flow.retry_initial_backoff_millis / 1000
        self._longest = flow.retry_max_backoff_millis / 1000
        self._random = random

    def seconds(self, attempt: int, permanent: bool = False) -> float:
        """Return the wait after the attempt of that number, the first being 1."""
        wait = min(self._longest, self._initial * 2 ** min(attempt - 1, 32))
        if permanent:
            wait = max(wait, SLOW)
        return wait * (0.7 + 0.6 * self._random())
