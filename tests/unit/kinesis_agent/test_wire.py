"""Bodies, answers and signatures, held against botocore's own."""

import base64
import json
import time
from datetime import datetime
from unittest.mock import patch

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from kinesis_agent import cbor
from kinesis_agent.errors import of_answer
from kinesis_agent.sign import Credentials, Signer
from kinesis_agent.wire import (
    Answer,
    FirehoseJson,
    KinesisCbor,
    KinesisJson,
    content_keys,
    random_keys,
)

RECORDS = [b"a\n", b"", "£\n".encode() * 300, bytes(70_000)]


def test_json_body() -> None:
    body = json.loads(KinesisJson('a"b', content_keys).body(RECORDS))
    assert body["StreamName"] == 'a"b'
    assert [base64.b64decode(record["Data"]) for record in body["Records"]] == RECORDS
    assert [r["PartitionKey"].encode() for r in body["Records"]] == content_keys(b"", b"")(RECORDS)


def test_cbor_body() -> None:
    body = cbor.decode(KinesisCbor("s", content_keys).body(RECORDS))
    assert body["StreamName"] == "s"
    assert [record["Data"] for record in body["Records"]] == RECORDS
    assert [r["PartitionKey"].encode() for r in body["Records"]] == content_keys(b"", b"")(RECORDS)


def test_firehose_body() -> None:
    body = json.loads(FirehoseJson("d").body(RECORDS))
    assert body["DeliveryStreamName"] == "d"
    assert [base64.b64decode(record["Data"]) for record in body["Records"]] == RECORDS


def test_keys_differ() -> None:
    keys = random_keys(b"<", b">")
    found = [key for _ in range(100) for key in keys(RECORDS * 125)]
    assert len(found) == 50_000
    assert len(set(keys(RECORDS * 125))) == 500
    assert len(set(found)) > 5_000
    assert all(len(key) == 18 and key.startswith(b"<") and key.endswith(b">") for key in found)


OUTCOMES = [{"SequenceNumber": "1", "ShardId": "s"}, {"ErrorCode": "Slow", "ErrorMessage": "down"}]


def test_json_answer() -> None:
    form = KinesisJson("s", random_keys)
    good = json.dumps({"FailedRecordCount": 0, "Records": OUTCOMES[:1]}).encode()
    bad = json.dumps({"FailedRecordCount": 1, "Records": OUTCOMES}).encode()
    assert form.answer(good, 1) == Answer([])
    assert form.answer(bad, 2) == Answer([1], "Slow: down")
    with pytest.raises(ValueError, match="malformed"):
        form.answer(b"<html>", 2)


def to_cbor(value: object) -> bytes:
    if isinstance(value, dict):
        return cbor.head(5, len(value)) + b"".join(to_cbor(x) for kv in value.items() for x in kv)
    if isinstance(value, list):
        return cbor.head(4, len(value)) + b"".join(map(to_cbor, value))
    return cbor.text(value) if isinstance(value, str) else cbor.head(0, value)


def test_cbor_answer() -> None:
    form = KinesisCbor("s", random_keys)
    assert form.answer(to_cbor({"FailedRecordCount": 0, "Records": OUTCOMES[:1]}), 1) == Answer([])
    many = OUTCOMES * 200
    found = form.answer(to_cbor({"FailedRecordCount": 200, "Records": many}), 400)
    assert found == Answer(list(range(1, 400, 2)), "Slow")
    # Arrays and maps without a length, as some encoders write them.
    loose = b"\xbf" + cbor.text("FailedRecordCount") + b"\x01" + cbor.text("Records") + b"\x9f"
    loose += b"".join(b"\xbf" + to_cbor(each)[1:] + b"\xff" for each in OUTCOMES) + b"\xff\xff"
    assert form.answer(loose, 2).refused == [1]
    with pytest.raises(ValueError, match="CBOR"):
        form.answer(b"\xa2\x61", 1)


@pytest.mark.parametrize("form", [KinesisJson("s", random_keys), KinesisCbor("s", random_keys)])
def test_errors(form: KinesisJson | KinesisCbor) -> None:
    value = {"__type": "com.amazon.coral#AccessDeniedException", "message": "no"}
    data = to_cbor(value) if isinstance(form, KinesisCbor) else json.dumps(value).encode()
    assert form.error(data) == ("AccessDeniedException", "no")
    assert form.error(b"<html>") == ("", "")


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [
        (400, "ResourceNotFoundException", True),
        (400, "AccessDeniedException", True),
        (403, "", True),
        (400, "ProvisionedThroughputExceededException", False),
        (400, "ExpiredTokenException", False),
        (429, "", False),
        (500, "InternalFailure", False),
        (503, "", False),
    ],
)
def test_what_does_not_mend_itself_is_told_apart(status: int, code: str, permanent: bool) -> None:
    assert of_answer(status, code, "").permanent == permanent


@pytest.mark.parametrize("token", [None, "token"])
def test_the_signature_is_botocores(token: str | None) -> None:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis.PutRecords"}
    now = time.time()
    found = Signer("kinesis", "eu-west-1").sign(
        Credentials("AKIA", "secret", token), "127.0.0.1:4567", "/", headers, b"body", now
    )
    request = botocore.awsrequest.AWSRequest(
        "POST", "http://127.0.0.1:4567/", headers=headers, data=b"body"
    )
    credentials = botocore.credentials.Credentials("AKIA", "secret", token)
    with patch("botocore.auth.get_current_datetime", lambda: datetime.utcfromtimestamp(now)):
        botocore.auth.SigV4Auth(credentials, "kinesis", "eu-west-1").add_auth(request)
    assert found["Authorization"] == request.headers["Authorization"]
