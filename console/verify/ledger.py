"""Runs that left something, or may: one that was stopped, one whose orders are on their way."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from console.verify.run import Run

MAY_RUN_MS = 10 * 60 * 1000
"""A run that is younger may go on elsewhere."""
KEPT_MS = 7 * 24 * 3600 * 1000
"""As long as streams keep records."""


class Ledger:
    """A file of each run's number (its time) and how many items are still to be removed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, run: Run) -> None:
        self._write(self._read() | {str(run.number): run.lines})

    def settle(self, run: Run, removed: int) -> None:
        """Note how many of the run's items were removed; it is over when they all were."""
        left = self._read()
        left[str(run.number)] = left.get(str(run.number), run.lines) - removed
        self._write(left)

    def abandoned(self, now: Run) -> Iterator[Run]:
        """Earlier runs that left something."""
        for number, lines in self._read().items():
            if MAY_RUN_MS < now.number - int(number) < KEPT_MS:
                yield Run(int(number), lines)

    def _read(self) -> dict[str, int]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def _write(self, left: dict[str, int]) -> None:
        newest = max((int(number) for number in left), default=0)
        kept = {n: lines for n, lines in left.items() if lines > 0 and newest - int(n) < KEPT_MS}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(kept))
        os.replace(new, self._path)
