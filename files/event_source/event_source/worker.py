"""Carries one shard's records to one mapping's function, in order, and notes how far it got."""

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from event_source import batch, event, failure
from event_source.aws import AwsError
from event_source.backoff import delay
from event_source.batch import Part
from event_source.checkpoint import Checkpoints
from event_source.event import Record
from event_source.mapping import Mapping
from event_source.reader import Reader, Stream
from event_source.response import Answer, judge
from event_source.shards import Shard

log = logging.getLogger(__name__)


class Region(Stream, Protocol):
    """What a worker needs of AWS."""

    def invoke(self, function: str, payload: bytes) -> Answer: ...

    def put_object(self, bucket: str, key: str, body: bytes) -> None: ...


class Stopped(Exception):
    """The worker was asked to stop; what it has not noted as handled, the next one does."""


class Worker:
    """One shard of one mapping.

    `mapping` gives the mapping as it is now; `pause` waits that many seconds and says whether to
    stop.
    """

    def __init__(
        self,
        region: Region,
        checkpoints: Checkpoints,
        mapping: Callable[[], Mapping],
        role: str,
        shard: Shard,
        polls_per_second: float,
        pause: Callable[[float], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._region, self._checkpoints = region, checkpoints
        self._mapping, self._role, self._shard = mapping, role, shard
        self._interval = 1 / polls_per_second
        self._pause_or_stop, self._clock = pause, clock
        self._buffer: deque[Record] = deque()
        self._first_read_at = 0.0
        self.handled_to = clock()
        """Every record that arrived before this time is handled."""
        self.error: str | None = None

    def run(self) -> None:
        """Work until the shard is finished, or raise Stopped."""
        failures = 0
        while True:
            try:
                return self._consume()
            except Stopped:
                raise
            except Exception as error:
                # Whatever it was, what is noted as handled is right: begin again from there.
                if not isinstance(error, AwsError):
                    log.exception("%s %s", self._mapping().function, self._shard.id)
                failures += 1
                self._note(error)
                self._pause(delay(failures))

    def _consume(self) -> None:
        mapping = self._mapping()
        position = self._checkpoints.position(mapping.uuid, self._shard)
        self._buffer.clear()
        reader = Reader(
            self._region,
            mapping.stream,
            self._shard.id,
            position.sequence,
            self._since(mapping),
            self._interval,
            self._clock,
        )
        while records := self._gather(reader):
            self._deliver([Part(records)])
        self._checkpoints.finish(mapping.uuid, self._shard)

    def _since(self, mapping: Mapping) -> float:
        if mapping.starting_position == "LATEST":
            return self._checkpoints.first_seen(mapping.uuid, self._clock())
        return mapping.starting_timestamp or 0.0

    def _gather(self, reader: Reader) -> list[Record]:
        """Take the next batch: full, or what came within the window; empty at the shard's end."""
        failures = 0
        while True:
            mapping = self._mapping()
            count = event.fitting(self._buffer, mapping.batch_size)
            full = count == mapping.batch_size or count < len(self._buffer)
            waited = self._clock() - self._first_read_at >= mapping.window_seconds
            if full or reader.closed or (self._buffer and waited):
                return [self._buffer.popleft() for _ in range(count)]
            self._pause(reader.due - self._clock())
            try:
                self._read(reader, mapping)
            except AwsError as error:
                failures += 1
                self._note(error)
                self._pause(delay(failures))
            else:
                failures = 0
                self.error = None

    def _read(self, reader: Reader, mapping: Mapping) -> None:
        """Add what one call brings to the buffer."""
        read = reader.read()
        if read.records and not self._buffer:
            self._first_read_at = self._clock()
        self._buffer.extend(
            event.encode(
                mapping,
                self._role,
                self._shard.id,
                record["PartitionKey"],
                record["SequenceNumber"],
                record["Data"],
                record["ApproximateArrivalTimestamp"].timestamp(),
            )
            for record in read.records
        )
        if read.skipped_to and not self._buffer:
            self._checkpoints.advance(mapping.uuid, self._shard, read.skipped_to, 0)
        if self._buffer:
            self.handled_to = self._buffer[0].arrival
        elif read.caught_up_to is not None:
            self.handled_to = read.caught_up_to

    def _deliver(self, parts: list[Part]) -> None:
        """Hand the parts over, first to last, until each record is done or given up."""
        failed: Answer | None = None
        troubles = 0
        while parts:
            self._pause(0)
            part, mapping = parts[0], self._mapping()
            old = batch.expired(part.records, mapping.max_age_seconds, self._clock())
            if old:
                self._give_up(mapping, part.records[:old], failure.AGE, part.failures, failed)
                parts[:1] = [Part(part.records[old:], part.failures)] if part.records[old:] else []
                continue
            self.handled_to = part.records[0].arrival
            try:
                answer = self._region.invoke(mapping.function, event.payload(part.records))
            except AwsError as error:
                # The function was not reached: that is none of its failures.
                troubles += 1
                self._note(error)
                self._pause(delay(troubles))
                continue
            troubles = 0
            verdict = judge(answer, part.records, mapping.reports_items)
            settled = batch.settle(part, verdict, mapping)
            if verdict.error:
                failed = answer
            if settled.done:
                self._advance(mapping, part.records[: settled.done])
            if settled.given_up:
                failures = part.failures + 1
                self._give_up(mapping, settled.given_up, failure.RETRIES, failures, failed)
            parts[:1] = settled.left
            self._note(verdict.error)
            if settled.left and settled.left[0].failures:
                self._pause(delay(settled.left[0].failures))

    def _give_up(
        self,
        mapping: Mapping,
        records: Sequence[Record],
        condition: str,
        failures: int,
        answer: Answer | None,
    ) -> None:
        log.warning(
            "%s: %d records given up from %s %s (%s)",
            mapping.function,
            len(records),
            self._shard.id,
            records[0].sequence,
            condition,
        )
        if mapping.failure_bucket:
            now, unique = datetime.fromtimestamp(self._clock(), UTC), str(uuid.uuid4())
            key = failure.object_key(mapping, self._shard.id, now, unique)
            body = failure.invocation_record(
                mapping, self._shard.id, records, condition, failures, answer, now, unique
            )
            self._insist(lambda: self._region.put_object(mapping.failure_bucket, key, body))
        self._advance(mapping, records)

    def _insist(self, call: Callable[[], None]) -> None:
        failures = 0
        while True:
            try:
                return call()
            except AwsError as error:
                failures += 1
                self._note(error)
                self._pause(delay(failures))

    def _advance(self, mapping: Mapping, records: Sequence[Record]) -> None:
        self._checkpoints.advance(mapping.uuid, self._shard, records[-1].sequence, len(records))

    def _note(self, error: Exception | str | None) -> None:
        text = None if error is None else str(error)
        if text and text != self.error:
            log.warning("%s %s: %s", self._mapping().function, self._shard.id, text)
        self.error = text

    def _pause(self, seconds: float) -> None:
        if self._pause_or_stop(max(0.0, seconds)):
            raise Stopped
