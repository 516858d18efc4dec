import csv
import io
import ipaddress
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_generator import record

ANY = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00")), min_size=8, max_size=8
)
NETWORKS = [
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


@given(ANY, st.integers(1, 2000))
def test_csv_reads_back_as_it_was_but_for_line_breaks(fields, number):
    line = record.body(fields, number, "csv")
    assert "\n" not in line
    assert "\r" not in line
    (found,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    expected = [f.replace("\r\n", " ").replace("\r", " ").replace("\n", " ") for f in fields]
    assert found == [*expected, str(number), ""]


@given(ANY, st.integers(1, 2000))
def test_tsv_has_always_as_many_columns(fields, number):
    columns = record.body(fields, number, "tsv").split("\t")
    assert len(columns) == 10
    assert columns[8:] == [str(number), ""]


def test_tsv_knows_no_quotes():
    fields = ["1", "A", '7" FRAME, RED\tBIG', "1", "1/1/2011 8:00", "1", "", "EIRE"]
    text = record.body(fields, 2, "tsv")
    assert text == '1\tA\t7" FRAME, RED BIG\t1\t1/1/2011 8:00\t1\t\tEIRE\t2\t'


def test_csv_quotes_only_what_needs_it():
    fields = ["1", "A", '7" FRAME, RED', "1", "1/1/2011 8:00", "1", "", "EIRE "]
    assert record.body(fields, 2, "csv") == '1,A,"7"" FRAME, RED",1,1/1/2011 8:00,1,,EIRE ,2,'


def test_addresses_are_documentation_addresses_in_their_shortest_form():
    texts = [record.client_address(b"%d" % number, b"1").decode() for number in range(4000)]
    addresses = [ipaddress.ip_address(text) for text in texts]
    assert [str(address) for address in addresses] == texts
    assert all(any(address in network for network in NETWORKS) for address in addresses)
    for network in NETWORKS:
        assert sum(address in network for address in addresses) > 100
    by_address = Counter(texts)
    assert max(by_address.values()) <= 6
    assert len(by_address) > 3750


def test_an_address_is_the_customers_and_moves_within_one_network():
    assert record.client_address(b"17850", b"536365") == b"2001:db8:7105:3ccd::ece7"
    fixed, moving = 0, 0
    for number in range(200):
        some = {record.client_address(b"%d" % number, b"%d" % invoice) for invoice in range(9)}
        networks = {
            ipaddress.ip_network((text.decode(), 64), strict=False) for text in some if b":" in text
        }
        if networks:
            assert len(networks) == 1
            moving += len(some) > 1
        else:
            fixed += len(some) == 1
    assert (moving, fixed) == (200 - fixed, fixed)
    assert 10 < fixed < 50


def test_a_guests_address_is_that_of_the_invoice():
    guests = {record.client_address(b"", b"%d" % number) for number in range(100)}
    assert len(guests) > 90


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_the_customer_is_found_whatever_stands_before(form):
    for description in ("PLAIN", '7" FRAME, RED', "a,b"):
        for customer in ("17850", ""):
            fields = ["1", "A", description, "1", "1/1/2011 8:00", "1", customer, "Eire, that is"]
            body = record.body(fields, 2, form).encode()
            assert record.customer(body, form) == customer.encode()


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, b"1970-01-01T00:00:00.000Z"),
        (1_769_860_800_123, b"2026-01-31T12:00:00.123Z"),
        (1_769_860_800_999, b"2026-01-31T12:00:00.999Z"),
    ],
)
def test_event_time(milliseconds, text):
    assert record.event_time(milliseconds) == text


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_event_time_is_found_again(form):
    separator = record.SEPARATOR[form].encode()
    time = record.event_time(1_769_860_800_123)
    line = b"x" + separator + time + separator + record.client_address(b"1", b"1") + b"\n"
    assert record.event_time_of(line) == time
    assert record.event_time_of(line[:-1]) is None
    assert record.event_time_of(b"something else\n") is None
