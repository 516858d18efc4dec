"""Rules files: what is wrong is named by line and key; the shipped rules say what they should."""

from pathlib import Path

import pytest
from analytics_engine.errors import InputError
from analytics_engine.offline import rule_tests
from analytics_engine.records.where import Where
from analytics_engine.rules.files import HOME, define, load
from analytics_engine.rules.rule import Rule, parse

from tests.unit.analytics.conftest import ORDERS, Driven, puts

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
    (
        "rules:\n- {name: a, threshold: 1}\nrules:\n- {name: b, threshold: 1}",
        "r:4: rules: given tw",
    ),
    (
        "rules:\n- name: a\n  threshold: 1\n  where:\n    column: Country\n    column: StockCode",
        "r:6: where.column: given twice",
    ),
]

# The rest of a rule, and what is said of it.
MISREAD = [
    ("threshold: 010", "threshold: 010 is 8 to YAML"),
    ("threshold: 1:30", "threshold: 1:30 is 90 to YAML"),
    ("threshold: 0x1F", "threshold: 0x1F is 31 to YAML"),
    ("threshold: 1_000", "threshold: 1_000 is 1000 to YAML"),
    ('threshold: "0.3"', "threshold: '0.3' is text to YAML: write the number 0.3"),
    ("threshold: 1e3", "threshold: '1e3' is text to YAML: write the number 1000"),
    ("threshold: .inf", "threshold: expected a number, not .inf"),
    ("threshold: .nan", "threshold: expected a number, not .nan"),
    ("threshold: 1.0e+999", "threshold: 1.0e+999 is too large a number"),
    ("threshold: 1, window_seconds: '15'", "window_seconds: '15' is text to YAML: write the num"),
    (
        "threshold: 1, where: {column: Country, equals: NO}",
        "where.equals: NO is a truth value to YAML; text stands in quotes",
    ),
    (
        "threshold: 1, group_by: {column: Country, network: [24, 64]}",
        "group_by: Country holds no addresses",
    ),
    (
        "threshold: 1, group_by: {column: Colour, network: [24, 64]}",
        "group_by: no column 'Colour'",
    ),
    (
        "threshold: markets.least, group_by: {column: ClientIP, network: [24, 64]}",
        "threshold: thresholds from reference data need 'group_by' a column",
    ),
    (
        "threshold: 1, group_by: {column: ClientIP, network: [33, 64]}",
        "group_by.network.0: Expected `int` <= 32",
    ),
    (
        "threshold: 1, where: {column: StockCode, one_of: [22423, A]}",
        "where.one_of.0: 22423 is a number to YAML; text stands in quotes",
    ),
    (
        "threshold: 1, where: {column: InvoiceDate, equals: 2011-02-03}",
        "where.equals: 2011-02-03 is a date to YAML; text stands in quotes",
    ),
]
MARKETS = "Country,market,least\nFrance,west,3\nunknown,unknown,2\n"
OF_SHARES = MARKETS.replace("3", "30").replace("2", "0.2")

NEVER = [
    (
        "measure: share, where: {column: InvoiceNo, starts_with: C}, threshold: 30",
        "threshold: a share (0.3 is 30 %) is never more than 1",
    ),
    (
        "measure: share, where: {column: InvoiceNo, starts_with: C}, group_by: Country,"
        " threshold: shares.least",
        "threshold: a share (0.3 is 30 %) is never more than 1, so 30 of France",
    ),
    ("comparison: below, threshold: 0", "threshold: the number of orders is never less than 0"),
    (
        "measure: share, where: {column: Country, equals: X}, comparison: below, threshold: 0",
        "threshold: a share (0.3 is 30 %) is never less than 0",
    ),
    (
        "measure: invoices, group_by: InvoiceNo, threshold: 2",
        "threshold: the number of invoices is never more than 1",
    ),
    (
        "measure: invoices, where: {column: InvoiceNo, one_of: [A, B]}, threshold: 3",
        "threshold: the number of invoices is never more than 2",
    ),
    ("threshold: 2, where: {column: Country, one_of: []}", "where: one_of names nothing"),
    (
        "comparison: below, threshold: 1, minimum_lines: 5",
        "minimum_lines: with 5 lines or more the number of orders is never below 1",
    ),
    (
        "measure: invoices, comparison: below, threshold: 1, minimum_lines: 5",
        "minimum_lines: with 5 lines or more the number of invoices is never below 1",
    ),
    ("threshold: 2, where: {column: InvoiceNo, starts_with: V}", "where: takes lines of tests"),
    ("threshold: 2, where: {column: InvoiceNo, one_of: [V1, V2]}", "where: takes lines of tests"),
    (
        "test: true, threshold: 2, where: {column: InvoiceNo, equals: A}",
        "where: takes no line of a test",
    ),
    (
        "group_by: StockCode, threshold: markets.least",
        "threshold: markets tells thresholds by Country, but the groups are by StockCode",
    ),
    (
        "group_by: Country, threshold: endless.least",
        "threshold: endless: expected a number of 0 or more for France, not inf",
    ),
]
SOMETIMES = [
    "measure: share, where: {column: InvoiceNo, starts_with: C}, threshold: 1",
    "comparison: below, threshold: 6, minimum_lines: 5",
    "measure: invoices, comparison: below, threshold: 2, minimum_lines: 5",
    "measure: revenue, comparison: below, threshold: 0",
    "threshold: 2, where: {column: InvoiceNo, starts_with: ''}",
    "test: true, threshold: 2, where: {column: InvoiceNo, one_of: [V1, A]}",
    "group_by: Country, threshold: markets.least",
    "group_by: markets.market, threshold: markets.least",
]


def named(rule: str) -> list[str]:
    """What is said of a rule."""
    tables = {"markets": MARKETS, "shares": OF_SHARES, "endless": MARKETS.replace("3", "inf")}
    try:
        define(SOURCES, f"rules: [{{name: a, {rule}}}]", "r", tables)
    except InputError as error:
        return error.errors
    return []


@pytest.mark.parametrize(("rule", "message"), [*MISREAD, *NEVER])
def test_what_looks_right_and_is_not_is_named(rule: str, message: str) -> None:
    found = named(rule)
    assert any(error.startswith(f"r:1: {message}") for error in found), found


@pytest.mark.parametrize("rule", SOMETIMES)
def test_what_may_fire_is_taken(rule: str) -> None:
    assert named(rule) == []


def test_no_line_has_no_share() -> None:
    where = Where("Country", equals="Spain")
    driven = Driven([Rule("r", 0.5, measure="share", where=where, comparison="below")])
    assert driven.put(puts([0], Country="Spain")) == []
    assert driven.idle(60_000) == []


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


def case(rules: str = "rules: rules.yml", **changes: str) -> str:
    """A file with one test of orders from Spain, otherwise than one that passes."""
    keys = {
        "name": "n",
        "rule": "a",
        "lines": "[{at: 0, count: 3, columns: {Country: Spain}}]",
        "until": "100",
        "expect": "[{at: 0.1, kind: OPEN}, {at: 75, kind: CLOSE}]",
    }
    text = ", ".join(f"{key}: {value}" for key, value in (keys | changes).items())
    return f"{rules}\ntests:\n- {{{text}}}\n"


def run(folder: Path, text: str) -> list[str]:
    """What is wrong with the one test of a file."""
    (folder / "rules.yml").write_text("rules: [{name: a, threshold: 3}]")
    (folder / "t.yml").write_text(text)
    ((_, wrong),) = rule_tests.run(folder / "t.yml")
    return wrong


NOTHING = [
    ("tests: []", ":1: tests: there are none"),
    ("tests:", ":1: tests: expected a list of tests"),
    (case("rulez: rules.yml"), ":1: rulez: expected the name of a rules file"),
    (case(rule="b"), ":3: rule: there is no rule 'b' (known: a)"),
    (case(lines="[]"), ":3: lines: there are none"),
    (case(lines="[{at: 0, count: -3}]"), ":3: lines.0.count: Expected `int` >= 1"),
    (case(lines="[{at: 0, count: 0}]"), ":3: lines.0.count: Expected `int` >= 1"),
    (case(lines="[{at: 0, count: 3, every: -1}]"), ":3: lines.0.every: Expected"),
    (case(lines="[{at: .inf}]"), ":3: lines.0.at: expected a number, not .inf"),
    (case(until=".nan"), ":3: until: expected a number, not .nan"),
    (case(lines="[{at: 100}]"), ":3: lines.0: there is one at 100, and the test ends at 100"),
    (case(lines="[{at: 0, count: 9, every: 20}]"), ":3: lines.0: there is one at 160, and"),
    (case(lines="[{at: 0, put: 101}]"), ":3: lines.0: there is one at 101, and"),
    (case(lines="[{at: 0, columns: {Contry: Spain}}]"), ":3: lines.0.columns: no column 'Contry'"),
    (case(lines="[{at: 0, columns: {EventTime: x}}]"), ":3: lines.0.columns: EventTime is what"),
    (case(lines="[{at: 0, columns: {Country: NO}}]"), ":3: lines.0.columns"),
    (case(lines="[{at: 0, columns: {StockCode: 010}}]"), ":3: lines.0.columns.StockCode: 010 is 8"),
    (case(lines="[{at: 0, at: 1}]"), ":3: lines.0.at: given twice"),
    (case(expect="[{at: 101, kind: OPEN}]"), ":3: expect.0: is after the end"),
    (case(expect="[{at: 1, kind: OPENED}]"), ":3: expect.0.kind: Invalid enum value 'OPENED'"),
    (case(expect="[{at: 1, kind: OPEN, fields: {totl: 3}}]"), ":3: expect.0: an alarm has no 'to"),
]


@pytest.mark.parametrize(("text", "message"), NOTHING)
def test_a_test_that_tests_nothing_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        run(tmp_path, text)
    assert any(error.startswith(f"{tmp_path}/t.yml{message}") for error in raised.value.errors), (
        raised.value.errors
    )


def test_what_an_alarm_names_most_can_be_tested(tmp_path: Path) -> None:
    lines = "[{at: 0, count: 3, columns: {Country: Spain, StockCode: 85123, ClientIP: 192.0.2.1}}]"
    top = "{Country: [[Spain, 3]], StockCode: [['85123', 3]], ClientIP: [[192.0.2.1, 3]]}"
    opened = "[{at: 0.1, kind: OPEN, fields: {top: %s}}, {at: 75, kind: CLOSE}]"
    assert run(tmp_path, case(lines=lines, expect=opened % top)) == []
    (wrong,) = run(tmp_path, case(lines=lines, expect=opened % "{}"))
    assert wrong.startswith("OPEN at 0.1: top is {'Country': [['Spain', 3]]")


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


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "m: no rows"),
        ("Country,x\n", "m: no rows"),
        ("Country,x\nFrance,f\nSpain\n", "m:3: more or fewer fields than columns"),
        ("Country,x\nFrance,f,g\n", "m:2: more or fewer fields than columns"),
        ("Country,x\nFrance,f\nFrance,g\n", "m:3: Country France stands there twice"),
        (f"Country,x\n{'F' * 200_000},f\n", "m:2: field larger than field limit"),
        ("Country;x\nFrance;f\n", "r:1: group_by: m: its first column 'Country;x' is no column"),
        ("Country,x,x\nFrance,f,g\n", "r:1: group_by: m: two of its columns share a name"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(table: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        define(SOURCES, "rules: [{name: a, group_by: m.x, threshold: 1}]", "r", {"m": table})
    assert raised.value.errors[0].startswith(message)


def test_a_table_of_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("rules: [{name: a, threshold: 1}]")
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "m.csv").write_bytes("Country,x\nCuraçao,c\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"m.csv: is not UTF-8: .* at byte 14"):
        load(tmp_path / "rules.yml")


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


@pytest.mark.parametrize(
    "odd",
    [
        "0x" + "f" * 300,
        "0b1" + "1" * 1_100,
        "1" + ":00" * 200,
        "!!int ''",
        "!!float ''",
        "!!bool zz",
        "!!timestamp abc",
        "9" * 5_000,
    ],
)
def test_numbers_and_tags_that_nobody_can_read_are_errors_of_their_line(odd: str) -> None:
    for key, other in (("threshold", "window_seconds: 2"), ("window_seconds", "threshold: 2")):
        text = f"rules:\n- {{name: a, {other}, {key}: {odd}}}"
        with pytest.raises(InputError, match=rf"r\.yml:2: {key}: "):
            parse(text, "r.yml", {"orders": ORDERS})


def test_merged_keys_are_refused() -> None:
    text = "rules:\n- &a {name: a, threshold: 2}\n- {<<: *a, name: b}"
    with pytest.raises(InputError, match=r"r\.yml:3: <<: write the keys themselves"):
        parse(text, "r.yml", {"orders": ORDERS})


@pytest.mark.parametrize(
    ("lines", "until", "message"),
    [
        ("[{at: 0, count: 2, columns: {InvoiceNo: A, LineNo: 1}}]", 100, "1 repeat others"),
        ("[{at: 0, count: 2, put: 2000}]", 3_000, "2 come too late to count"),
        ("[{at: 0.02, count: 2}]", 0.05, "none of its lines is counted"),
    ],
)
def test_lines_that_do_not_count_test_nothing(tmp_path, lines, until, message) -> None:
    (wrong,) = [
        one
        for one in run(tmp_path, case(lines=lines, until=until, expect="[]"))
        if "lines" in one and message in one
    ]
    assert wrong


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("where: {column: ClientIP, equals: a}", "holds addresses"),
        (f"where: {{column: Description, equals: {'x' * 118}}}", "is cut"),
        ('where: {column: Country, starts_with: "a\\tb"}', "is cut"),
        ("threshold: 99999999999999999", "threshold: Expected `int` <= 1000000000000000"),
    ],
)
def test_what_no_value_can_be_is_refused(tmp_path: Path, given: str, message: str) -> None:
    two = "" if given.startswith("threshold") else "threshold: 2, "
    (tmp_path / "rules.yml").write_text(f"rules: [{{name: r, {two}{given}}}]\n")
    with pytest.raises(InputError) as error:
        load(tmp_path / "rules.yml")
    assert message in str(error.value)
