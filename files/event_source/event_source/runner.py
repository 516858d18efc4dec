"""Runs one mapping: finds its stream's shards and gives each a worker in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from event_source import shards
from event_source.aws import Aws, AwsError
from event_source.checkpoint import Checkpoints
from event_source.config import Config
from event_source.mapping import Mapping
from event_source.shards import Shard
from event_source.worker import Stopped, Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A worker, the event that stops it, and its thread."""

    worker: Worker
    stopping: threading.Event
    thread: threading.Thread


class Runner:
    """One mapping at work. `mapping` may be replaced by a changed one at any time."""

    def __init__(
        self, aws: Aws, checkpoints: Checkpoints, config: Config, mapping: Mapping
    ) -> None:
        self.mapping = mapping
        self._aws, self._checkpoints, self._config = aws, checkpoints, config
        self._error: str | None = None
        self._role: str | None = None
        self._jobs: dict[Shard, Job] = {}
        self._stopping = threading.Event()
        self._shard_ended = threading.Event()
        checkpoints.first_seen(mapping.uuid, time.time())
        self._thread = _thread(self._run)

    def stop(self) -> None:
        """Let current invocations end, then stop; `alive` says when that is done."""
        self._stopping.set()
        self._shard_ended.set()
        for job in list(self._jobs.values()):
            job.stopping.set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for the end, but no longer than that."""
        self._thread.join(seconds)

    @property
    def error(self) -> str | None:
        """What keeps the mapping from its work at present."""
        errors = (job.worker.error for job in list(self._jobs.values()))
        return "; ".join(self.mapping.problems) or self._error or next(filter(None, errors), None)

    @property
    def lag_seconds(self) -> float:
        """The age of the oldest record that may not be handled yet."""
        now = time.time()
        return max((now - job.worker.handled_to for job in list(self._jobs.values())), default=0.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._shard_ended.clear()
            try:
                if not self.mapping.problems:
                    self._refresh()
                self._error = None
            except Exception as error:
                if not isinstance(error, AwsError):
                    log.exception("%s", self.mapping.function)
                self._error = str(error)
            self._shard_ended.wait(self._config.refresh_seconds)
        for job in self._jobs.values():
            job.stopping.set()
        for job in self._jobs.values():
            job.thread.join()

    def _refresh(self) -> None:
        """Start workers for shards that became readable, and drop those that have ended."""
        uuid = self.mapping.uuid
        self._role = self._role or self._aws.role(self.mapping.function)
        listed = [shards.parse(shard) for shard in self._aws.shards(self.mapping.stream)]
        finished = {shard for shard in listed if self._checkpoints.position(uuid, shard).finished}
        readable = shards.ready(listed, finished)
        for shard in self._jobs.keys() - readable:
            self._jobs[shard].stopping.set()
            self._jobs[shard].thread.join()
            del self._jobs[shard]
        for shard in readable - self._jobs.keys():
            self._jobs[shard] = self._start(shard)

    def _start(self, shard: Shard) -> Job:
        stopping = threading.Event()
        worker = Worker(
            self._aws,
            self._checkpoints,
            lambda: self.mapping,
            self._role or "",
            shard,
            self._config.polls_per_second,
            stopping.wait,
        )

        def run() -> None:
            try:
                worker.run()
            except Stopped:
                return
            self._shard_ended.set()

        return Job(worker, stopping, _thread(run))


def _thread(target: Callable[[], None]) -> threading.Thread:
    # A daemon: should the main thread ever fail, the process ends, and is started anew.
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread
