"""Reads one shard from a position on: at a steady pace, each record once, until its end."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any, Protocol

READ_LIMIT = 1000
"""Records a call: enough for the rate to be no limit, few enough to be kept in memory."""


class Stream(Protocol):
    """What a reader needs of Kinesis."""

    def iterator(self, stream: str, shard: str, after: str | None) -> str: ...

    def records(self, iterator: str, limit: int) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Read:
    """What one call brought."""

    records: list[dict[str, Any]]
    skipped_to: str | None
    """The last record, where all were older than the start."""
    caught_up_to: float | None
    """Where there were none: no record that arrived before this time is left."""


class Reader:
    """A shard's records after `after`, or of arrival `since` and later if none was handled yet.

    The start by time (LATEST, AT_TIMESTAMP) is found by reading from the oldest record on, so that
    it holds through a restart and where AT_TIMESTAMP does not work (kinesalite never answers it
    while no later record is there).
    """

    def __init__(
        self,
        kinesis: Stream,
        stream: str,
        shard: str,
        after: str | None,
        since: float,
        interval: float,
        clock: Callable[[], float],
    ) -> None:
        self._kinesis, self._stream, self._shard = kinesis, stream, shard
        self._after = after
        self._since = since if after is None else 0.0
        self._interval, self._clock = interval, clock
        self._iterator: str | None = None
        self.due = 0.0
        """When the next call may be made."""
        self.closed = False
        """Whether the shard was closed and its last record has been read."""

    def read(self) -> Read:
        """Make one call; after AwsError the next goes on after the last record returned."""
        asked_at = self._clock()
        self.due = asked_at + self._interval
        iterator = self._iterator or self._kinesis.iterator(self._stream, self._shard, self._after)
        # Gone until the call has succeeded: an iterator that failed may be the reason.
        self._iterator = None
        answer = self._kinesis.records(iterator, READ_LIMIT)
        self._iterator = answer.get("NextShardIterator")
        self.closed = self._iterator is None
        records = answer["Records"]
        if records:
            self._after = records[-1]["SequenceNumber"]
        wanted = list(dropwhile(self._is_too_early, records))
        if wanted:
            self._since = 0.0
        return Read(
            records=wanted,
            skipped_to=self._after if records and not wanted else None,
            caught_up_to=None if records else asked_at - answer.get("MillisBehindLatest", 0) / 1000,
        )

    def _is_too_early(self, record: dict[str, Any]) -> bool:
        return record["ApproximateArrivalTimestamp"].timestamp() < self._since
