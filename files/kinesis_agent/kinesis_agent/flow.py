"""One flow: from the files through conversion and the outbox to the senders, and back."""

import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import UNSET, Struct

from kinesis_agent.backoff import SLOW, Backoff
from kinesis_agent.batch import Batch, Outbox, Request
from kinesis_agent.checkpoint import Counters, Tracked
from kinesis_agent.config import Config, Flow
from kinesis_agent.convert import Conversion
from kinesis_agent.errors import SendError
from kinesis_agent.files import BROKEN, open_source
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

# Lines that may wait for room to be kept, and how long until they are tried again, in seconds.
MOST_UNKEPT = 16
KEEP_AGAIN = 5.0
PART = 1024 * 1024

log = logging.getLogger(__name__)


class _Unkept(Struct, eq=False):
    """A line that could not be kept: a record, or the bytes of a file from start to end."""

    reader: Reader
    start: int
    end: int
    record: bytes | None = None
    batch: Batch | None = None


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
        self._oversize = Oversize(oversize, flow.key)
        # Where the long lines start that are being read, and which of them cannot be kept.
        self._long: dict[Reader, int] = {}
        self._unkeepable: set[Reader] = set()
        self._unkept: list[_Unkept] = []
        self._keep_at = 0.0
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

    def work(self, now: float) -> bool:
        """Read, convert and send for a turn; return whether there is more to do at once."""
        if not self.converter.is_ready:
            return False
        if self._unkept and now >= self._keep_at:
            self._keep_at = now + KEEP_AGAIN
            self._unkept = [each for each in self._unkept if not self._keep_again(each)]
        for _ in range(TURN):
            piece = self.tailer.next(now) if self._has_room else None
            if piece is None:
                self.send(now, flush=True)
                self._commit()
                return False
            self._add(piece)
            self.send(now)
        self._commit()
        return True

    @property
    def _has_room(self) -> bool:
        return self.outbox.has_room and len(self._unkept) < MOST_UNKEPT

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
        before = len(self._unkept)
        records = self._oversized(piece) if piece.oversize else self._converted(piece)
        unkept = self._unkept[before:]
        batch = self.outbox.add(records, piece.marks, held=len(unkept))
        for each in unkept:
            each.batch = batch

    def _converted(self, piece: Piece) -> list[bytes]:
        records = self.converter.convert(piece)
        if max(map(len, records), default=0) > self._longest:
            return [each for record in records for each in self._fitting(piece, record)]
        return records

    def _oversized(self, piece: Piece) -> list[bytes]:
        """Cut a line that is too long, of which this is a part, or keep it aside."""
        last = bool(piece.marks)
        is_first = piece.reader not in self._long
        start = self._long.setdefault(piece.reader, piece.start)
        if last:
            del self._long[piece.reader]
        if self._terminator is None:
            self._keep_part(piece, start, last)
            return []
        if not is_first:
            return []
        return [self._cut(record) for record in self.converter.convert(piece)]

    def _fitting(self, piece: Piece, record: bytes) -> list[bytes]:
        if len(record) <= self._longest:
            return [record]
        if self._terminator is None:
            try:
                self._keep(piece.reader, piece.start, record, last=True)
            except OSError as error:
                self._cannot_keep(piece, piece.start, error, record)
            return []
        return [self._cut(record)]

    def _cut(self, record: bytes) -> bytes:
        end = (self._terminator or "").encode()
        length = self._longest - len(end)
        while length and record[length] & 0xC0 == 0x80:  # not within a character
            length -= 1
        return record[:length] + end

    def _keep_part(self, piece: Piece, start: int, last: bool) -> None:
        if piece.reader not in self._unkeepable:
            try:
                self._keep(piece.reader, start, piece.data, last)
                return
            except OSError as error:
                self._unkeepable.add(piece.reader)
                if not last:
                    return
                self._cannot_keep(piece, start, error)
        elif last:
            self._cannot_keep(piece, start, OSError(0, "no room"))
        self._unkeepable.discard(piece.reader)

    def _keep(self, reader: Reader, start: int, data: bytes, last: bool) -> None:
        path = self._oversize.keep(reader.holder, start, data, last)
        if path:
            self.counters.oversize += 1
            log.warning("%s: a line is too long: kept in %s", self.flow.destination, path)

    def _cannot_keep(
        self, piece: Piece, start: int, error: OSError, record: bytes | None = None
    ) -> None:
        """Let the position stay before a line that is too long and has no room to be kept in."""
        end = piece.marks[-1][1].position
        self._unkept.append(_Unkept(piece.reader, start, end, record))
        log.error(
            "%s: a line of %s (bytes %d to %d) is too long and cannot be kept: %s; tried again, "
            "and what follows is shipped meanwhile",
            self.flow.destination,
            piece.reader.tracked.path,
            start,
            end,
            error.strerror,
        )

    def _keep_again(self, line: _Unkept) -> bool:
        """Try to keep a line; return whether it is kept, or lost."""
        if line.record is None and line.reader.missing:
            self.counters.lost_bytes += line.end - line.start
            log.warning(
                "%s: the line of %s (bytes %d to %d) that could not be kept is gone",
                self.flow.destination,
                line.reader.tracked.path,
                line.start,
                line.end,
            )
        else:
            try:
                self._keep_whole(line)
            except BROKEN:
                return False
        if line.batch:
            self.outbox.release(line.batch)
        return True

    def _keep_whole(self, line: _Unkept) -> None:
        reader, at = line.reader, line.start
        if line.record is not None:
            self._keep(reader, at, line.record, last=True)
            return
        source = reader.source or open_source(reader.tracked.path)
        try:
            while at < line.end:
                data = source.read_at(at, min(PART, line.end - at))
                if not data:
                    raise EOFError
                at += len(data)
                self._keep(reader, line.start, data, last=at == line.end)
        finally:
            if source is not reader.source:
                source.close()

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
