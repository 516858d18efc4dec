"""Kinesis: the shards of a stream in answers, and the alarm stream to put alarms on."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import botocore.client
import botocore.config
import botocore.session
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from analytics_engine.errors import (
    AlarmRefused,
    IteratorExpired,
    PositionUnknown,
    ShardGone,
    StreamError,
)

LIMIT = 5_000
"""Records a request: what 2 MiB/s and 3 requests a second and shard allow, and no more memory."""
PUT_BYTES = 4 * 1024 * 1024
"""A PutRecords may have 5 MiB."""
INVALID = {"InvalidArgumentException", "ValidationException"}


class Record(msgspec.Struct, gc=False):
    data: bytes = msgspec.field(name="Data")
    arrival: float = msgspec.field(name="ApproximateArrivalTimestamp")
    sequence: str = msgspec.field(name="SequenceNumber")


class Answer(msgspec.Struct):
    """What a GetRecords brought."""

    records: list[Record] = msgspec.field(name="Records")
    next: str | None = msgspec.field(name="NextShardIterator", default=None)
    """None where the shard has ended."""
    behind_ms: int | None = msgspec.field(name="MillisBehindLatest", default=None)


class Shard(msgspec.Struct):
    """A shard in the list of a stream."""

    name: str
    parents: list[str]


def client(session: botocore.session.Session | None = None) -> botocore.client.BaseClient:
    """A Kinesis client that retries nothing itself; GetRecords is parsed by `Answer`."""
    config = botocore.config.Config(
        connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1}
    )
    made = (session or botocore.session.Session()).create_client("kinesis", config=config)
    made.meta.events.register("before-parse.kinesis.GetRecords", _parse_records)
    return made


def _parse_records(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Take the body away from botocore's parser, which would take most of the engine's time."""
    if response_dict["status_code"] == 200:
        answer = answer_of(response_dict["body"])
        customized_response_dict["Answer"] = answer
        response_dict["body"] = b"{}"


def answer_of(body: bytes) -> Answer:
    """The answer of a GetRecords; whatever stands in a partition key, which nobody here reads.

    Raises msgspec.MsgspecError.
    """
    try:
        return msgspec.json.decode(body, type=Answer)
    except msgspec.DecodeError:
        # It takes no lone surrogate, though JSON can spell one, and Kinesis takes it.
        return msgspec.convert(json.loads(body), Answer)


class Source:
    """One stream, read shard by shard: each at most `polls` times a second."""

    def __init__(self, kinesis: Any, stream: str, polls: float) -> None:
        self._kinesis, self._stream = kinesis, stream
        self.interval = 1 / polls
        self._iterators: dict[str, str] = {}
        self._due: dict[str, float] = {}

    def shards(self) -> list[Shard]:
        """All shards that still hold records or may get some."""
        found: list[Shard] = []
        request: dict[str, str] = {"StreamName": self._stream}
        while request:
            with _translated():
                page = self._kinesis.list_shards(**request)
            found += [
                Shard(
                    shard["ShardId"],
                    [
                        shard[key]
                        for key in ("ParentShardId", "AdjacentParentShardId")
                        if key in shard
                    ],
                )
                for shard in page["Shards"]
            ]
            request = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}
        return found

    def due(self, shard: str) -> float:
        """Seconds (of the monotonic clock) at which the shard may be read again."""
        return self._due.get(shard, 0.0)

    def forget(self) -> None:
        """Read each shard from where the caller says next."""
        self._iterators.clear()

    def read(self, shard: str, after: str | None) -> Answer:
        """The next batch; the first begins after a sequence number, or with the oldest record."""
        self._due[shard] = time.monotonic() + self.interval
        try:
            iterator = self._iterators.get(shard) or self._iterator(shard, after)
            with _translated():
                answer = self._kinesis.get_records(ShardIterator=iterator, Limit=LIMIT)["Answer"]
        except ShardGone:
            return Answer([])
        except IteratorExpired:
            self._iterators.pop(shard, None)
            raise
        if answer.next:
            self._iterators[shard] = answer.next
        else:
            self._iterators.pop(shard, None)
        return answer

    def _iterator(self, shard: str, after: str | None) -> str:
        start = {"ShardIteratorType": "TRIM_HORIZON"}
        if after:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        try:
            with _translated():
                answer = self._kinesis.get_shard_iterator(
                    StreamName=self._stream, ShardId=shard, **start
                )
        except PositionUnknown:
            return self._iterator(shard, None)
        return answer["ShardIterator"]


class Sink:
    """The stream of alarms, or that of measures."""

    def __init__(self, kinesis: Any, stream: str) -> None:
        self._kinesis, self._stream = kinesis, stream

    def put(self, alarms: Sequence[tuple[int, str, bytes]]) -> int:
        """Put alarms (number, incident, JSON), an incident's in one shard; return the last number.

        Stops where the stream takes no more now, so that none overtakes another. Raises
        AlarmRefused where it will never take the first.
        """
        alarms = _at_once(alarms)
        records = [{"Data": data, "PartitionKey": incident} for _, incident, data in alarms]
        try:
            with _translated():
                answer = self._kinesis.put_records(StreamName=self._stream, Records=records)
        except AlarmRefused:
            if len(alarms) == 1:
                raise
            return self.put(alarms[: len(alarms) // 2])  # one spoils the request of all
        sent = 0
        for (number, _, _), result in zip(alarms, answer["Records"], strict=True):
            if result.get("ErrorCode"):
                break
            sent = number
        return sent


def _at_once(alarms: Sequence[tuple[int, str, bytes]]) -> Sequence[tuple[int, str, bytes]]:
    """As many as one request may have, but one at least."""
    size = 0
    for count, (_, incident, data) in enumerate(alarms):
        size += len(incident) + len(data)
        if size > PUT_BYTES:
            return alarms[: max(count, 1)]
    return alarms


@contextmanager
def _translated() -> Iterator[None]:
    """Foreign exceptions as the ones here."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ExpiredIteratorException":
            raise IteratorExpired(code) from error
        if code == "InvalidArgumentException" and error.operation_name == "GetShardIterator":
            raise PositionUnknown(str(error)) from error
        if code == "ResourceNotFoundException" and error.operation_name == "GetShardIterator":
            raise ShardGone(str(error)) from error
        if code in INVALID and error.operation_name == "PutRecords":
            raise AlarmRefused(str(error)) from error
        raise StreamError(str(error)) from error
    except (BotoCoreError, OSError, ValueError, msgspec.MsgspecError) as error:
        raise StreamError(str(error)) from error
