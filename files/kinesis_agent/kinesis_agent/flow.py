"""One flow: from the files through conversion and the outbox to the senders, and back."""

import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import UNSET

from kinesis_agent.backoff import SLOW, Backoff
from kinesis_agent.batch import Outbox, Request
from kinesis_agent.checkpoint import Counters, Tracked
from kinesis_agent.config import Config, Flow
from kinesis_agent.convert import Conversion
from kinesis_agent.errors import SendError
from kinesis_agent.metadata import MetadataError
from kinesis_agent.oversize import Oversize
from kinesis_agent.reader import Reader
from kinesis_agent.send import Client, Senders
from kinesis_agent.tail import Piece, Tailer
from kinesis_agent.wire import KEY_SIZE, Answer

# The largest record of either service, and the largest request.
LONGEST = {True: 1_048_576 - KEY_SIZE, False: 1_024_000}
LARGEST = {True: 5_242_880, False: 4_194_304}
WAITING_BYTES = 6 * 1024 * 1024
SENDING_THREADS = 4
# Pieces that a flow reads before the others have their turn.
TURN = 8

log = logging.getLogger(__name__)


class Running:
    """A flow at work. All methods are for the agent's one thread."""

    def __init__(
        self,
        config: Config,
        flow: Flow,
        tracked: list[Tracked] | None,
        counters: Counters,
        oversize: Path,
        connect: Callable[[], Client],
        done: Callable[["Running", Request, object], None],
    ) -> None:
        self.flow = flow
        self.counters = counters
        self.last_error: str | None = None
        self._failing = False
        self.converter = Conversion(flow, counters)
        self._oversize, self._cutting = Oversize(oversize), set[Reader]()
        self._terminator = flow.truncated_record_terminator
        is_stream = flow.kinesis_stream is not None
        self._longest = LONGEST[is_stream]
        self.tailer = Tailer(
            flow.file_pattern,
            self.converter.framer,
            tracked,
            counters,
            flow.initial_position == "START_OF_FILE",
            self._longest,
            flow.max_time_between_file_tracker_refresh_millis / 1000,
            flow.skip_header_lines,
        )
        largest = LARGEST[is_stream]
        if flow.max_buffer_size_bytes is not UNSET:
            largest = min(largest, flow.max_buffer_size_bytes)
        threads = max(
            1, min(config.max_sending_threads or SENDING_THREADS, flow.publish_queue_capacity)
        )
        # A key goes with each record.
        room = largest - flow.max_buffer_size_records * KEY_SIZE
        self.outbox = Outbox(
            Backoff(flow, random.random),
            flow.max_buffer_size_records,
            max(room, self._longest),
            WAITING_BYTES,
            threads,
        )
        self._senders = Senders(
            connect, threads, lambda request, outcome: done(self, request, outcome)
        )
        self._closed = threading.Event()
        if not self.converter.is_ready:
            threading.Thread(target=self._prepare, daemon=True).start()

    def _prepare(self) -> None:
        while not self.converter.is_ready and not self._closed.is_set():
            try:
                self.converter.prepare()
                self.last_error = None
            except MetadataError as error:
                self._tell_once(str(error))
                self._closed.wait(SLOW)

    def work(self, monotonic: float, wall: float) -> bool:
        """Read, convert and send for a turn; return whether there is more to do at once."""
        if not self.converter.is_ready:
            return False
        for _ in range(TURN):
            piece = self.tailer.next(wall) if self.outbox.has_room else None
            if piece is None:
                self.send(monotonic, flush=True)
                self._commit()
                return False
            self._add(piece)
            self.send(monotonic)
        self._commit()
        return True

    @property
    def is_idle(self) -> bool:
        """Whether all that was read was accepted."""
        return self.converter.is_ready and self.outbox.is_empty

    def send(self, monotonic: float, flush: bool = False) -> None:
        """Hand what can be sent to the senders."""
        while request := self.outbox.next(monotonic, flush):
            self.counters.attempts += len(request.records)
            self._senders.put(request)

    def _add(self, piece: Piece) -> None:
        if piece.oversize:
            self.outbox.add(self._oversized(piece), piece.marks)
            return
        records = self.converter.convert(piece)
        if max(map(len, records), default=0) > self._longest:
            records = [each for record in records for each in self._fitting(piece, record)]
        self.outbox.add(records, piece.marks)

    def _oversized(self, piece: Piece) -> list[bytes]:
        """Cut a line that is too long, of which this is a part, or keep it aside."""
        last = bool(piece.marks)
        if self._terminator is None:
            self._keep(piece, piece.data, last)
            return []
        is_first = piece.reader not in self._cutting
        (self._cutting.discard if last else self._cutting.add)(piece.reader)
        if not is_first:
            return []
        return [self._cut(record) for record in self.converter.convert(piece)]

    def _fitting(self, piece: Piece, record: bytes) -> list[bytes]:
        if len(record) <= self._longest:
            return [record]
        if self._terminator is None:
            self._keep(piece, record, True)
            return []
        return [self._cut(record)]

    def _cut(self, record: bytes) -> bytes:
        end = (self._terminator or "").encode()
        return record[: self._longest - len(end)] + end

    def _keep(self, piece: Piece, data: bytes, last: bool) -> None:
        path = self._oversize.keep(piece.reader.id[1], piece.start, data, last)
        if path:
            self.counters.oversize += 1
            log.warning("%s: a line is too long: kept in %s", self.flow.destination, path)

    def handle(self, request: Request, outcome: object, monotonic: float) -> None:
        """Take in what became of a request."""
        if isinstance(outcome, SendError):
            self._failed(request, outcome, monotonic)
        elif isinstance(outcome, Answer):
            refused = len(outcome.refused)
            self.counters.records_refused += refused
            before = self.outbox.waiting_bytes
            if refused == len(request.records):
                self.last_error = outcome.reason
            else:
                self._recovered()
            if refused:
                self.outbox.refused(request, outcome.refused, monotonic)
            else:
                self.outbox.accepted(request)
            self.counters.records_sent += len(request.records) - refused
            self.counters.bytes_sent += before - self.outbox.waiting_bytes
        self._commit()

    def _failed(self, request: Request, error: SendError, monotonic: float) -> None:
        self.counters.service_errors += 1
        self._tell_once(str(error), " (tried again, slowly)" if error.permanent else "")
        self._failing = True
        self.outbox.failed(request, monotonic, error.permanent)

    def _tell_once(self, text: str, more: str = "") -> None:
        if text != self.last_error:  # not at every try
            log.error("%s: %s%s", self.flow.destination, text, more)
        self.last_error = text

    def _recovered(self) -> None:
        self.last_error = None
        if self._failing:
            log.info("%s: accepts records again", self.flow.destination)
            self._failing = False

    def close(self) -> None:
        """Let go of files and threads."""
        for reader in self.tailer.readers:
            reader.close()
        self._closed.set()
        self._senders.close()

    def _commit(self) -> None:
        for reader, mark in self.outbox.commit():
            reader.tracked.mark = mark
