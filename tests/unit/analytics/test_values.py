"""What strangers write: it neither silences nor deceives, however long or odd it is."""

import json
import re
from ipaddress import ip_address

import pytest
from analytics_engine.records.values import ADDRESS, UNKNOWN, Addresses, Networks, Texts, text
from analytics_engine.rules.rule import Network, Rule
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.analytics.conftest import Driven, puts

HEX = st.sampled_from(["0", "1", "ab", "FFFF", "12345", "g", ""])
BYTES = st.sampled_from(["0", "9", "10", "199", "249", "255", "256", "01", "a", ""])
SPELT = st.one_of(
    st.lists(BYTES, min_size=3, max_size=5).map(".".join),
    st.lists(HEX, max_size=9).map(":".join),
    st.tuples(st.lists(HEX, max_size=6).map(":".join), st.lists(HEX, max_size=6).map(":".join)).map(
        "::".join
    ),
    st.lists(HEX, max_size=7).map(lambda parts: ":".join([*parts, "192.0.2.1"])),
    st.ip_addresses().map(str),
    st.text(),
)


@given(SPELT)
@example("::1:1:1:1:1:1:1")
@example("fe80::1%eth0")
@example("192.0.2.1\n")
def test_an_address_is_what_the_standard_library_takes_for_one(spelt: str) -> None:
    try:
        ip_address(spelt)
        valid = "%" not in spelt  # a zone tells of the host that wrote it, not of the visitor
    except ValueError:
        valid = False
    assert (re.fullmatch(ADDRESS, spelt) is not None) == valid
    assert Addresses()[spelt] == (spelt if valid else UNKNOWN)


@given(st.text(st.characters(), max_size=300))
def test_a_text_is_printable_and_short_and_told_from_others(value: str) -> None:
    made = text(value)
    assert made.isprintable()
    assert len(made) <= 117
    made.encode()
    assert (made == value) == (value.isprintable() and len(value) <= 117)
    assert text(made) == made
    if len(value) > 117:
        assert made != text(f"{value}x")


def test_what_comes_often_is_remembered_within_bounds() -> None:
    texts = Texts()
    for number in range(3 * Texts.LIMIT):
        assert texts[str(number)] == str(number)
    texts["x" * 1_000_000]
    assert len(texts) <= Texts.LIMIT
    assert max(map(len, texts)) <= 117


@pytest.mark.parametrize("column", ["Country", "StockCode", "InvoiceNo", "ClientIP", "Quantity"])
def test_an_alarm_stays_small_whatever_its_lines_hold(column: str) -> None:
    driven = Driven([Rule("r", 5), Rule("g", 5, group_by=column)])
    for number in range(5):
        odd = f"\x1b]0;owned\x07\n<3>[/b]{number}" + "é" * 60_000
        driven.put(puts([number * 10 + n for n in range(5)], f"I{number}", **{column: odd}))
    driven.idle(5_000)
    opened = [alarm for alarm in driven.alarms if alarm.kind == "OPEN"]
    assert len(opened) == (2 if column == "ClientIP" else 6)
    for alarm in opened:
        assert alarm.scope.isprintable()
        assert len(alarm.scope) <= 117
        assert alarm.top is not None
        assert all(value.isprintable() for counts in alarm.top.values() for value, _ in counts)
        assert len(json.dumps([alarm.scope, alarm.top])) < 6_000


def test_the_run_of_a_test_is_short_too() -> None:
    driven = Driven([Rule("r", 3, test=True, group_by="Run")])
    driven.put(puts([0, 1, 2], "V" + "7" * 100_000 + "-1"))
    driven.idle(5_000)
    (alarm,) = driven.alarms
    assert len(alarm.scope) <= 117


def test_a_long_address_cannot_hide_a_flood() -> None:
    driven = Driven([Rule("flood", 3, measure="invoices", group_by="ClientIP")])
    for number, address in enumerate(["1" * 300, "0.0.0.0/0", ""]):
        driven.put(puts([number], f"I{number}", ClientIP=address))
    driven.idle(5_000)
    (alarm,) = driven.alarms
    assert (alarm.scope, alarm.value) == (UNKNOWN, 3)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.255", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("::FFFF:cb00:7109", "203.0.113.0/24"),
        ("::203.0.113.9", "::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("203.0.113", UNKNOWN),
        ("203.0.113.0/24", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_an_address_is_of_one_network(address: str, network: str) -> None:
    assert Networks((24, 64))[address] == network


def test_a_flood_of_a_network_is_one_incident_though_its_addresses_change() -> None:
    rule = Rule("flood", 4, group_by=Network("ClientIP", (24, 64)), window_seconds=2)
    driven = Driven([rule, Rule("address", 4, group_by="ClientIP", window_seconds=2)])
    for number in range(8):
        driven.put(puts([number], f"I{number}", ClientIP=f"203.0.113.{number}"))
        driven.put(puts([number], f"J{number}", ClientIP=f"2001:db8:1:2::{number}"))
        driven.put(puts([number], f"K{number}", ClientIP=f"2001:db8:2:{number}::1"))
    driven.idle(70_000)
    assert [(alarm.rule, alarm.kind, alarm.scope, alarm.value) for alarm in driven.alarms] == [
        ("flood", "OPEN", "2001:db8:1:2::/64", 8),
        ("flood", "OPEN", "203.0.113.0/24", 8),
        ("flood", "CLOSE", "2001:db8:1:2::/64", 0),
        ("flood", "CLOSE", "203.0.113.0/24", 0),
    ]
