"""order_writer.order: which item an order line is."""

import csv
import io
import itertools
import json
import lzma
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.rejected import RejectedError
from order_writer.order import item_of
from order_writer.table import key_of

ORDER = {
    "InvoiceNo": "536365",
    "StockCode": "85123A",
    "Description": "WHITE HANGING HEART T-LIGHT HOLDER",
    "Quantity": "6",
    "InvoiceDate": "12/1/2010 8:26",
    "UnitPrice": "2.55",
    "Customer": "17850",
    "Country": "United Kingdom",
    "LineNo": "1",
    "EventTime": "2026-01-31T12:00:00.123Z",
    "ClientIP": "192.0.2.17",
}


def line(**changes: object) -> bytes:
    return json.dumps(ORDER | changes).encode() + b"\n"


def test_a_line_is_an_item():
    assert item_of(line()) == {
        "CustomerID": {"N": "17850"},
        "OrderID": {"S": "536365-85123A-1"},
        "OrderDate": {"S": "12/1/2010 8:26"},
        "Quantity": {"N": "6"},
        "UnitPrice": {"N": "2.55"},
        "Description": {"S": "WHITE HANGING HEART T-LIGHT HOLDER"},
        "Country": {"S": "United Kingdom"},
        "EventTime": {"S": "2026-01-31T12:00:00.123Z"},
        "ClientIP": {"S": "192.0.2.17"},
    }


@pytest.mark.parametrize(
    ("invoice", "customer"),
    [
        ("536414", "-536414"),
        ("C536379", "-536379"),
        ("A563185", "-563185"),
        ("536365.2", "-536365"),
        ("V20260131120000", "-20260131120000"),
        ("V1a2b", "-12"),
    ],
)
def test_a_guest_is_minus_the_digits_of_the_invoice(invoice, customer):
    assert item_of(line(InvoiceNo=invoice, Customer=""))["CustomerID"] == {"N": customer}


@pytest.mark.parametrize(
    "changes",
    [
        {"Quantity": "-80995"},
        {"UnitPrice": "0"},
        {"UnitPrice": "-11062.06"},
        {"Description": ""},
        {"Description": '20\' POUND £ "SIGN", COMMA\nNEWLINE'},
        {"Customer": "", "InvoiceNo": "C536379"},
    ],
)
def test_the_quirks_of_the_data_set_are_stored(changes):
    item = item_of(line(**changes))
    assert item.get("Description", {"S": ""})["S"] == changes.get(
        "Description", ORDER["Description"]
    )


def test_an_empty_text_is_no_attribute():
    assert "Description" not in item_of(line(Description=""))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xfe", "not JSON"),
        (b"", "not JSON"),
        (line().decode().encode("utf-16"), "not JSON"),
        (b'"text"', "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (line(Quantity="six"), "Quantity is not a whole number: 'six'"),
        (line(Quantity="1.5"), "Quantity"),
        (line(Quantity=6), "Quantity is not a string"),
        (line(Quantity="\u0666"), "Quantity"),
        (line(UnitPrice="NaN"), "UnitPrice"),
        (line(UnitPrice="1e5"), "UnitPrice"),
        (line(InvoiceNo=""), "InvoiceNo is missing"),
        (line(StockCode=""), "StockCode is missing"),
        (line(StockCode="x" * 1025), "over 1024 bytes"),
        (line(LineNo="0"), "LineNo"),
        (line(EventTime="yesterday"), "EventTime is not a time in UTC"),
        (line(EventTime="2026-02-30T12:00:00.000Z"), "EventTime"),
        (line(EventTime="2026-01-31T12:00:00.000"), "EventTime"),
        (line(Customer="", InvoiceNo="refund"), "gives no CustomerID"),
        (line(Customer="", InvoiceNo="9" * 39), "gives no CustomerID"),
        (line(Description="\ud800"), "Description is not Unicode"),
        (line(Description="x" * 400_000), "longer than"),
    ],
)
def test_what_can_never_be_an_item_is_rejected(data, reason):
    with pytest.raises(RejectedError, match=reason):
        item_of(data)


values = st.text(max_size=20) | st.integers() | st.none()
fields = st.dictionaries(st.sampled_from(list(ORDER)), values, max_size=3)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=100) | fields.map(lambda changes: line(**changes)))
def test_anything_is_an_item_or_rejected(data):
    try:
        item = item_of(data)
    except RejectedError:
        return
    json.dumps(item).encode()


def test_nothing_of_the_data_set_is_rejected_or_merged(full):
    path = os.environ.get("SURGEWATCH_DATASET")
    if not path:
        pytest.skip("SURGEWATCH_DATASET is not set")
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rb") as file:
        rows = csv.reader(io.TextIOWrapper(file, "latin-1", newline=""))
        next(rows)
        line_numbers: Counter[str] = Counter()
        keys = set()
        count = 0
        for row in itertools.islice(rows, None if full else 50_000):
            line_numbers[row[0]] += 1
            values = [*row, str(line_numbers[row[0]]), ORDER["EventTime"], ORDER["ClientIP"]]
            record = dict(zip(ORDER, values, strict=True))
            keys.add(key_of(item_of(json.dumps(record).encode())))
            count += 1
    assert len(keys) == count
    assert not full or count == 541_909
