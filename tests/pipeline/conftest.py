"""The stack under test: what is written, stored and said in it, and how to change it."""

import csv
import io
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from console import alarms, playbook, stack
from console.hosts import command_on

COLUMNS = [
    *("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice"),
    *("Customer", "Country", "LineNo", "EventTime", "ClientIP"),
]
Line = dict[str, str]
ADDRESSES = 40
# Asks the shop from many addresses, at random moments; it waits for no answer but its own.
ASK = """
import http.client, random, socket, sys, time

method, path, seconds, rate, seed, addresses = sys.argv[1:]
draw = random.Random(int(seed))

class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect("/run/surgewatch-shop-nginx/in.socket")

begun = time.monotonic()
due, asked, connection = 0.0, 0, Connection("shop")
body = b'{"InvoiceNo": "1", "Customer": "", "lines": []}' if method == "POST" else None
while due < float(seconds):
    time.sleep(max(0.0, begun + due - time.monotonic()))
    address = f"198.18.{seed}.{draw.randrange(int(addresses))}"
    headers = {"X-Forwarded-For": address, "User-Agent": "Mozilla/5.0"}
    try:
        connection.request(method, path, body, headers)
        connection.getresponse().read()
        asked += 1
    except (OSError, http.client.HTTPException):
        connection.close()
    due += draw.expovariate(float(rate))
print(asked)
"""


class Pipeline:
    """Asks the stack that the inventory names."""

    def __init__(self) -> None:
        self.stack = stack.load()
        self.generators = list(self.stack.groups["generators"])

    def on(self, host: str, *command: str) -> str:
        """Run a command on a host and return what it prints."""
        run = command_on(self.stack, host, command)
        return subprocess.run(run, check=True, capture_output=True, text=True).stdout

    def status(self, host: str, role: str) -> dict[str, Any]:
        """What the service of a role says of itself."""
        return json.loads(self.on(host, COMMANDS[role], "status", "--json"))

    def play(self, name: str, **variables: Any) -> None:
        """Run a playbook with other settings."""
        extra = ["--extra-vars", json.dumps(variables)]
        said = []
        for event in playbook.run(f"playbooks/{name}.yml", extra):
            said.append(repr(event)[:2000])
            if isinstance(event, playbook.End):
                assert event.code == 0, "\n".join(said[-20:])

    def written(self) -> list[Line]:
        """Every order line in the logs of all hosts, but for those that `verify` wrote."""
        lines = []
        for host in self.generators:
            text = self.on(host, "sh", "-c", "cat /var/log/surgewatch/orders.log*")
            rows = csv.reader(io.StringIO(text, newline=""))
            lines += [dict(zip(COLUMNS, row, strict=True)) for row in rows if len(row) == 11]
        return [line for line in lines if not line["InvoiceNo"].startswith("V")]

    def count_written(self) -> int:
        return sum(
            json.loads(self.on(host, COMMANDS["log_generator"], "status", "--json"))[
                "lines_written"
            ]
            for host in self.generators
        )

    @contextmanager
    def without_orders(self) -> Iterator[None]:
        """Let nobody order meanwhile, so that what is counted stands still."""
        for host in self.generators:
            self.on(host, "systemctl", "stop", "surgewatch-log-generator")
        try:
            yield
        finally:
            for host in self.generators:
                self.on(host, "systemctl", "start", "surgewatch-log-generator")

    def ask(self, host: str, method: str, path: str, seconds: float, rate: float) -> int:
        """Ask the shop of a host from ADDRESSES; how many requests were answered."""
        seed = 1 + self.generators.index(host)
        given = [str(one) for one in (method, path, seconds, rate, seed, ADDRESSES)]
        return int(self.on(host, "python3", "-c", ASK, *given))

    def kill_each_unit(self) -> None:
        """SIGKILL to what runs in each of our units, one after the other, on every host."""
        for host in (*self.generators, *self.stack.groups["regions"]):
            listing = ["systemctl", "list-units", "--state=running", "--output=json"]
            for unit in json.loads(self.on(host, *listing, "surgewatch-*.service")):
                self.on(host, "systemctl", "kill", "--signal=KILL", unit["unit"])

    def elapsed(self) -> float:
        """Seconds that the generators have been running: the clock of their planned surges."""
        return max(self.generator_state(host)["elapsed"] for host in self.generators)

    def generator_state(self, host: str) -> dict[str, Any]:
        """What a log generator keeps; its `status` fails where something is wrong."""
        return json.loads(self.on(host, "cat", "/var/lib/surgewatch/log-generator/state.json"))

    def decided(self) -> int:
        """The last tick that the engine has decided, in milliseconds since the epoch."""
        (host,) = self.stack.groups["analytics"]
        return milliseconds(self.status(host, "analytics")["decided_tick"])

    def arrived(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(EventTime, arrival) of the lines on the stream by (InvoiceNo, LineNo), milliseconds."""
        client = self.stack.client("kinesis")
        name = self.stack["surgewatch_streams"]["orders"]["name"]
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for shard in client.list_shards(StreamName=name)["Shards"]:
            iterator = client.get_shard_iterator(
                StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            arrival = 0
            while records := (answer := client.get_records(ShardIterator=iterator))["Records"]:
                iterator = answer["NextShardIterator"]
                for record in records:
                    stamp = record["ApproximateArrivalTimestamp"].timestamp()
                    arrival = max(arrival, round(stamp * 1000))
                    if not record["Data"].startswith(b"{"):
                        continue  # a malformed one of another test
                    line = json.loads(record["Data"])
                    key = (line["InvoiceNo"], line["LineNo"])
                    if not key[0].startswith("V") and line["EventTime"]:
                        found.setdefault(key, (milliseconds(line["EventTime"]), arrival))
        return found

    def bytes_behind(self) -> int:
        return sum(
            flow["bytes_behind"]
            for host in self.generators
            for flow in json.loads(self.on(host, COMMANDS["kinesis_agent"], "status", "--json"))[
                "flows"
            ]
        )

    def items(self) -> set[str]:
        """The OrderID of every item in the table."""
        pages = (
            self.stack.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self.stack["surgewatch_orders_table"], ProjectionExpression="OrderID"
            )
        )
        return {item["OrderID"]["S"] for page in pages for item in page["Items"]}

    def rejected(self) -> set[str]:
        """The keys of the rejected records."""
        pages = (
            self.stack.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.stack["surgewatch_bucket"], Prefix="rejected/")
        )
        return {found["Key"] for page in pages for found in page.get("Contents", [])}

    def alarms(self, rule: str, after: int) -> list[alarms.Row]:
        """The alarms of a rule that were recorded after the one with this id, in that order."""
        return alarms.ask(self.stack, "list", rule=rule, after=after, limit=1000)

    def last_alarm(self) -> int:
        """The id of the last alarm."""
        rows = alarms.ask(self.stack, "list", test=None, limit=1)
        return rows[0]["id"] if rows else 0


COMMANDS = {
    name: f"/opt/surgewatch/{name}/current/bin/{command}"
    for name, command in (
        ("log_generator", "log-generator"),
        ("kinesis_agent", "kinesis-agent"),
        ("analytics", "analytics-engine"),
    )
}


def milliseconds(time: str) -> int:
    """An RFC 3339 time in UTC as milliseconds since the epoch."""
    return round(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() * 1000)


def wait_until(holds: Callable[[], Any], what: str, seconds: float) -> Any:
    """Ask until it holds; fail, naming what was waited for, when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(1)  # each question costs the measured machine a podman call a host
    return found


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return Pipeline()


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the long form was asked for, through molecule, which passes no options on."""
    return os.environ.get("SURGEWATCH_FULL") == "1"
