"""Nothing that stands on a stream ends a function, or holds up what comes after it."""

import random
import uuid

import pytest
from botocore.exceptions import ClientError

from alarm_recorder import handler
from alarm_recorder.alarm import alarm_of
from common.rejected import RejectedError
from order_writer.order import item_of
from tests.mutation import mutated
from tests.unit.lambdas.conftest import CONTEXT, failures, handle, kinesis_event
from tests.unit.lambdas.test_alarm import alarm, close
from tests.unit.lambdas.test_order import line


@pytest.mark.parametrize(
    ("read", "whole"), [(item_of, [line()]), (alarm_of, [alarm(), close()])], ids=["order", "alarm"]
)
def test_a_record_is_taken_or_set_aside(read, whole, full: bool) -> None:
    rng = random.Random(1)
    refused = 0
    for _ in range(100_000 if full else 5_000):
        try:
            read(mutated(rng, rng.choice(whole)))
        except RejectedError:
            refused += 1
    assert refused > 1_000


def test_mutated_alarms_hold_up_none(inbox, rows, bucket, full: bool) -> None:
    rng = random.Random(2)
    count = 10_000 if full else 300
    for start in range(0, count, 100):
        odd = [mutated(rng, alarm(incident_id=uuid.uuid4().hex)) for _ in range(100)]
        last = alarm(incident_id=f"last-{start}")
        assert handle(*odd, last, first=start * 10) == []
        assert rows()[-1]["incident_id"] == f"last-{start}"
    stored, set_aside = len(rows()), len(bucket())
    # Some mutations make the same alarm, hence the same row; of objects one page is listed.
    assert stored + set_aside <= count * 1.01
    assert set_aside >= min(count / 10, 1_000)


@pytest.mark.parametrize(
    "top",
    [
        [["deep"]],
        {"Country": [[{"a": {}}, 1]]},
        {"Country": [["France", "1"]]},
        {"Country": [["x" * 300, 1]]},
        {f"c{n}": [] for n in range(65)},
        {"Country": [["a", 1]] * 65},
    ],
)
def test_a_top_of_another_form_is_refused(top) -> None:
    with pytest.raises(RejectedError, match="top is impossible"):
        alarm_of(alarm(top=top))


class Strict:
    """SNS as it is on AWS, which refuses what the local one takes."""

    def publish(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "InvalidParameter", "Message": "no"}}, "Publish")


def test_what_the_topic_will_never_take_holds_up_none(rows, inbox, bucket, monkeypatch) -> None:
    monkeypatch.setattr(handler, "client", lambda _: Strict())
    assert handle(alarm()) == []
    assert [row["notified_at"] for row in rows()] == [None]
    (kept,) = bucket().values()
    assert "InvalidParameter" in kept["reason"]


def test_a_record_whose_key_is_no_text_is_put_aside(inbox, bucket) -> None:
    event = kinesis_event(b"nonsense")
    event["Records"][0]["kinesis"]["partitionKey"] = "\ud800"
    assert failures(handler.lambda_handler(event, CONTEXT)) == []
    (kept,) = bucket().values()
    assert kept["partition_key"] == "\ud800"
