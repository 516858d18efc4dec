"""The loop: lets each flow work in turn, keeps positions and status on disk, waits for more."""

import errno
import logging
import queue
import time
from pathlib import Path

from python_service import file
from python_service.notify import notify

from kinesis_agent import state_json, status
from kinesis_agent.batch import Request
from kinesis_agent.checkpoint import Checkpoint, Counters, State
from kinesis_agent.config import Config
from kinesis_agent.credentials import provider as credentials_provider
from kinesis_agent.files import SHORTAGE, descriptors
from kinesis_agent.flow import Running
from kinesis_agent.lock import hold
from kinesis_agent.metrics import PERIOD, CloudWatch, Prometheus
from kinesis_agent.send import connect
from kinesis_agent.sight import Sight, look

# How often positions are written, in seconds, and the status at least. What was accepted since then
# is sent again after a kill.
SAVE_EVERY = 0.5
TELL_EVERY = 4.0
# How often it is looked for files that are not read.
LOOK_EVERY = 30.0
# What may be better by itself the next time that positions are written.
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, *SHORTAGE)

log = logging.getLogger(__name__)


class Agent:
    """All flows of a configuration, from a state directory on."""

    def __init__(self, config: Config, state_dir: Path) -> None:
        """Take up the positions; raise CheckpointError where they cannot be used."""
        self._config, self._state_dir = config, state_dir
        measured = config.cloudwatch_emit_metrics
        name = config.checkpoint_file
        self._checkpoint = Checkpoint(Path(name) if name else state_dir / "positions.json")
        # The state directory is one agent's already; a file elsewhere might be two agents'.
        self._lock = hold(Path(f"{name}.lock"), Path(name)) if name else None
        self._state = self._checkpoint.load()
        self._results: queue.SimpleQueue[tuple[Running, Request, object] | None]
        self._results = queue.SimpleQueue()
        self._credentials = credentials_provider(config)
        self.flows = [
            Running(
                config,
                flow,
                self._state.flows.get(flow.key),
                self._state.counters.setdefault(flow.key, Counters()),
                state_dir / "oversize",
                lambda flow=flow: connect(config, flow, self._credentials),
                lambda *result: self._results.put(result),
            )
            for flow in config.flows
        ]
        self._poll = min(
            min(flow.min_time_between_file_polls_millis, flow.max_buffer_age_millis) / 1000
            for flow in config.flows
        )
        self._stopping = False
        self._disk_error = ""
        self._saved = self._told = 0.0
        self._sights: dict[str, Sight] = {}
        self._looked = 0.0
        self._measured = self._reported = time.monotonic()
        self._cloudwatch = CloudWatch(config, self._credentials, self.flows) if measured else None
        self._prometheus = Prometheus(config.prometheus_port) if config.prometheus_port else None

    def stop(self) -> None:
        """Make run() end soon: safe in a signal handler."""
        self._stopping = True
        self._results.put(None)

    def run(self) -> None:
        """Ship, once started, until stop() is called, then flush what can be flushed in time."""
        while not self._stopping:
            self._work(time.monotonic() + self._poll)
        self._shut_down()

    def ship(self) -> None:
        """Ship what the files hold now, to their last whole line."""
        self.start()
        while not self._stopping:
            more = self._work(time.monotonic() + self._poll)
            if not more and all(flow.is_idle for flow in self.flows):
                break
        self._shut_down()

    def start(self) -> None:
        """Meet the files and keep the first positions; raise OSError where that cannot be."""
        descriptors.raise_limit()
        try:
            for flow in self.flows:
                flow.tailer.poll(time.monotonic())
                log.info("ships %s to %s", flow.flow.file_pattern, flow.flow.destination)
            self._save_at_start()
        except BaseException:
            self._close()
            raise
        self._look()
        self._tell(running=True)
        notify("READY=1")

    def _look(self) -> None:
        """See what the patterns find, and say once what they do not."""
        self._looked = time.monotonic()
        for flow in self.flows:
            pattern, before = flow.flow.file_pattern, self._sights.get(flow.flow.key)
            self._sights[flow.flow.key] = sight = look(pattern)
            for problem in sight.unfit + sight.hidden:
                if before is None or problem not in before.problems:
                    log.error("%s: %s", flow.flow.destination, problem)
            if not sight.files and (before is None or before.files):
                log.warning("%s: no file matches %s", flow.flow.destination, pattern)

    def _work(self, until: float) -> bool:
        """Read and send until then; return whether there was more to read at the end."""
        for flow in self.flows:
            flow.tailer.poll(time.monotonic())
        if any([flow.tailer.takes_news() for flow in self.flows]):  # noqa: C419
            # A file that was seen must be known again, whatever happens to it and to us.
            self._save()
        more = [False]
        while not self._stopping:  # once at least, however long the looks took
            more = [flow.work(time.monotonic()) for flow in self.flows]
            self._take_results(0 if any(more) else self._idle_time(until))
            self._keep_books()
            if time.monotonic() >= until:
                break
        return any(more) or any(not flow.outbox.has_room for flow in self.flows)

    def _idle_time(self, next_poll: float) -> float:
        soon = time.monotonic() + SAVE_EVERY
        times = [soon, next_poll, *(flow.outbox.next_due() for flow in self.flows)]
        return min(when for when in times if when is not None) - time.monotonic()

    def _take_results(self, wait: float) -> None:
        try:
            result = self._results.get(timeout=wait) if wait > 0 else self._results.get_nowait()
            while True:
                if result:
                    flow, request, outcome = result
                    flow.handle(request, outcome, time.monotonic())
                result = self._results.get_nowait()
        except queue.Empty:
            pass

    def _keep_books(self) -> None:
        now = time.monotonic()
        changed = False
        if now - self._saved >= SAVE_EVERY:
            changed = self._save()
            notify("WATCHDOG=1")
        if changed or now - self._told >= TELL_EVERY:
            self._tell(running=True)

    def _save(self) -> bool:
        """Make positions and counts durable; without it lines are shipped all the same."""
        self._saved = time.monotonic()
        try:
            changed = self._checkpoint.save(self._state_of_flows())
        except OSError as error:
            self._say_once(error)
            return False
        self._disk_error = ""
        return changed

    def _save_at_start(self) -> None:
        """As _save(), but that what only an operator can mend ends the start."""
        try:
            self._checkpoint.save(self._state_of_flows())
        except OSError as error:
            if error.errno not in PASSING:
                raise
            self._say_once(error)

    def _say_once(self, error: OSError) -> None:
        if str(error) != self._disk_error:
            log.error("positions and status cannot be kept, tried again: %s", error)
        self._disk_error = str(error)

    def _state_of_flows(self) -> State:
        for flow in self.flows:
            self._state.flows[flow.flow.key] = [r.tracked for r in flow.tailer.readers]
        return self._state

    def _tell(self, running: bool) -> None:
        wall = time.time()
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._look()
        if self._prometheus:
            self._prometheus.open()
        problems = [self._disk_error, self._prometheus.problem if self._prometheus else ""]
        flows = [status.of_flow(flow, self._sights[flow.flow.key], wall) for flow in self.flows]
        data = state_json.encode(
            status.Status(wall, running, flows, [each for each in problems if each])
        )
        try:
            file.replace(self._state_dir / "status.json", data)
        except OSError as error:
            self._say_once(error)
        self._told = time.monotonic()
        if self._prometheus:
            self._prometheus.flows = flows
        if self._cloudwatch and (self._told - self._measured >= PERIOD or not running):
            self._cloudwatch.put(flows)
            self._measured = self._told
        period = self._config.status_reporting_period_seconds
        if self._told - self._reported >= period or not running:
            for flow in flows:
                log.info("%s", status.sentence(flow))
            self._reported = self._told

    def _shut_down(self) -> None:
        """Wait for what was read to be accepted, no longer than may be; nothing more is read."""
        notify("STOPPING=1")
        deadline = time.monotonic() + self._config.shutdown_timeout_millis / 1000
        left = self.flows
        for flow in left:
            flow.tailer.poll_deleted()
        while left and time.monotonic() < deadline:
            left = [
                flow for flow in left if flow.work(time.monotonic()) or not flow.outbox.is_empty
            ]
            self._take_results(min(0.05, deadline - time.monotonic()))
        self._save()
        self._tell(running=False)
        if self._cloudwatch:
            self._cloudwatch.wait(1.0)
        self._close()

    def _close(self) -> None:
        for flow in self.flows:
            flow.close()
        if self._prometheus:
            self._prometheus.close()
        if self._lock:
            self._lock.close()
