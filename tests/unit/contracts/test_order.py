"""An order line is described once; whoever writes or reads one is held to it."""

import csv
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from analytics_engine.records import kind
from kinesis_agent import config_file
from kinesis_agent.replay import records
from log_generator import inject
from log_generator.inject import Batch

from console.verify.run import Run
from console.verify.stages import Stream
from order_writer.order import item_of
from order_writer.table import Key, key_of
from plugins.modules.slice_positions import read_rows
from tests.unit.log_generator.conftest import Machine
from tests.unit.roles.rendering import Role

ROOT = Path(__file__).parents[3]
ORDER = kind.load(ROOT / "analytics/records")["order"]
COLUMNS = list(ORDER.columns)
DATA_SET = COLUMNS[: COLUMNS.index("LineNo")]
"""The columns that the data set has too; there, `Customer` is `CustomerID`."""
ODD = ["536365", "A\tB\r\nC,D", 'say "x", y', "6", "12/1/2010 8:26", "2.55", "17850", "EIRE"]
"""A row of the data set with all that a log must not be torn by."""
GUESTS = ["536366", *ODD[1:6], "", "EIRE"]
ROWS = [ODD, ODD, GUESTS]
PASSES = 2
RUN = Run(7, lines=2)
FORMS = pytest.mark.parametrize("form", ["csv", "tsv"])


def generate(form: str, folder: Path) -> Machine:
    """A host that writes the rows again and again, and beside them the orders of a verification."""
    source = folder / "data.csv"
    header = ["CustomerID" if column == "Customer" else column for column in DATA_SET]
    with source.open("w", newline="") as file:
        csv.writer(file).writerows([header, *ROWS])
    host = Machine(folder / "host", source, format=form)
    generator = host.start()
    inject.drop(host.state / "inject", Batch(inject.read_rows(RUN.rows().splitlines())))
    host.run(generator, len(ROWS) * PASSES + 0.5)  # a line a second
    generator.stop()
    return host


def ship(host: Machine) -> list[bytes]:
    """The records that the agent makes of its log, by the flow that the role renders."""
    role = Role("kinesis_agent", log_generator_format=host.config.format)
    flows = role.render("__kinesis_agent_config.flows")
    (flow,) = [one for one in flows if one["filePattern"] == "/var/log/surgewatch/orders.log"]
    flow["filePattern"] = str(host.log)
    config = host.state / "agent.json"
    config.write_text(json.dumps({"flows": [flow]}))
    return list(records(config_file.load(config).flows[0], 100))


def own(shipped: list[bytes]) -> Iterator[tuple[dict[str, str], Key]]:
    """The orders that are no test's, each with its key in the order table."""
    for data in shipped:
        order = json.loads(data)
        if not order["InvoiceNo"].startswith(RUN.invoice):
            yield order, key_of(item_of(data))


@FORMS
def test_a_line_has_the_columns_in_their_order(form: str, tmp_path: Path) -> None:
    shipped = ship(generate(form, tmp_path))
    assert len(shipped) == len(ROWS) * PASSES + RUN.lines
    assert all(list(json.loads(data)) == COLUMNS for data in shipped)
    _, (order, _), *_ = own(shipped)
    time, address = order.pop(ORDER.moment.column), order.pop("ClientIP")
    assert datetime.fromisoformat(time).isoformat(timespec="milliseconds") == time[:-1] + "+00:00"
    assert re.fullmatch("[0-9a-f:.]{9,}", address)
    wanted = dict(zip(DATA_SET, ODD, strict=True)) | {"LineNo": "2"}
    assert order == wanted | {"StockCode": "A\tB C,D" if form == "csv" else "A B C,D"}


@FORMS
def test_the_table_and_who_asks_it_know_a_line_by_the_same_key(form: str, tmp_path: Path) -> None:
    host = generate(form, tmp_path)
    found = read_rows(host.config.dataset, range(1024), form)
    rows = [row for some in found.values() for row in some]
    asked = {row.key(turn) for row in rows for turn in range(1, PASSES + 1)}
    stored = [key for _, key in own(ship(host))]
    assert len(stored) == len(asked)
    assert set(stored) == asked


@FORMS
def test_the_identity_tells_each_line_and_no_column_of_it_can_be_spared(
    form: str, tmp_path: Path
) -> None:
    orders = [order for order, _ in own(ship(generate(form, tmp_path)))]

    def distinct(columns: list[str]) -> int:
        return len({tuple(order[column] for column in columns) for order in orders})

    assert distinct(ORDER.identity) == len(orders)
    for column in ORDER.identity:
        assert distinct([other for other in ORDER.identity if other != column]) < len(orders)


def test_the_writer_takes_what_the_description_names() -> None:
    source = (ROOT / "lambdas/order_writer/order.py").read_text()
    named = set(re.findall(r'_(?:text|number|time)\(order, ["\'](\w+)', source))
    assert named == set(COLUMNS)


@FORMS
def test_a_verification_knows_its_orders(form: str, tmp_path: Path) -> None:
    assert RUN.invoice.startswith(ORDER.test.starts_with)
    assert ORDER.test.runs([RUN.invoice]) == [RUN.scope]
    shipped = ship(generate(form, tmp_path))
    assert Stream(Shard(shipped), {"shard": "iterator"}, RUN).look()
    keys = [key_of(item_of(data)) for data in shipped if RUN.invoice.encode() in data]
    assert len(keys) == RUN.lines
    for customer, order_id in keys:  # as console.verify.items asks for them
        assert customer == RUN.customer
        assert order_id.startswith(f"{RUN.invoice}-")


class Shard:
    """What is on the stream, all of it in one answer."""

    def __init__(self, shipped: list[bytes]) -> None:
        self._shipped = shipped

    def get_records(self, ShardIterator: str) -> dict[str, Any]:
        arrival = datetime.fromisoformat("2026-01-31T12:00:00Z")
        records = [{"Data": one, "ApproximateArrivalTimestamp": arrival} for one in self._shipped]
        return {"Records": records}
