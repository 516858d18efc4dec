"""Rules files: what is wrong is named by line and key; the shipped rules say what they should."""

from pathlib import Path

import pytest
from analytics_engine.errors import InputError
from analytics_engine.offline import rule_tests
from analytics_engine.rules.files import HOME, define, load
from analytics_engine.rules.rule import Rule

from tests.unit.analytics.conftest import ORDERS

SOURCES = {"orders": ORDERS}

WRONG = [
    ("rules: [", "r:1: "),
    ("a: 1", "r:1: rules: expected a list of rules"),
    ("rules:", "r:1: rules: expected a list of rules"),
    ("rules:\n- name: a\n  threshold: 1\n  colour: red", "r:4: colour: unknown key"),
    ("rules:\n- name: a", "r:2: threshold: missing"),
    ("rules:\n- name: A b\n  threshold: 1", "r:2: name: "),
    ("rules:\n- name: a\n  threshold: 1\n  threshold: 2", "r:4: threshold: given twice"),
    ("rules:\n- name: a\n  threshold: 1\n  window_seconds: 901", "r:4: window_seconds: "),
    ("rules:\n- name: a\n  threshold: 1\n- name: a\n  threshold: 2", "r:4: name: a is the name"),
    ("rules:\n- name: a\n  threshold: 1\n  group_by: Colour", "r:4: group_by: 'Colour' is neither"),
    ("rules:\n- name: a\n  threshold: 1\n  group_by: Run", "r:4: group_by: Run is a column of"),
    ("rules:\n- name: a\n  threshold: 1\n  measure: share", "r:4: measure: a share needs 'where'"),
    ("rules:\n- name: a\n  threshold: m.t", "r:3: threshold: thresholds from reference data need"),
    (
        "rules:\n- name: a\n  threshold: 1\n  where: {column: Country}",
        "r:4: where: expected one of",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_errors_name_line_and_key(text: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        define(SOURCES, text, "r", {})
    assert any(error.startswith(message) for error in raised.value.errors), raised.value.errors


def test_all_errors_are_named_at_once() -> None:
    text = "rules:\n- name: 1\n  colour: red\n- threshold: x\n- {name: b, threshold: x, y: 1}"
    with pytest.raises(InputError) as raised:
        define(SOURCES, text, "r", {})
    assert len(raised.value.errors) == 6


@pytest.mark.parametrize(
    ("table", "messages"),
    [
        (None, ["r:3: group_by: no reference data 'm'", "r:4: threshold: no reference data 'm'"]),
        (
            "Country,t\nunknown,1\n",
            ["r:3: group_by: m: no column 'x'", "r:4: threshold: m: no column 'x'"],
        ),
        ("Country,x,t\nFrance,f,1\n", ["r:4: threshold: m: no row 'unknown' with a t"]),
    ],
)
def test_what_reference_data_lacks_is_named_by_line_and_key(table, messages) -> None:
    text = "rules:\n- name: a\n  group_by: m.x\n  threshold: m.t"
    with pytest.raises(InputError) as raised:
        define(SOURCES, text, "r", {} if table is None else {"m": table})
    assert raised.value.errors == messages


def test_the_shipped_rules_are_valid_and_say_what_their_tests_expect() -> None:
    rules = load(HOME / "rules.yml").rules
    results = [(case, wrong) for case, wrong in rule_tests.run(HOME / "rules_test.yml")]
    assert {case.rule for case, _ in results} == {rule.name for rule in rules}
    assert [(case.name, wrong) for case, wrong in results if wrong] == []


def test_a_rule_test_can_fail(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("rules: [{name: a, threshold: 2}]")
    (tmp_path / "t.yml").write_text(
        "tests:\n- {name: n, rule: a, until: 100, lines: [{at: 0, count: 2}],"
        " expect: [{at: 0.2, kind: OPEN, fields: {order_count: 3}}]}"
    )
    ((_, wrong),) = rule_tests.run(tmp_path / "t.yml")
    assert wrong == [
        "OPEN at 0.2: at is 0.1, not 0.2",
        "OPEN at 0.2: order_count is 2, not 3",
        "CLOSE at 75 was not expected",
    ]


def test_the_example_in_the_readme_passes(tmp_path: Path) -> None:
    example = (HOME / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "example.yml").write_text(example.replace("rules.yml", str(HOME / "rules.yml")))
    ((_, wrong),) = rule_tests.run(tmp_path / "example.yml")
    assert wrong == []


def test_the_readme_names_every_key_of_a_rule() -> None:
    readme = (HOME / "README.md").read_text()
    assert [name for name in Rule.__struct_fields__ if f"| `{name}` |" not in readme] == []


def test_a_table_saved_with_a_byte_order_mark_is_read() -> None:
    text = "rules:\n- {name: a, group_by: m.x, threshold: m.t}"
    table = "\ufeffCountry,x,t\nunknown,unknown,1\n"
    assert define(SOURCES, text, "r", {"m": table}).references["m"].key == "Country"


def test_a_table_whose_key_is_no_column_is_named_once() -> None:
    text = "rules:\n- {name: a, group_by: m.x, threshold: m.t}"
    with pytest.raises(InputError) as raised:
        define(SOURCES, text, "r", {"m": "country,x,t\nunknown,unknown,1\n"})
    assert raised.value.errors == [
        "r:2: group_by: m: its first column 'country' is no column of order"
    ]


@pytest.mark.parametrize(
    "value",
    [
        "threshold: !vault x",
        "threshold: !!float abc",
        "where: {equals: 2011-02-30}",
        "group_by: \x0b",
    ],
)
def test_yaml_that_is_none_for_a_rule_is_an_error_with_its_line(value: str) -> None:
    with pytest.raises(InputError, match=r"^r:\d: "):
        define(SOURCES, f"rules:\n- name: a\n  threshold: 1\n  {value}", "r", {})


def test_a_document_that_is_nested_too_deeply_is_an_error() -> None:
    with pytest.raises(InputError, match="r:1: nested too deeply"):
        define(SOURCES, f"rules: {'[' * 3_000}", "r", {})
