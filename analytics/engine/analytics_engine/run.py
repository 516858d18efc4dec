"""The service: reads shards, lets the engine decide, saves, sends."""

import logging
import signal
import time
from collections.abc import Callable

from analytics_engine import status
from analytics_engine.alarm import Alarm
from analytics_engine.clock import next_read
from analytics_engine.config import Config
from analytics_engine.engine import Engine
from analytics_engine.inputs import InputError, Inputs
from analytics_engine.metrics import Metrics
from analytics_engine.notify import notify
from analytics_engine.store import Store
from analytics_engine.stream import IteratorLost, Shard, Sink, Source, Trouble, client

log = logging.getLogger("analytics-engine")

SAVE_SECONDS = 1.0
RETRY_SECONDS = 1.0
WAIT_SECONDS = 0.2
STREAM, SENDING = "stream", "sending"
SPREAD_MS = 10_000
"""How far a shard may be read ahead of the slowest: bounds what waits in memory."""


class Service:
    """One engine between two streams."""

    def __init__(self, config: Config, source: Source, sink: Sink, inputs: Inputs) -> None:
        config.state_directory.mkdir(parents=True, exist_ok=True)
        self._directory = config.state_directory
        self._source, self._sink, self._inputs = source, sink, inputs
        self._store = Store(config.state_directory / "engine.db")
        self.engine = Engine(self._store.history, self._store.load())
        self._saved = 0.0
        self._sent = 0
        self._retry: dict[str, float] = {}
        namespace = config.metrics_namespace
        self._metrics = None if namespace is None else Metrics(namespace)
        self.errors: dict[str, str] = {}
        """What is wrong now, by what was tried."""

    def run(self, stopping: Callable[[], bool]) -> None:
        """Go on until told to stop."""
        notify("READY=1")
        while not stopping():
            self.step()
            notify("WATCHDOG=1")
        self._save([])
        self._store.close()
        if self._metrics is not None:
            self._metrics.close()

    def step(self) -> None:
        """Read what is due, decide, save, send; wait where nothing is due."""
        self._reload()
        alarms: list[Alarm] = []
        if self.engine.rules:
            if not self.engine.shards and self._when(STREAM) <= time.monotonic():
                self._open_all()
            for name in self._due():
                self._read(name)
            alarms = self.engine.advance()
        if alarms or time.monotonic() >= self._saved + SAVE_SECONDS:
            self._save(alarms)
        self._send()
        self._wait()

    def _reload(self) -> None:
        try:
            changed = self._inputs.changed()
        except InputError as error:
            self._fail("rules", error)
            return
        self.errors.pop("rules", None)
        if changed is not None:
            rules, references = changed
            # Saved at once: after a restart the change must stand at the same tick.
            self._save(self.engine.change(rules, references))
            self._source.forget()
            log.info("rules in force: %s", ", ".join(rule.name for rule in rules) or "none")

    def _open_all(self) -> None:
        try:
            shards = self._source.shards()
        except Trouble as error:
            self._fail(STREAM, error)
            return
        self.errors.pop(STREAM, None)
        for shard in shards:
            self.engine.open_shard(shard.name)

    def _due(self) -> list[str]:
        """The shards to be read now, the one furthest behind first."""
        now, shards = time.monotonic(), self.engine.shards
        slowest = min((shard.read_ms for shard in shards.values()), default=0)
        names = [
            name
            for name, shard in shards.items()
            if shard.read_ms <= slowest + SPREAD_MS and self._when(name) <= now
        ]
        return sorted(names, key=lambda name: shards[name].read_ms)

    def _when(self, shard: str) -> float:
        """Seconds (of the monotonic clock) at which to read a shard, or try something again."""
        regular = max(self._source.due(shard), self._retry.get(shard, 0.0))
        wall = time.time() - time.monotonic()
        interval_ms = self._source.interval * 1000
        return next_read((regular + wall) * 1000, interval_ms, self.engine.awaited) / 1000 - wall

    def _read(self, name: str) -> None:
        request_ms = int(time.time() * 1000)
        try:
            answer = self._source.read(name, self.engine.shards[name].last)
            shards = [] if answer.next else self._source.shards()
        except IteratorLost:
            return
        except Trouble as error:
            self._fail(name, error)
            return
        self.errors.pop(name, None)
        if answer.records:
            self.engine.read(name, answer.records[-1].sequence, answer.records)
        elif answer.next and not answer.behind_ms:
            self.engine.idle(name, request_ms)
        if not answer.next:
            self._end(name, shards)

    def _end(self, name: str, shards: list[Shard]) -> None:
        """Follow the shard's children, once all their parents have ended."""
        followed = self.engine.shards.keys() - {name}
        for shard in shards:
            if name in shard.parents and not followed & set(shard.parents):
                self.engine.open_shard(shard.name, name)
        self.engine.close_shard(name)
        log.info("shard %s has ended", name)

    def _save(self, alarms: list[Alarm]) -> None:
        self._store.save(self.engine, alarms, self._sent)
        self._saved = time.monotonic()
        for alarm in alarms:
            log.info("%s %s %s at %s", alarm.kind, alarm.rule, alarm.scope, alarm.event_time)
        sent = self.engine.counts.alarms - self._store.waiting(self._sent)
        error = "; ".join(self.errors.values()) or None
        found = status.describe(self.engine, sent, error)
        status.write(self._directory, found)
        if self._metrics is not None:
            self._metrics.offer(found)

    def _send(self) -> None:
        if self._when(SENDING) > time.monotonic():
            return
        waiting = self._store.outbox(self._sent)
        if not waiting:
            return
        try:
            self._sent = self._sink.put(waiting) or self._sent
        except Trouble as error:
            self._fail(SENDING, error)
        else:
            self.errors.pop(SENDING, None)

    def _fail(self, what: str, error: Exception) -> None:
        """Say it once, and do not try again at once."""
        message = f"{what}: {error}"
        if self.errors.get(what) != message:
            log.error("%s", message)
        self.errors[what] = message
        self._retry[what] = time.monotonic() + RETRY_SECONDS

    def _wait(self) -> None:
        due = min(map(self._when, self.engine.shards), default=time.monotonic() + WAIT_SECONDS)
        time.sleep(min(max(due - time.monotonic(), 0.0), WAIT_SECONDS))


def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopped.append(number))
    kinesis = client()
    source = Source(kinesis, config.orders_stream, config.polls_per_second)
    sink = Sink(kinesis, config.alarms_stream)
    Service(config, source, sink, Inputs(config)).run(lambda: bool(stopped))
