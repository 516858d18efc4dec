"""Waits until every stage has answered."""

import time
from collections.abc import Callable, Iterator, Sequence

from console.verify.stages import Stage

PAUSE_SECONDS = 0.5


class NoAnswerError(Exception):
    """A stage that did not answer in time; the first of them, as the others wait for it."""


def follow(
    stages: Sequence[Stage],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[str, str]]:
    """Yield each stage's name and what it found, as it answers."""
    deadline = clock() + seconds
    waiting = list(stages)
    while waiting:
        for stage in list(waiting):
            if (found := stage.look()) is not None:
                waiting.remove(stage)
                yield stage.name, found
        if waiting and clock() > deadline:
            raise NoAnswerError(waiting[0].name)
        if waiting:
            sleep(PAUSE_SECONDS)
