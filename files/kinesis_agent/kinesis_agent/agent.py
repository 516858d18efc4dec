"""The loop: lets each flow work in turn, keeps positions and status on disk, waits for more."""

import logging
import os
import queue
import signal
import time
from pathlib import Path

import msgspec

from kinesis_agent import endpoints, status
from kinesis_agent.batch import Request
from kinesis_agent.checkpoint import Checkpoint, replace_file
from kinesis_agent.config import Config, Flow
from kinesis_agent.credentials import Provider
from kinesis_agent.credentials import provider as credentials_provider
from kinesis_agent.flow import Running
from kinesis_agent.notify import notify
from kinesis_agent.send import Client, Connection
from kinesis_agent.sign import Signer
from kinesis_agent.wire import (
    FirehoseJson,
    Format,
    KinesisCbor,
    KinesisJson,
    content_keys,
    random_keys,
)

# How often positions and status are written, in seconds. What was accepted since then is sent
# again after a kill.
SAVE_EVERY = 0.5
TELL_EVERY = 2.0

log = logging.getLogger(__name__)


class Agent:
    """All flows of a configuration, from a state directory on."""

    def __init__(self, config: Config, state_dir: Path) -> None:
        """Take up the positions; raise CheckpointError where they cannot be used."""
        self._config, self._state_dir = config, state_dir
        name = config.checkpoint_file
        self._checkpoint = Checkpoint(Path(name) if name else state_dir / "positions.json")
        self._state = self._checkpoint.load()
        self._results: queue.SimpleQueue[tuple[Running, Request, object] | None]
        self._results = queue.SimpleQueue()
        self._credentials = credentials_provider(config)
        self.flows = [
            Running(
                config,
                flow,
                self._state.flows.get(flow.key),
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
        self._saved = self._told = 0.0

    def stop(self) -> None:
        """Make run() end soon: safe in a signal handler."""
        self._stopping = True
        self._results.put(None)

    def run(self) -> None:
        """Ship until stop() is called, then flush what can be flushed in time."""
        for flow in self.flows:
            flow.tailer.poll(time.time())
        self._save()
        self._tell(running=True)
        notify("READY=1")
        while not self._stopping:
            began = time.monotonic()
            for flow in self.flows:
                flow.tailer.poll(time.time())
            if any(flow.tailer.has_news for flow in self.flows):
                # A file that was seen must be known again, whatever happens to it and to us.
                self._save()
            next_poll = began + self._poll
            while not self._stopping and time.monotonic() < next_poll:
                more = [flow.work(time.monotonic(), time.time()) for flow in self.flows]
                self._take_results(0 if any(more) else self._idle_time(next_poll))
                self._keep_books()
        self._shut_down()

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
        if now - self._saved >= SAVE_EVERY:
            self._save()
            notify("WATCHDOG=1")
        if now - self._told >= TELL_EVERY:
            self._tell(running=True)

    def _save(self) -> None:
        for flow in self.flows:
            self._state.flows[flow.flow.key] = [r.tracked for r in flow.tailer.readers]
            flow.tailer.has_news = False
        self._checkpoint.save(self._state)
        self._saved = time.monotonic()

    def _tell(self, running: bool) -> None:
        wall = time.time()
        flows = [status.of_flow(flow, wall) for flow in self.flows]
        data = msgspec.json.encode(status.Status(wall, running, flows))
        replace_file(self._state_dir / "status.json", data, 0o644)
        self._told = time.monotonic()

    def _shut_down(self) -> None:
        """Wait for what was read to be accepted, no longer than may be; nothing more is read."""
        notify("STOPPING=1")
        deadline = time.monotonic() + self._config.shutdown_timeout_millis / 1000
        left = self.flows
        while left and time.monotonic() < deadline:
            left = [flow for flow in left if flow.flush(time.monotonic())]
            self._take_results(min(0.05, deadline - time.monotonic()))
        self._save()
        self._tell(running=False)


def connect(config: Config, flow: Flow, credentials: Provider) -> Client:
    """Make a client of a flow's service, for one thread."""
    form = wire_format(config, flow)
    connection = Connection(
        endpoints.endpoint(config, form.service),
        config.connection_timeout_millis / 1000,
        config.socket_timeout_millis / 1000,
        config.use_http_gzip,
    )
    return Client(form, connection, Signer(form.service, endpoints.region(config)), credentials)


def wire_format(config: Config, flow: Flow) -> Format:
    """Choose how a flow's requests are written."""
    if flow.delivery_stream:
        return FirehoseJson(flow.delivery_stream)
    keys = random_keys if flow.partition_key_option == "RANDOM" else content_keys
    form = config.kinesis_wire_format
    if form is None:
        form = "CBOR" if endpoints.is_aws(endpoints.endpoint(config, "kinesis")) else "JSON"
    return (KinesisCbor if form == "CBOR" else KinesisJson)(flow.kinesis_stream or "", keys)


def run(config: Config, state_dir: Path) -> None:
    """Run an agent until SIGTERM or SIGINT."""
    state_dir.mkdir(parents=True, exist_ok=True)
    agent = Agent(config, state_dir)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()
    # A thread that still waits for an answer must not hold up the end.
    logging.shutdown()
    os._exit(0)
