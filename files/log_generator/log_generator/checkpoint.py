"""Keeping the state, without making the lines wait for the disk."""

import logging
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from log_generator import state
from log_generator.state import State

logger = logging.getLogger(__name__)


class Checkpoints:
    """Saves states in a thread. The log is synced first, so that no state is ahead of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._thread = ThreadPoolExecutor(1)
        self._saving: Future[bool] | None = None

    def offer(self, log: int, current: State) -> bool:
        """Begin to save, unless an earlier state is still being saved."""
        if self._saving and not self._saving.done():
            return False
        self._saving = self._thread.submit(self._save, log, current)
        return True

    def save(self, log: int, current: State) -> bool:
        """Save now, after what is under way; False where the disk refuses."""
        if self._saving:
            self._saving.result()
        return self._save(log, current)

    def _save(self, log: int, current: State) -> bool:
        try:
            os.fdatasync(log)
            state.save(self._directory, current)
        except OSError as error:
            logger.error("cannot save the state: %s", error)
            return False
        return True
