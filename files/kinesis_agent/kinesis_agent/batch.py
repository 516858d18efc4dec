"""Which records to send next, which again and when, and what has been accepted without a gap."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct

from kinesis_agent.backoff import Backoff
from kinesis_agent.checkpoint import Mark
from kinesis_agent.reader import Reader

Marks = list[tuple[Reader, Mark]]


class Batch(Struct, eq=False):
    """The records of one piece of a file, until all of them are accepted.

    What is held has to be released as well; it is a part of what is left.
    """

    marks: Marks
    left: int
    held: int = 0


class Request(Struct, eq=False):
    """Records to be put together, and whose they are: (batch, attempt, how many) in their order."""

    records: list[bytes]
    owners: list[tuple[Batch, int, int]]


class _Again(Struct, eq=False):
    """Records to be put again, all for the same time, and the batch of each."""

    records: list[bytes]
    batches: list[Batch]
    attempt: int
    due: float


class Outbox:
    """The records of one flow between the file and the stream. Does no I/O and knows no clock."""

    def __init__(
        self,
        backoff: Backoff,
        max_records: int,
        max_bytes: int,
        max_waiting_bytes: int,
        max_in_flight: int,
    ) -> None:
        self._backoff = backoff
        self._max_records, self._max_bytes = max_records, max_bytes
        self._max_waiting, self._max_in_flight = max_waiting_bytes, max_in_flight
        self._ledger: deque[Batch] = deque()
        self._fresh: deque[tuple[Batch, list[bytes]]] = deque()
        self._fresh_records = self._fresh_bytes = 0
        self._again: list[_Again] = []
        self._in_flight = 0
        self._failures = 0
        self._pause_until = 0.0
        self.waiting_bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether more records may be added; how many bytes may wait is bounded."""
        return self.waiting_bytes < self._max_waiting and len(self._ledger) < 100_000

    @property
    def is_empty(self) -> bool:
        """Whether all that was added is accepted, but for what is held."""
        return all(batch.left == batch.held for batch in self._ledger)

    def add(self, records: list[bytes], marks: Marks, held: int = 0) -> Batch:
        """Take the records of a piece; marks say where in which file they end."""
        batch = Batch(marks, len(records) + held, held)
        self._ledger.append(batch)
        if records:
            size = sum(map(len, records))
            self._fresh.append((batch, records))
            self._fresh_records += len(records)
            self._fresh_bytes += size
            self.waiting_bytes += size
        return batch

    @staticmethod
    def release(batch: Batch) -> None:
        """Note that one of the things that were held is done."""
        batch.left -= 1
        batch.held -= 1

    def next(self, now: float, flush: bool) -> Request | None:
        """Return what to send now: full requests, or with flush whatever there is."""
        if now < self._pause_until or self._in_flight >= (
            1 if self._failures else self._max_in_flight
        ):
            return None
        due = [again for again in self._again if again.due <= now]
        full = self._fresh_records >= self._max_records or self._fresh_bytes >= self._max_bytes
        if not (due or full or (flush and self._fresh)):
            return None
        request = Request([], [])
        room = self._take_again(request, due)
        self._take_fresh(request, room)
        self._in_flight += 1
        return request

    def _take_again(self, request: Request, due: list[_Again]) -> int:
        """Add records that were refused before; return the bytes that are left in the request."""
        room = self._max_bytes
        for again in sorted(due, key=lambda each: each.due):
            count = min(_fit(again.records, room), self._max_records - len(request.records))
            if not request.records:
                count = max(count, 1)
            request.records += again.records[:count]
            request.owners += [(batch, again.attempt, 1) for batch in again.batches[:count]]
            room -= sum(map(len, again.records[:count]))
            del again.records[:count], again.batches[:count]
            if again.records:
                break
            self._again.remove(again)
        return room

    def _take_fresh(self, request: Request, room: int) -> None:
        while self._fresh and len(request.records) < self._max_records:
            batch, records = self._fresh[0]
            chunk = records[: self._max_records - len(request.records)]
            size = sum(map(len, chunk))
            if size > room:
                chunk = chunk[: _fit(chunk, room) or (0 if request.records else 1)]
                if not chunk:
                    return
                size = sum(map(len, chunk))
            request.records += chunk
            request.owners.append((batch, 1, len(chunk)))
            room -= size
            self._fresh_records -= len(chunk)
            self._fresh_bytes -= size
            if len(chunk) == len(records):
                self._fresh.popleft()
            else:
                self._fresh[0] = (batch, records[len(chunk) :])

    def accepted(self, request: Request) -> None:
        """Note that all of a request was accepted."""
        self._in_flight -= 1
        self._failures = 0
        self._settle(request)

    def refused(self, request: Request, indexes: list[int], now: float) -> None:
        """Note that the records at these indexes were refused and the others accepted."""
        self._in_flight -= 1
        self._failures = 0
        self._settle(request)
        for records in self._retry(request, indexes):
            records.due = now + self._backoff.seconds(records.attempt - 1)
            for batch in records.batches:
                batch.left += 1
            self.waiting_bytes += sum(map(len, records.records))

    def failed(self, request: Request, now: float, permanent: bool = False) -> None:
        """Note that nothing of a request is known to be accepted: wait, and try one at a time."""
        self._in_flight -= 1
        self._failures += 1
        self._pause_until = now + self._backoff.seconds(self._failures, permanent)
        for records in self._retry(request, range(len(request.records))):
            records.due = self._pause_until

    def _settle(self, request: Request) -> None:
        for batch, _, count in request.owners:
            batch.left -= count
        self.waiting_bytes -= sum(map(len, request.records))

    def _retry(self, request: Request, indexes: Sequence[int]) -> list[_Again]:
        """Line up records to be put again, those of one attempt together."""
        found: dict[int, _Again] = {}
        start = end = 0
        for batch, attempt, count in request.owners:
            end += count
            stop = bisect_left(indexes, end, start)
            if stop > start:
                again = found.setdefault(attempt, _Again([], [], attempt + 1, 0.0))
                again.records += [request.records[index] for index in indexes[start:stop]]
                again.batches += [batch] * (stop - start)
                start = stop
        self._again += found.values()
        return list(found.values())

    def commit(self) -> Marks:
        """Return the places up to which everything before was accepted, since the last call."""
        marks: Marks = []
        while self._ledger and not self._ledger[0].left:
            marks += self._ledger.popleft().marks
        return marks

    def next_due(self) -> float | None:
        """Return when there may be something to send that cannot be sent now, if ever."""
        if self._in_flight >= (1 if self._failures else self._max_in_flight):
            return None
        times = [again.due for again in self._again]
        if self._fresh and self._pause_until:
            times.append(self._pause_until)
        return max(min(times), self._pause_until) if times else None


def _fit(records: list[bytes], room: int) -> int:
    """Return how many of the records fit."""
    return next(
        (n for n, size in enumerate(accumulate(map(len, records))) if size > room), len(records)
    )
