"""An order line is described once; whoever writes or reads one is held to it."""

import csv
import json
import re
from pathlib import Path

import pytest
from analytics_engine.records import kind
from kinesis_agent import config_file
from kinesis_agent.replay import records
from log_generator import record

from console.verify.run import Run
from order_writer.order import item_of
from plugins.modules.slice_positions import Row, read_rows
from tests.unit.roles.rendering import Role

ROOT = Path(__file__).parents[3]
ORDER = kind.load(ROOT / "analytics/records")["order"]
COLUMNS = list(ORDER.columns)
DATA_SET = COLUMNS[: COLUMNS.index("LineNo")]
"""The columns that the data set has too."""
ODD = ["536365", "A\tB\r\nC,D", 'say "x", y', "6", "12/1/2010 8:26", "2.55", "17850", "EIRE"]
"""A row of the data set with all that a log must not be torn by."""
TIME, ADDRESS = "2026-01-31T12:00:00.123Z", "192.0.2.1"


def logged(form: str) -> str:
    """The row as the generator writes it, its second line."""
    separator = record.SEPARATOR[form]
    return record.body(ODD, 2, form) + f"{TIME}{separator}{ADDRESS}\n"


def shipped(form: str, folder: Path) -> dict[str, str]:
    """The record that the agent makes of it, by the flow that its role renders."""
    role = Role("kinesis_agent", log_generator_format=form)
    (folder / "orders.log").write_text(logged(form), newline="")
    rendered = role.render("__kinesis_agent_config")
    (flow,) = rendered["flows"]
    flow["filePattern"] = str(folder / "orders.log")
    (folder / "agent.json").write_text(json.dumps({"flows": [flow]}))
    (made,) = records(config_file.load(folder / "agent.json").flows[0], 1)
    return json.loads(made)


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_a_line_has_the_columns_in_their_order(form: str, tmp_path: Path) -> None:
    order = shipped(form, tmp_path)
    assert list(order) == COLUMNS
    wanted = dict(zip(DATA_SET, ODD, strict=True)) | {"EventTime": TIME, "ClientIP": ADDRESS}
    wanted |= {"LineNo": "2", "StockCode": "A\tB C,D" if form == "csv" else "A B C,D"}
    assert order == wanted
    read = csv.reader([logged(form)], delimiter=record.SEPARATOR[form])
    assert len(next(read)) == len(COLUMNS)


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_the_table_and_who_asks_it_know_a_line_by_the_same_key(form: str, tmp_path: Path) -> None:
    item = item_of(json.dumps(shipped(form, tmp_path)).encode())
    with (tmp_path / "data.csv").open("w", newline="") as file:
        header = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice"]
        csv.writer(file).writerows([[*header, "CustomerID", "Country"], ODD, ODD])
    rows: list[Row] = next(
        some for some in read_rows(tmp_path / "data.csv", range(1024), form).values() if some
    )
    assert rows[1].key(1) == (item["CustomerID"]["N"], item["OrderID"]["S"])


def test_the_writer_takes_what_the_description_names() -> None:
    source = (ROOT / "lambdas/order_writer/order.py").read_text()
    named = set(re.findall(r'_(?:text|number|time)\(order, ["\'](\w+)', source))
    assert named == set(COLUMNS)


@pytest.mark.parametrize("tables", ["kinesis", "files"])
def test_flinks_table_has_what_identifies_a_line_and_what_rules_need(tables: str) -> None:
    sql = (ROOT / f"analytics/flink/sql/{tables}.sql").read_text()
    table = re.search(r"CREATE TABLE order(?:s|_lines) \(\n(.*?)\n\)", sql, re.DOTALL)
    columns = set(re.findall(r"(\w+) (?:STRING|TIMESTAMP_LTZ)", table[1]))
    assert columns <= set(COLUMNS)
    measured = {one.distinct for one in ORDER.measures.values() if one.distinct}
    assert columns >= {*ORDER.identity, *ORDER.top, ORDER.moment.column, *measured}


def test_a_verification_order_is_marked_as_a_test() -> None:
    run = Run(7, lines=1)
    assert run.rows().startswith(run.invoice)
    assert run.invoice.startswith(ORDER.test.starts_with)
    assert ORDER.test.runs([run.invoice]) == [run.scope]
    assert len(next(csv.reader([run.rows()]))) == len(DATA_SET)
