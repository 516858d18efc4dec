"""When a line is due, in seconds that the generator has been running (stops do not count)."""

import math
import random
from collections.abc import Collection, Sequence

from log_generator import slices
from log_generator.config import Config, Surge

_BLOCK = 1024


class Schedule:
    """Stretches of time in which the pace has one factor, laid end to end by the surges."""

    def __init__(self, surges: Sequence[Surge]) -> None:
        self._surges = surges
        self._factor, self._from, self._until = 1.0, 0.0, 0.0  # the stretch last looked at

    def after(self, moment: float, gap: float) -> float:
        """The moment that lies `gap` seconds of the base pace after `moment`."""
        while True:
            if not self._from <= moment < self._until:
                self._look_at(moment)
            if self._factor and moment + gap / self._factor <= self._until:
                return moment + gap / self._factor
            gap = max(0.0, gap - (self._until - moment) * self._factor)
            moment = self._until

    def _look_at(self, moment: float) -> None:
        stretches = [_stretch(surge, moment) for surge in self._surges]
        self._factor = math.prod(factor for factor, _ in stretches)
        self._from = moment
        self._until = min((until for _, until in stretches), default=math.inf)


def _stretch(surge: Surge, moment: float) -> tuple[float, float]:
    """The surge's factor at a moment, and until when it stays so (always later)."""
    start = surge.start
    if surge.every and moment >= start:
        start += surge.every * math.floor((moment - start) / surge.every)
    for _ in range(2):  # twice: floor may have rounded to the round before
        if moment < start:
            return 1.0, start
        if moment < start + surge.duration:
            return surge.factor, start + surge.duration
        start += surge.every or math.inf
    return 1.0, start


class Pace:
    """The gaps between a host's lines at the base pace, the same in every run."""

    def __init__(self, config: Config, owned: Collection[int]) -> None:
        self._config, self._owned = config, slices.render(owned)
        share = len(owned) / slices.COUNT
        self._gap = 1.0 / (config.lines_per_second * share) if share else math.inf
        self._block = -1
        self._gaps: list[float] = []

    def gap(self, number: int, recorded: float) -> float:
        """Seconds before the host's line `number`; `recorded` is that gap in the data set."""
        if self._config.pace == "recorded":
            return recorded / self._config.recorded_speed
        if self._config.pace == "constant":
            return self._gap
        block, place = divmod(number, _BLOCK)
        if block != self._block:
            # A generator of its own for each block: a resumed run needs no replay of the draws.
            # And another one on each host, or the hosts' lines would come together.
            name = f"{self._config.seed} {self._owned} {block}"
            draw = random.Random(name).random
            self._gaps = [-math.log(1.0 - draw()) * self._gap for _ in range(_BLOCK)]
            self._block = block
        return self._gaps[place]
