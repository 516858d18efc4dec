#!/usr/bin/python
"""Ansible module: find in the order table where slices stopped whose host is gone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: slice_positions
short_description: Find in the order table where slices stopped whose host is gone
description:
  - A host writes the lines of a slice in the order of the data set. What it shipped before it died
    stands in the order table, so the first line that is not there is where the slice goes on.
  - Looks again until nothing more arrives. Changes nothing.
options:
  table:
    description: Name of the order table.
    type: str
    required: true
  dataset:
    description: The data set, on the control node.
    type: path
    required: true
  format:
    description: How the order logs separate their columns.
    type: str
    choices: [csv, tsv]
    required: true
  slices:
    description: The slices, as C(0-511,700), and the pass and row that they are known to be at.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
author:
  - The Surgewatch authors
"""

EXAMPLES = r"""
- name: Find where they stopped
  slice_positions:
    table: WebsiteOrders
    dataset: OnlineRetail.csv.xz
    format: csv
    slices: {"0-340": [1, 0]}
  delegate_to: localhost
"""

RETURN = r"""
positions:
  description: The slices, each with the pass and row of its next line.
  returned: always
  type: dict
  sample: {"0-340": [2, 81]}
stopped:
  description: The last order line of each slice that has one, as invoice and LineNo.
  returned: always
  type: list
  elements: str
  sample: ["536365.2 line 7"]
"""

import re  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Collection, Mapping, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

SETTLE_SECONDS = 2.0
_BATCH = 100  # DynamoDB's limit


class Row(NamedTuple):
    """A row of the data set, as the order table knows it."""

    place: int
    invoice: str
    article: str
    line: int
    customer: str

    def key(self, turn: int) -> tuple[str, str]:
        """CustomerID and OrderID of the row in a pass."""
        return self.customer, f"{self.invoice_of(turn)}-{self.article}-{self.line}"

    def invoice_of(self, turn: int) -> str:
        return self.invoice if turn == 1 else f"{self.invoice}.{turn}"


Exist = Callable[[Collection[tuple[str, str]]], set[tuple[str, str]]]
"""Which of these keys the table has."""


def read_rows(path: Path, wanted: Collection[int], form: str) -> dict[int, list[Row]]:
    """The rows of each slice, as a log of this form has them."""
    from log_generator import dataset, slices
    from log_generator.record import flat

    found: dict[int, list[Row]] = {number: [] for number in wanted}
    lines: Counter[str] = Counter()
    for place, (invoice, article, *_, customer, _country) in enumerate(dataset.read(path)):
        lines[invoice] += 1
        number = slices.slice_of(invoice)
        if number in found:
            article = flat(article, form)
            guest = "-" + re.sub(r"[^0-9]", "", invoice)
            found[number].append(Row(place, invoice, article, lines[invoice], customer or guest))
    return found


class Search:
    """Where the lines of a slice end, by asking whether single ones are there."""

    def __init__(self, rows: Sequence[Row], start: int) -> None:
        self._rows = rows
        self.low, self._step, self._high = start, 1, None if rows else start

    @property
    def candidate(self) -> int | None:
        """The line to ask about; None once `low` is the first that is not there."""
        if self._high is None:
            return self.low + self._step - 1
        return (self.low + self._high) // 2 if self.low < self._high else None

    def key(self, index: int) -> tuple[str, str]:
        turn, place = divmod(index, len(self._rows))
        return self._rows[place].key(turn + 1)

    def take(self, index: int, is_there: bool) -> None:
        if not is_there:
            self._high = index
        else:
            self.low, self._step = index + 1, self._step * 2


def search(searches: Collection[Search], exist: Exist) -> None:
    """Find all ends at once, so that a request asks about many."""
    while asked := [
        (each, index, each.key(index)) for each in searches if (index := each.candidate) is not None
    ]:
        there = exist({key for _, _, key in asked})
        for each, index, key in asked:
            each.take(index, key in there)


def find(
    rows: Mapping[int, Sequence[Row]],
    known: Mapping[int, tuple[int, int]],
    exist: Exist,
    settle: Callable[[], object],
) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """The next position of each slice, and the last line of those that have one."""
    ends = {number: _index(rows[number], *known[number]) for number in rows}
    while True:
        searches = {number: Search(rows[number], ends[number]) for number in rows}
        search(searches.values(), exist)
        found = {number: each.low for number, each in searches.items()}
        if found == ends:
            break
        ends = found
        settle()
    positions, stopped = dict(known), {}
    for number, end in ends.items():
        if rows[number]:
            turn, place = divmod(end, len(rows[number]))
            positions[number] = max(known[number], (turn + 1, rows[number][place].place))
        if end:
            turn, place = divmod(end - 1, len(rows[number]))
            last = rows[number][place]
            stopped[number] = f"{last.invoice_of(turn + 1)} line {last.line}"
    # A slice without a row has no end of its own: there, it would hold up the others' reading.
    furthest = max((positions[number] for number in rows if rows[number]), default=(1, 0))
    for number in rows:
        if not rows[number]:
            positions[number] = max(known[number], furthest)
    return positions, stopped


def _index(rows: Sequence[Row], turn: int, place: int) -> int:
    """How many lines of a slice come before a position."""
    return (turn - 1) * len(rows) + sum(row.place < place for row in rows)


def table_asker(client: Any, table: str) -> Exist:
    def exist(keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        names, found = {order: (customer, order) for customer, order in keys}, set()
        wanted = [
            {"CustomerID": {"N": customer}, "OrderID": {"S": order}} for customer, order in keys
        ]
        while wanted:
            part = {
                "Keys": wanted[:_BATCH],
                "ConsistentRead": True,
                "ProjectionExpression": "OrderID",
            }
            answer = client.batch_get_item(RequestItems={table: part})
            found |= {names[item["OrderID"]["S"]] for item in answer["Responses"].get(table, ())}
            left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            wanted = wanted[_BATCH:] + left
        return found

    return exist


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "table": {"type": "str", "required": True},
            "dataset": {"type": "path", "required": True},
            "format": {"choices": ["csv", "tsv"], "required": True},
            "slices": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    import botocore.session
    from botocore.exceptions import BotoCoreError, ClientError
    from log_generator import replay
    from log_generator.errors import LogGeneratorError

    given = {text: (int(turn), int(row)) for text, (turn, row) in module.params["slices"].items()}
    known = replay.unpack(given)
    try:
        client = botocore.session.get_session().create_client("dynamodb")
        positions, stopped = find(
            read_rows(Path(module.params["dataset"]), known, module.params["format"]),
            known,
            table_asker(client, module.params["table"]),
            lambda: time.sleep(SETTLE_SECONDS),  # what the host shipped may be on its way
        )
    except (LogGeneratorError, BotoCoreError, ClientError) as error:
        module.fail_json(msg=f"{module.params['table']} cannot be asked: {error}")
    module.exit_json(
        changed=False,
        positions=replay.pack(positions),
        stopped=[stopped[number] for number in sorted(stopped)],
    )


if __name__ == "__main__":
    main()
