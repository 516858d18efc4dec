"""The service: reads the streams, lets their engines decide, saves, sends."""

import logging
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, wait

from python_service import file
from python_service.notify import notify

from analytics_engine.errors import AlarmRefused, InputError, StreamError
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.records.kind import Source as Held
from analytics_engine.service import status
from analytics_engine.service.config import Config
from analytics_engine.service.follower import RETRY_SECONDS, Follower, Source
from analytics_engine.service.inputs import Inputs
from analytics_engine.service.measures import Sender
from analytics_engine.service.metrics import Metrics
from analytics_engine.service.store import Store
from analytics_engine.service.streams import Sink, client
from analytics_engine.service.streams import Source as Stream

log = logging.getLogger("analytics-engine")

SAVE_SECONDS = 1.0
WAIT_SECONDS = 0.2


class Service:
    """An engine for each stream, and the streams of what they say."""

    def __init__(
        self,
        config: Config,
        sources: Mapping[str, Source],
        sink: Sink,
        inputs: Inputs,
        measures: Sink | None = None,
    ) -> None:
        """Minutes are counted where `measures` takes them. Raises StateError."""
        config.state_directory.mkdir(parents=True, exist_ok=True)
        self._directory = config.state_directory
        self._refused = config.state_directory / "refused"
        self._sink, self._inputs = sink, inputs
        self._store = Store(config.state_directory / "engine.db", measures is not None)
        self._measures = None if measures is None else Sender(self._store, measures)
        self._sources = sources
        self.followers: dict[str, Follower] = {}
        for name, kind in self._store.kinds().items():
            if name in sources:  # it goes on though the rules as they are now may be wrong
                self._follow(name, Held(kind, config.streams[name].lateness_ms))
        self._saved = self._send_at = 0.0
        self._sent = 0
        namespace = config.metrics_namespace
        self._metrics = None if namespace is None else Metrics(namespace)
        self.errors: dict[str, str] = {}
        """What is wrong now but for reading, by what was tried."""

    def run(self, stopping: Callable[[], bool]) -> None:
        """Go on until told to stop."""
        notify("READY=1")
        while not stopping():
            self.step()
            notify("WATCHDOG=1")
        self._save([])
        if self._measures is not None:
            self._measures.close()
        self._store.close()
        for follower in self.followers.values():
            follower.close()
        if self._metrics is not None:
            self._metrics.close()

    def step(self) -> None:
        """Take in what was read, decide, save, send; wait where nothing is due."""
        self._reload()
        alarms: list[Alarm] = []
        for follower in self.followers.values():
            follower.collect()
            alarms += follower.engine.advance()
            follower.request()
        if alarms or time.monotonic() >= self._saved + SAVE_SECONDS:
            self._save(alarms)
        self._send()
        if self._measures is not None:
            self._measures.step()
        self._wait()

    def _reload(self) -> None:
        try:
            definitions = self._inputs.changed()
        except InputError as error:
            self._fail("rules", error)
            return
        self.errors.pop("rules", None)
        if unread := self._inputs.unread:
            self._fail("files", InputError(*unread))
        else:
            self.errors.pop("files", None)
        if definitions is not None:
            for name in self._sources.keys() - self.followers.keys():
                self._follow(name, definitions.sources[name])
            changes = [follower.change(definitions) for follower in self.followers.values()]
            # Saved at once: after a restart the change must stand at the same tick.
            self._save([alarm for alarms in changes for alarm in alarms or ()])
            names = ", ".join(rule.name for rule in definitions.rules)
            log.info("rules in force: %s", names or "none")

    def _follow(self, name: str, source: Held) -> None:
        engine = self._store.engine(name, source)
        self.followers[name] = Follower(name, engine, self._sources[name])

    def _save(self, alarms: list[Alarm]) -> None:
        engines = {name: follower.engine for name, follower in self.followers.items()}
        self._store.save(engines, alarms, self._sent)
        self._saved = time.monotonic()
        for alarm in alarms:
            log.info("%s %s %s at %s", alarm.kind, alarm.rule, alarm.scope, alarm.event_time)
        waiting = self._store.waiting(self._sent)
        found = status.describe(engines, waiting, self._wrong())
        try:
            status.write(self._directory, found)
            self.errors.pop("status", None)
        except OSError as error:  # alarms are sent all the same
            self._fail("status", error)
        if self._metrics is not None:
            self._metrics.offer(found)

    def _wrong(self) -> list[str]:
        read = [text for follower in self.followers.values() for text in follower.errors.values()]
        refused = len(list(self._refused.glob("*.json")))
        kept = [f"alarms that the stream refused, kept in {self._refused}: {refused}"] * (
            refused > 0
        )
        error = self._measures and self._measures.error
        unsent = [f"measures: {error}"] * bool(error)
        return [*self.errors.values(), *read, *unsent, *kept]

    def _send(self) -> None:
        if self._send_at > time.monotonic():
            return
        waiting = self._store.outbox(self._sent)
        if not waiting:
            return
        try:
            self._sent = self._sink.put(waiting) or self._sent
        except AlarmRefused as error:
            number, _, alarm = waiting[0]
            log.error("alarm %d is set aside, the stream refuses it: %r", number, str(error))
            self._refused.mkdir(exist_ok=True)
            file.replace(self._refused / f"{number}.json", alarm)
            self._sent = number
        except StreamError as error:
            self._fail("sending", error)
            self._send_at = time.monotonic() + RETRY_SECONDS
        else:
            self.errors.pop("sending", None)

    def _fail(self, what: str, error: Exception) -> None:
        """Say it once."""
        message = f"{what}: {error}"
        if self.errors.get(what) != message:
            log.error("%s", message)
        self.errors[what] = message

    def _wait(self) -> None:
        """Until something has been read, or is to be read."""
        followers = self.followers.values()
        due = [follower.due for follower in followers if follower.reading is None]
        now = time.monotonic()
        seconds = min(max(min(due, default=now + WAIT_SECONDS) - now, 0.0), WAIT_SECONDS)
        reading = [follower.reading for follower in followers if follower.reading is not None]
        if reading:
            wait(reading, seconds, FIRST_COMPLETED)
        else:
            time.sleep(seconds)


def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopped.append(number))
    kinesis = client()
    sources = {
        name: Stream(kinesis, stream.name, config.polls_per_second)
        for name, stream in config.streams.items()
    }
    sink = Sink(kinesis, config.alarms_stream)
    measures = config.measures_stream and Sink(kinesis, config.measures_stream)
    Service(config, sources, sink, Inputs(config), measures or None).run(lambda: bool(stopped))
