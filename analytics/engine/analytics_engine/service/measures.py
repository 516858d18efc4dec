"""Measures on their way to their stream: on a thread of their own, so that no alarm waits."""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor

from analytics_engine.errors import AlarmRefused, StreamError
from analytics_engine.service.store import Store
from analytics_engine.service.streams import Sink

log = logging.getLogger("analytics-engine")

RETRY_SECONDS = 5.0


class Sender:
    """Sends what the store holds, oldest first, and drops it there once the stream has it."""

    def __init__(self, store: Store, sink: Sink) -> None:
        self._store, self._sink = store, sink
        self._thread = ThreadPoolExecutor(1, "measures")
        self._sending: Future[int] | None = None
        self._first = 0
        """Number of the oldest that is on its way."""
        self._due = 0.0
        self.error: str | None = None
        """Why the last try failed."""

    def step(self) -> None:
        """Take in the answer to what was sent, and send the next; after a save."""
        if self._sending is not None:
            if not self._sending.done():
                return
            self._collect(self._sending)
            self._sending = None
        if time.monotonic() >= self._due and (measures := self._store.measures()):
            self._first = measures[0][0]
            self._sending = self._thread.submit(self._sink.put, measures)

    def close(self) -> None:
        """Wait for what is on its way. What is not known to have arrived is sent again."""
        self._thread.shutdown()

    def _collect(self, sending: Future[int]) -> None:
        try:
            sent = sending.result()
        except AlarmRefused as error:
            sent = self._first
            log.error("a measure is left out, the stream will never take it: %s", error)
        except StreamError as error:
            sent = 0
            if self.error != str(error):
                log.error("measures: %s", error)
            self.error = str(error)
        else:
            self.error = None
        if sent:
            self._store.measured(sent)
        else:
            self._due = time.monotonic() + RETRY_SECONDS
