"""The bodies of PutRecords and PutRecordBatch, and their answers, as they go over the wire."""

import hashlib
import random
from binascii import b2a_base64
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Struct, field

from kinesis_agent import cbor

KEY_SIZE = 16
# Random keys are taken in a row, from any place, of so many: enough to spread over all shards.
RANDOM_KEYS = 8192
MOST_RECORDS = 500

# Makes the partition keys of records, each as it stands between two texts.
Keys = Callable[[list[bytes]], list[bytes]]
KeysBetween = Callable[[bytes, bytes], Keys]


def random_keys(before: bytes, after: bytes) -> Keys:
    """Give each record a key of its own."""
    digits = random.randbytes(KEY_SIZE // 2 * RANDOM_KEYS).hex().encode()
    keys = [before + digits[at : at + KEY_SIZE] + after for at in range(0, len(digits), KEY_SIZE)]
    keys += keys[:MOST_RECORDS]

    def of(records: list[bytes]) -> list[bytes]:
        at = random.randrange(RANDOM_KEYS)
        return keys[at : at + len(records)]

    return of


def content_keys(before: bytes, after: bytes) -> Keys:
    """Give a record of the same content the same key always."""
    return lambda records: [
        before + hashlib.blake2b(record, digest_size=KEY_SIZE // 2).hexdigest().encode() + after
        for record in records
    ]


class Answer(Struct):
    """Which records were refused, by index, and the first reason."""

    refused: list[int]
    reason: str = ""


class Format(Protocol):
    """How one operation is written."""

    service: str
    headers: dict[str, str]

    def body(self, records: list[bytes]) -> bytes:
        """Write the request."""

    def answer(self, data: bytes, count: int) -> Answer:
        """Read what became of so many records; raise ValueError where that is not said."""

    def error(self, data: bytes) -> tuple[str, str]:
        """Read the code and the message of a failure."""


class _Put(Struct):
    """The outcome for one record, of either service."""

    ErrorCode: str | None = None
    ErrorMessage: str | None = None


class _KinesisOutcome(Struct):
    """The answer to PutRecords; the outcomes are looked at only where a record was refused."""

    failed: int = field(name="FailedRecordCount")
    puts: msgspec.Raw = field(name="Records")


class _FirehoseOutcome(Struct):
    """The answer to PutRecordBatch."""

    failed: int = field(name="FailedPutCount")
    puts: msgspec.Raw = field(name="RequestResponses")


class _Json:
    _outcome: type[_KinesisOutcome] | type[_FirehoseOutcome]

    def __init__(self, target: str) -> None:
        self.headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}

    def answer(self, data: bytes, count: int) -> Answer:
        try:
            outcome = msgspec.json.decode(data, type=self._outcome)
            if not outcome.failed:
                return Answer([])
            return _refused(msgspec.json.decode(outcome.puts, type=list[_Put]), count)
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from None

    def error(self, data: bytes) -> tuple[str, str]:
        try:
            value = msgspec.json.decode(data)
        except msgspec.DecodeError:
            value = None
        return _error(value)


class KinesisJson(_Json):
    """PutRecords in JSON."""

    service = "kinesis"
    _outcome = _KinesisOutcome

    def __init__(self, stream: str, keys: KeysBetween) -> None:
        super().__init__("Kinesis_20131202.PutRecords")
        self._start = b'{"StreamName":%b,"Records":[{"Data":"' % msgspec.json.encode(stream)
        self._keys = keys(b'","PartitionKey":"', b'"},{"Data":"')

    def body(self, records: list[bytes]) -> bytes:
        parts: list[bytes] = [b""] * (2 * len(records))
        parts[0::2] = map(b2a_base64, records)
        parts[1::2] = self._keys(records)
        parts[-1] = parts[-1][:-10] + b"]}"
        # base64 lines end in a line end each, and nothing else here has one.
        return self._start + b"".join(parts).replace(b"\n", b"")


_FAILED, _NULL = cbor.text("FailedRecordCount"), b"\xf6"
_ERROR_CODE, _SEQUENCE_NUMBER = cbor.text("ErrorCode"), cbor.text("SequenceNumber")


class KinesisCbor:
    """PutRecords in CBOR, which AWS takes and no emulator takes rightly."""

    service = "kinesis"

    def __init__(self, stream: str, keys: KeysBetween) -> None:
        self.headers = {
            "Content-Type": "application/x-amz-cbor-1.1",
            "X-Amz-Target": "Kinesis_20131202.PutRecords",
        }
        self._start = b"\xa2" + b"".join(map(cbor.text, ("StreamName", stream, "Records")))
        self._keys = keys(cbor.text("PartitionKey") + cbor.head(3, KEY_SIZE), b"")

    def body(self, records: list[bytes]) -> bytes:
        data = b"\xa2" + cbor.text("Data")
        parts: list[bytes] = [b""] * (3 * len(records))
        sizes = list(map(len, records))
        heads = {size: data + cbor.head(2, size) for size in set(sizes)}
        parts[0::3] = map(heads.__getitem__, sizes)
        parts[1::3] = records
        parts[2::3] = self._keys(records)
        return self._start + cbor.head(4, len(records)) + b"".join(parts)

    def answer(self, data: bytes, count: int) -> Answer:
        if _FAILED + b"\x00" in data:
            return Answer([])
        # Much faster than to decode all: an outcome has one of two keys. Where the numbers agree,
        # this cannot have gone wrong.
        first, *rest = data.split(_ERROR_CODE)
        refused, number, reason = [], first.count(_SEQUENCE_NUMBER), b""
        for part in rest:
            if not part.startswith(_NULL):
                refused.append(number)
                number += 1
                reason = reason or part
            number += part.count(_SEQUENCE_NUMBER)
        if number == count and refused and _FAILED + cbor.head(0, len(refused)) in first:
            return Answer(refused, str(cbor.decode(reason)))
        try:
            value = cbor.decode(data)
            return _refused(msgspec.convert(value["Records"], list[_Put]), count)
        except (KeyError, TypeError, msgspec.ValidationError) as error:
            raise ValueError(str(error)) from None

    def error(self, data: bytes) -> tuple[str, str]:
        try:
            return _error(cbor.decode(data))
        except ValueError:
            return _error(None)


class FirehoseJson(_Json):
    """PutRecordBatch, which is JSON always."""

    service = "firehose"
    _outcome = _FirehoseOutcome

    def __init__(self, stream: str) -> None:
        super().__init__("Firehose_20150804.PutRecordBatch")
        name = msgspec.json.encode(stream)
        self._start = b'{"DeliveryStreamName":%b,"Records":[{"Data":"' % name

    def body(self, records: list[bytes]) -> bytes:
        data = b'"},{"Data":"'.join(map(b2a_base64, records)).replace(b"\n", b"")
        return self._start + data + b'"}]}'


def _refused(puts: list[_Put], count: int) -> Answer:
    if len(puts) != count:
        raise ValueError(f"{len(puts)} outcomes for {count} records")
    refused = [n for n, put in enumerate(puts) if put.ErrorCode]
    if not refused:
        return Answer([])
    first = puts[refused[0]]
    return Answer(refused, f"{first.ErrorCode}: {first.ErrorMessage or ''}".rstrip(": "))


def _error(value: object) -> tuple[str, str]:
    if not isinstance(value, dict):
        return "", ""
    code = str(value.get("__type") or value.get("code") or "")
    message = value.get("message") or value.get("Message") or ""
    return code.rpartition("#")[2].partition(":")[0], str(message)
