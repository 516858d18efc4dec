"""alarm_recorder.alarm and notification: what an alarm is, and its sentence for people."""

import json
from datetime import UTC, datetime

import pytest

from alarm_recorder.alarm import alarm_of
from alarm_recorder.notification import attributes_of, subject_of
from common.rejected import RejectedError

ALARM = {
    "incident_id": "order_surge//2026-01-31T12:00:05.100Z",
    "rule": "order_surge",
    "scope": "",
    "kind": "OPEN",
    "sequence": 0,
    "event_time": "2026-01-31T12:00:05.100Z",
    "opened_at": "2026-01-31T12:00:05.100Z",
    "order_count": 30,
    "value": 30,
    "unit": "orders",
    "threshold": 30,
    "window_seconds": 15,
    "severity": "warning",
    "late": False,
    "test": False,
    "peak": None,
    "total": None,
    "duration_seconds": None,
    "top": None,
    "reason": None,
    "source": "orders",
    "expected": None,
    "context": None,
}


NEW = ("source", "expected", "context")


def alarm(**changes: object) -> bytes:
    return json.dumps(ALARM | changes).encode() + b"\n"


def close(**changes: object) -> bytes:
    ended = {"peak": 61, "total": 240, "duration_seconds": 95.3}
    time = "2026-01-31T12:01:40.400Z"
    return alarm(**{"kind": "CLOSE", "sequence": 1, "event_time": time} | ended | changes)


def test_times_are_utc():
    parsed = alarm_of(alarm(event_time="2026-01-31T13:00:05.100+01:00"))
    assert parsed["event_time"] == datetime(2026, 1, 31, 12, 0, 5, 100_000, UTC)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "incident_id is impossible: 'None'"),
        (alarm(kind="PANIC"), "kind"),
        (alarm(kind=["OPEN"]), "kind"),
        (alarm(sequence=-1), "sequence"),
        (alarm(sequence=True), "sequence"),
        (alarm(order_count=2**31), "order_count"),
        (alarm(event_time="soon"), "event_time"),
        (alarm(event_time=17), "event_time"),
        (alarm(opened_at="0001-01-01T00:00:00+14:00"), "opened_at"),
        (alarm(value=float("nan")), "not JSON: NaN"),
        (alarm(top=[float("inf")]), "not JSON: Infinity"),
        (alarm(value=10**400), "value"),
        (json.dumps(ALARM).encode("utf-16"), "not JSON"),
        (alarm(rule="order\x01surge"), "rule"),
        (alarm(value="30"), "value"),
        (alarm(scope="\ud800"), "scope"),
        (alarm(severity=""), "severity"),
        (alarm(test="false"), "test"),
        (alarm(top="x" * 300_000), "longer than"),
        (alarm(source="a\nb"), "source"),
        (alarm(expected=[1]), "expected"),
        (alarm(expected=[1, "2"]), "expected"),
        (alarm(context=[]), "context"),
        (alarm(context={"a": "\ud800"}), "context"),
    ],
)
def test_what_can_never_be_an_alarm_is_rejected(data, reason):
    with pytest.raises(RejectedError, match=reason):
        alarm_of(data)


def test_an_alarm_of_an_engine_that_knew_orders_alone_is_of_orders():
    old = {name: value for name, value in ALARM.items() if name not in NEW}
    assert alarm_of(json.dumps(old).encode()) == alarm_of(alarm())


@pytest.mark.parametrize(
    ("data", "subject"),
    [
        (alarm(), "Order surge: 30 orders in 15 s, threshold 30"),
        (
            alarm(kind="REMINDER", value=52),
            "Order surge goes on: 52 orders in 15 s, since 12:00:05 UTC",
        ),
        (close(), "Order surge is over after 1 min 35 s, peak 61 orders"),
        (close(peak=None, duration_seconds=None), "Order surge is over"),
        (close(duration_seconds=3600), "Order surge is over after 1 h, peak 61 orders"),
        (
            alarm(rule="verify", scope="V1", test=True, late=True),
            "Test: Late: Verify (V1): 30 orders in 15 s, threshold 30",
        ),
        (
            alarm(rule="error_ratio", value=0.25, unit="of requests", threshold=0.1),
            "Error ratio: 0.25 of requests in 15 s, threshold 0.1",
        ),
        (alarm(scope="Çeşme\n"), "Order surge (?e?me?): 30 orders in 15 s, threshold 30"),
    ],
)
def test_the_subject_is_a_sentence(data, subject):
    assert subject_of(alarm_of(data)) == subject


def test_the_subject_is_what_sns_takes():
    subject = subject_of(alarm_of(alarm(scope="é" * 255)))
    assert len(subject) == 99
    assert subject.isascii()
    assert subject.endswith("...")


def test_the_attributes_are_what_subscriptions_filter_by():
    assert {
        name: attribute["StringValue"]
        for name, attribute in attributes_of(alarm_of(alarm(test=True))).items()
    } == {"rule": "order_surge", "kind": "OPEN", "severity": "warning", "test": "true"}
