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

Keys = Callable[[list[bytes]], list[bytes]]


def random_keys(records: list[bytes]) -> list[bytes]:
    """Return a partition key of its own for each record."""
    digits = random.randbytes(KEY_SIZE // 2 * len(records)).hex().encode()
    return [digits[at : at + KEY_SIZE] for at in range(0, len(digits), KEY_SIZE)]


def content_keys(records: list[bytes]) -> list[bytes]:
    """Return the partition key that a record of this content always has."""
    return [
        hashlib.blake2b(record, digest_size=KEY_SIZE // 2).hexdigest().encode()
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

    def answer(self, data: bytes) -> Answer:
        """Read what came back with success; raise ValueError where it is not what it should be."""

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

    def answer(self, data: bytes) -> Answer:
        try:
            outcome = msgspec.json.decode(data, type=self._outcome)
            if not outcome.failed:
                return Answer([])
            return _refused(msgspec.json.decode(outcome.puts, type=list[_Put]))
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

    def __init__(self, stream: str, keys: Keys) -> None:
        super().__init__("Kinesis_20131202.PutRecords")
        self._start = b'{"StreamName":%b,"Records":[{"Data":"' % msgspec.json.encode(stream)
        self._keys = keys

    def body(self, records: list[bytes]) -> bytes:
        parts: list[bytes] = [b""] * (2 * len(records))
        parts[0::2] = map(b2a_base64, records)
        parts[1::2] = [b'","PartitionKey":"%b"},{"Data":"' % key for key in self._keys(records)]
        parts[-1] = parts[-1][:-10] + b"]}"
        # base64 lines end in a line end each, and nothing else here has one.
        return self._start + b"".join(parts).replace(b"\n", b"")


_RECORDS, _ERROR_CODE = cbor.text("Records"), cbor.text("ErrorCode")


class KinesisCbor:
    """PutRecords in CBOR, which AWS takes and no emulator takes rightly."""

    service = "kinesis"

    def __init__(self, stream: str, keys: Keys) -> None:
        self.headers = {
            "Content-Type": "application/x-amz-cbor-1.1",
            "X-Amz-Target": "Kinesis_20131202.PutRecords",
        }
        self._start = b"\xa2" + b"".join(map(cbor.text, ("StreamName", stream, "Records")))
        self._keys = keys

    def body(self, records: list[bytes]) -> bytes:
        data = b"\xa2" + cbor.text("Data")
        key = cbor.text("PartitionKey") + cbor.head(3, KEY_SIZE)
        parts: list[bytes] = [b""] * (3 * len(records))
        heads = {size: data + cbor.head(2, size) for size in set(map(len, records))}
        parts[0::3] = [heads[len(record)] for record in records]
        parts[1::3] = records
        parts[2::3] = [key + each for each in self._keys(records)]
        return self._start + cbor.head(4, len(records)) + b"".join(parts)

    def answer(self, data: bytes) -> Answer:
        if cbor.text("FailedRecordCount") + b"\x00" in data:
            return Answer([])
        refused = cbor.maps_with(data[data.find(_RECORDS) + len(_RECORDS) :], b"ErrorCode")
        if refused:
            reason = cbor.decode(data[data.find(_ERROR_CODE) + len(_ERROR_CODE) :])
            return Answer(refused, str(reason or ""))
        try:
            value = cbor.decode(data)
            return _refused(msgspec.convert(value["Records"], list[_Put]))
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


def _refused(puts: list[_Put]) -> Answer:
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
