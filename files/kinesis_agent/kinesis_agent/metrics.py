"""What the flows have done, for CloudWatch and for Prometheus."""

import logging
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from kinesis_agent.config import Config
from kinesis_agent.errors import SendError
from kinesis_agent.flow import Running
from kinesis_agent.query import Service
from kinesis_agent.sign import Provider
from kinesis_agent.status import FlowStatus

PERIOD = 60.0

# CloudWatch's name and unit (none where it is told to Prometheus only), our field, and whether it
# is counted up.
_METRICS = (
    ("BytesSent", "Bytes", "bytes_sent", True),
    ("RecordSendAttempts", "Count", "attempts", True),
    ("RecordsSent", "Count", "records_sent", True),
    ("RecordSendErrors", "Count", "records_refused", True),
    ("ServiceErrors", "Count", "service_errors", True),
    ("", "", "undecodable", True),
    ("", "", "unmatched", True),
    ("", "", "oversize", True),
    ("", "", "lost_bytes", True),
    ("BytesBehind", "Bytes", "bytes_behind", False),
    ("SecondsBehind", "Seconds", "seconds_behind", False),
)

log = logging.getLogger(__name__)


class CloudWatch:
    """Puts the metrics of each period, from a thread of its own, and never holds up the agent."""

    def __init__(self, config: Config, credentials: Provider, flows: Iterable[Running]) -> None:
        """Count from what the flows have counted so far."""
        self._namespace = config.cloudwatch_namespace
        self._credentials = credentials
        self._service = Service(config, "cloudwatch", "monitoring", "2010-08-01")
        self._before = {
            (flow.flow.destination, flow.flow.file_pattern): msgspec.structs.asdict(flow.counters)
            for flow in flows
        }
        self._last_error = ""
        self._busy = threading.Lock()

    def put(self, flows: list[FlowStatus]) -> None:
        """Start to put what happened since the last call; not if that one is still under way."""
        if self._busy.acquire(blocking=False):
            parameters = self.parameters(flows)
            threading.Thread(target=self._put, args=(parameters,), daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait for what is under way, but no longer."""
        if self._busy.acquire(timeout=seconds):
            self._busy.release()

    def parameters(self, flows: list[FlowStatus]) -> dict[str, str]:
        """Return what PutMetricData is called with."""
        found = {"Namespace": self._namespace}
        number = 0
        for flow in flows:
            before = self._before[flow.destination, flow.file_pattern]
            for name, unit, field, counts in (each for each in _METRICS if each[0]):
                value = float(getattr(flow, field))
                number += 1
                item = f"MetricData.member.{number}"
                found |= {
                    f"{item}.MetricName": name,
                    f"{item}.Unit": unit,
                    f"{item}.Value": str(value - before[field] if counts else value),
                    f"{item}.Dimensions.member.1.Name": "Destination",
                    f"{item}.Dimensions.member.1.Value": flow.destination,
                }
                if counts:
                    before[field] = value
        return found

    def _put(self, parameters: dict[str, str]) -> None:
        try:
            self._service.call(self._credentials, "PutMetricData", parameters)
            self._last_error = ""
        except SendError as error:
            if str(error) != self._last_error:
                log.warning("CloudWatch metrics cannot be put: %s", error)
            self._last_error = str(error)
        finally:
            self._busy.release()


def prometheus_text(flows: list[FlowStatus]) -> str:
    """Return the metrics in Prometheus' text format."""
    lines = []
    for _, _, field, counts in _METRICS:
        name = f"kinesis_agent_{field}{'_total' if counts else ''}"
        lines.append(f"# TYPE {name} {'counter' if counts else 'gauge'}")
        for flow in flows:
            pattern = flow.file_pattern.replace("\\", "\\\\").replace('"', '\\"')
            labels = f'destination="{flow.destination}",file_pattern="{pattern}"'
            lines.append(f"{name}{{{labels}}} {getattr(flow, field)}")
    return "\n".join(lines) + "\n"


class Prometheus:
    """Answers GET on a loopback port with the last metrics that it was given."""

    def __init__(self, port: int) -> None:
        self.flows: list[FlowStatus] = []
        self.problem = ""
        self._port = port
        self._server: ThreadingHTTPServer | None = None

    def open(self) -> None:
        """Take the port, if that was not done; one that is taken is asked for at each call."""
        if self._server:
            return
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = prometheus_text(outer.flows).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        except OSError as error:
            problem = f"prometheus.port {self._port}: {error.strerror}"
            if problem != self.problem:
                log.error("%s (tried again)", problem)
            self.problem = problem
            return
        self.problem = ""
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Give the port back."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
