"""Nothing that stands on a stream ends the engine, or makes it count otherwise."""

import base64
import json
import random
from dataclasses import dataclass

import pytest
from analytics_engine.rules.rule import Rule
from analytics_engine.service.streams import answer_of

from tests.mutation import mutated
from tests.unit.analytics.conftest import START, Driven, Put, puts, time_of

RULES = [
    Rule("surge", 30),
    Rule("flood", 5, measure="invoices", group_by="ClientIP"),
    Rule("revenue", 1_000, measure="revenue", group_by="Country"),
]


@dataclass
class Record:
    data: bytes
    arrival: float = START / 1000


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 2_000,
        b'{"a":' * 2_000,
        b'{"InvoiceNo":"1","LineNo":"2","EventTime":"%s"}' % time_of(0).encode()[:-1] + b'z"}',
        b"\xff\xfe",
        b"",
        b"null",
        b'{"InvoiceNo":"1","LineNo":"2","EventTime":"9999-12-31T23:59:59.999Z"}',
        b'{"InvoiceNo":"1","LineNo":"2","EventTime":"0001-01-01T00:00:00.000Z"}',
        b'{"InvoiceNo":"1","LineNo":"2","EventTime":"2099-01-01T00:00:00.000Z"}',
        b'{"InvoiceNo":"1","LineNo":"2","EventTime":"0001-01-01T00:00:00.000+23:59"}',
        b'{"InvoiceNo":"\\ud800","LineNo":"2","EventTime":"2026-01-31T12:00:00.000Z"}',
    ],
)
def test_a_record_that_is_odd_ends_nothing(data: bytes) -> None:
    driven = Driven(RULES)
    driven.engine.read("0", "1", [Record(data), *puts([0] * 30)])
    driven.idle(100_000)
    assert [alarm.kind for alarm in driven.alarms] == ["OPEN", "CLOSE"]


@pytest.mark.parametrize("tail", ["50z", "x0Z", " 0Z", "\u096b\u0966Z", "5-Z", "500"])
@pytest.mark.parametrize("first", [True, False], ids=["read first", "read after its like"])
def test_whether_a_time_counts_does_not_depend_on_what_was_read_before(
    tail: str, first: bool
) -> None:
    driven = Driven([Rule("surge", 30)])
    time = time_of(0)[:-3] + tail
    odd = Put(100, 0, "X", 1, {"EventTime": time})
    good = puts([0] * 30)
    driven.put([odd, *good] if first else good)
    if not first:
        driven.put([odd])
    driven.idle(5_000)
    assert driven.engine.counts.unreadable == 1
    assert driven.alarms[0].order_count == 30


def test_mutated_records_end_nothing_and_hold_up_nothing(full: bool) -> None:
    rng = random.Random(1)
    driven = Driven(RULES)
    whole = [one.data for one in puts(range(0, 1_000, 10), Quantity="6", UnitPrice="2.55")]
    count, second = 100_000 if full else 10_000, 0
    for second in range(count // 1_000):
        arrival = START / 1000 + second
        records = [Record(mutated(rng, rng.choice(whole)), arrival) for _ in range(1_000)]
        driven.engine.read("0", "1", records)
        driven.idle(second * 1_000)
        driven.save()
    counts = driven.engine.counts
    assert counts.records_read == count
    assert counts.unreadable > count / 4
    begin = 1_000 * second + 1_000_000
    driven.put(puts([begin] * 30, "LAST"))
    said = driven.idle(begin + 2_000)
    assert ("surge", "OPEN", 30) in {(a.rule, a.kind, a.order_count) for a in said}


def test_a_partition_key_that_is_no_text_ends_nothing() -> None:
    data = base64.b64encode(b"{}").decode()
    record = {"Data": data, "ApproximateArrivalTimestamp": 1.5, "SequenceNumber": "7"}
    body = json.dumps({"Records": [record | {"PartitionKey": "\ud800"}], "NextShardIterator": "i"})
    answer = answer_of(body.encode())
    assert [(one.data, one.arrival, one.sequence) for one in answer.records] == [(b"{}", 1.5, "7")]


def test_an_identity_of_any_length_is_remembered_short() -> None:
    driven = Driven(RULES)
    for number in range(3):
        driven.put(puts([number], "\N{FIRE}" * 100_000 + str(number)))
    driven.put(puts([0], "\N{FIRE}" * 100_000 + "0"))  # a repeat, told by the hash
    driven.idle(5_000)
    assert driven.engine.counts.lines_counted == 3
    assert driven.engine.counts.repeated == 1
    driven.save()
    sizes = driven.store._sql.execute("SELECT max(length(batches)) FROM history").fetchone()
    assert sizes[0] < 10_000


def test_a_number_of_any_size_ends_nothing_and_is_no_amount() -> None:
    driven = Driven([Rule("revenue", 1_000, measure="revenue"), Rule("surge", 5)])
    for number, odd in enumerate([10**30, -(10**400), 10**304, 1e308, "9" * 5_000, "1e999", "nan"]):
        line = json.dumps({"InvoiceNo": f"{number}", "LineNo": "1", "EventTime": time_of(0)})
        quantity = json.dumps(odd) if isinstance(odd, str) else str(odd)
        given = f'{line[:-1]}, "Quantity": {quantity}, "UnitPrice": 1}}'
        driven.engine.read("0", "1", [Record(given.encode(), (START + 100) / 1000)])
    driven.save()
    driven.idle(5_000)
    driven.save()
    assert {alarm.rule for alarm in driven.alarms} <= {"surge"}
