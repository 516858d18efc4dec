"""CloudWatch metrics: an alarm there notices an engine that has gone silent."""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import botocore.client
import botocore.config
import botocore.session

from analytics_engine.evaluation.snapshot import Counts
from analytics_engine.service.status import Status

log = logging.getLogger("analytics-engine")

EVERY_SECONDS = 60.0


class Metrics:
    """Puts what has happened since the last time, once a minute, beside the engine's own work."""

    def __init__(self, namespace: str, client: botocore.client.BaseClient | None = None) -> None:
        config = botocore.config.Config(connect_timeout=5, read_timeout=10)
        self._client: Any = client or botocore.session.Session().create_client(
            "cloudwatch", config=config
        )
        self._namespace = namespace
        self._due = 0.0
        self._reported: dict[str, int] = {}
        self._putting: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, "metrics")

    def offer(self, status: Status) -> None:
        """Put this, if it is time; an engine that has never decided a tick has nothing to say."""
        now = time.monotonic()
        if status.lag_seconds is None or now < self._due:
            return
        if self._putting is not None and not self._putting.done():
            return
        self._due = now + EVERY_SECONDS
        self._putting = self._thread.submit(self._put, data(status, self._reported))

    def close(self) -> None:
        """Wait for what is on its way."""
        self._thread.shutdown()

    def _put(self, metrics: list[dict[str, Any]]) -> None:
        try:
            self._client.put_metric_data(Namespace=self._namespace, MetricData=metrics)
        except Exception as error:  # whatever it is, the next minute has another
            log.warning("metrics were not put: %s", error)


def data(status: Status, reported: dict[str, int]) -> list[dict[str, Any]]:
    """Lag and incidents as they are, counts since the last time, which `reported` says."""
    metrics = [{"MetricName": "OpenIncidents", "Value": len(status.open_incidents)}]
    if status.lag_seconds is not None:
        metrics.append({"MetricName": "Lag", "Value": status.lag_seconds, "Unit": "Seconds"})
    for name in Counts.__struct_fields__:
        count = getattr(status.counts, name)
        # The first time after a start there is nothing to compare with.
        since = max(count - reported.get(name, count), 0)
        title = "".join(word.capitalize() for word in name.split("_"))
        metrics.append({"MetricName": title, "Value": since, "Unit": "Count"})
        reported[name] = count
    return metrics
