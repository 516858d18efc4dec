"""A fleet under test: playbooks as an operator runs them, and every order line counted."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from log_generator import dataset, replay, slices

from console import playbook
from console.commands import scale
from console.stack import ROOT, use_project
from tests.pipeline.conftest import COMMANDS, Pipeline, wait_until

PLAYBOOKS = ("playbooks/hosts.yml", "playbooks/generators.yml")


class Play(NamedTuple):
    """What came of a playbook: its exit code, and the tasks with what they said of each host."""

    code: int
    results: list[tuple[str, playbook.Result]]

    def changed(self, host: str) -> list[str]:
        return [
            name for name, found in self.results if (found.host, found.outcome) == (host, "changed")
        ]

    def tasks(self, host: str) -> set[str]:
        """What was done on a host, or looked at."""
        return {
            name for name, found in self.results if found.host == host and found.outcome == "ok"
        } | set(self.changed(host))

    def places(self, host: str) -> set[str]:
        """Where something was put on a host."""
        return {
            place
            for _, found in self.results
            if (found.host, found.outcome) == (host, "changed")
            for place in (found.details.get("dest"), found.details.get("path"))
            if isinstance(place, str)
        }

    def messages(self, host: str) -> list[str]:
        """Why it failed, or could not be reached."""
        return [
            str(found.details.get("msg"))
            for _, found in self.results
            if found.host == host and found.outcome in ("failed", "unreachable")
        ]

    def said(self, name: str) -> str:
        """The message of a task that has one."""
        return " ".join(
            str(found.details.get("msg", "")) for task, found in self.results if task == name
        )


class Fleet(Pipeline):
    """The stack that the inventory names, read anew wherever its hosts may be others."""

    def look(self) -> None:
        self.__init__()

    def run(self, *playbooks: str, inventories: Sequence[Path] = (), **variables: Any) -> Play:
        """Run playbooks, to their end or to their failure."""
        results, task = [], ""
        first, *more = playbooks
        extra = ["--extra-vars", json.dumps(variables)]
        if inventories:
            more += [f"--inventory={os.environ['ANSIBLE_INVENTORY']}"]
            more += [f"--inventory={path}" for path in inventories]
        for event in playbook.run(first, [*more, *extra]):
            match event:
                case playbook.Task(name):
                    task = name.rpartition(" : ")[2]  # without its role
                case playbook.Result():
                    results.append((task, event))
                case playbook.End(code):
                    self.look()
                    return Play(code, results)
        raise AssertionError("a run ends with an End")

    def scale(self, hosts: int, **variables: Any) -> Play:
        """What ./surgewatch scale does."""
        scale.keep(Path(os.environ["ANSIBLE_INVENTORY"]), hosts)
        found = self.run(*PLAYBOOKS, **variables)
        assert found.code == 0, [found.messages(host) for host in self.generators]
        return found

    def scale_and_kill(self, hosts: int, task: str) -> None:
        """The same, killed outright as soon as it has begun a task."""
        scale.keep(Path(os.environ["ANSIBLE_INVENTORY"]), hosts)
        use_project()
        process = subprocess.Popen(
            ["ansible-playbook", *PLAYBOOKS],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert any(f"TASK [fleet : {task}]" in line for line in process.stdout or ())
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.look()

    def slices(self, host: str) -> dict[str, Any]:
        return json.loads(self.on(host, COMMANDS["log_generator"], "slices", "--json"))

    def owned(self) -> dict[str, frozenset[int]]:
        return {host: slices.parse(self.slices(host)["slices"]) for host in self.generators}

    def current(self, host: str) -> dict[str, str]:
        """The current release of each package."""
        links = {
            name: f"/opt/surgewatch/{name}/current" for name in ("log_generator", "kinesis_agent")
        }
        return {name: self.on(host, "readlink", path).strip() for name, path in links.items()}

    def recorded(self, host: str) -> dict[str, str]:
        """Every file that the record of a host has."""
        record = json.loads(self.on(host, "cat", "/opt/surgewatch/checked.json"))
        return record["state"]["file"]

    def pids(self, host: str) -> str:
        units = ("surgewatch-log-generator", "surgewatch-kinesis-agent")
        return self.on(host, "systemctl", "show", "--property=MainPID", *units)

    def records(self) -> set[tuple[str, str]]:
        """OrderID and EventTime of every order line on the stream."""
        client = self.stack.client("kinesis")
        name = self.stack["surgewatch_streams"]["orders"]["name"]
        found = set()
        for shard in client.list_shards(StreamName=name)["Shards"]:
            iterator = client.get_shard_iterator(
                StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while records := (answer := client.get_records(ShardIterator=iterator))["Records"]:
                iterator = answer["NextShardIterator"]
                for record in records:
                    if not record["Data"].startswith(b"{"):
                        continue  # a malformed one of another test
                    line = json.loads(record["Data"])
                    if not line["InvoiceNo"].startswith("V"):
                        order = f"{line['InvoiceNo']}-{line['StockCode']}-{line['LineNo']}"
                        found.add((order, line["EventTime"]))
        return found

    def count(self) -> int:
        """Stop all writing, compare all that was ever written with what arrived, and go on.

        What must have been written follows from where each slice stands now, whoever wrote it: all
        the lines of the data set before that place.
        """
        for host in self.generators:
            self.on(host, "systemctl", "stop", "surgewatch-log-generator")
        try:
            wait_until(lambda: self.bytes_behind() == 0, "the agents", 60)
            positions: dict[int, replay.Position] = {}
            for host in self.generators:
                answer = self.slices(host)
                assert answer["released"] == {}
                found = replay.unpack(answer["positions"])
                assert not positions.keys() & found.keys(), "a slice has two owners"
                positions |= found
            assert len(positions) == slices.COUNT
            expected = self._orders_before(positions)
            wait_until(lambda: len(self.items()) >= len(expected), "the last item", 120)
            assert self.items() == expected
            records = self.records()
        finally:
            for host in self.generators:
                self.on(host, "systemctl", "start", "surgewatch-log-generator")
        # A line that an agent sent twice is the same one; written twice, it has two times.
        times = Counter(order for order, _ in records)
        assert times.keys() == expected
        assert [order for order, written in times.items() if written > 1] == []
        return len(expected)

    def _orders_before(self, positions: dict[int, replay.Position]) -> set[str]:
        """The OrderIDs that each slice has before its position, in all passes."""
        path = Path(os.environ.get("TMPDIR", "/tmp"), f"fleet-{os.getpid()}.csv")
        run = ["podman", "exec", self.generators[0], "cat", "/var/lib/surgewatch/dataset/orders"]
        path.write_bytes(subprocess.run(run, check=True, capture_output=True).stdout)
        orders = set()
        numbers: Counter[str] = Counter()
        try:
            for row, (invoice, article, *_) in enumerate(dataset.read(path)):
                numbers[invoice] += 1
                turn, next_row = positions[slices.slice_of(invoice)]
                for number in range(1, turn + (row < next_row)):
                    name = invoice if number == 1 else f"{invoice}.{number}"
                    orders.add(f"{name}-{article}-{numbers[invoice]}")
        finally:
            path.unlink()
        return orders


@contextmanager
def kept_number() -> Iterator[None]:
    """The number of hosts that `scale` keeps goes with the test."""
    try:
        yield
    finally:
        Path(os.environ["ANSIBLE_INVENTORY"], scale.KEPT_IN).unlink(missing_ok=True)


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    with kept_number():
        yield Fleet()


@pytest.fixture
def three(fleet: Fleet) -> Fleet:
    """The fleet with three hosts."""
    if len(fleet.generators) != 3:
        fleet.scale(3)
    return fleet


def wait_for_lines(fleet: Fleet, lines: int) -> None:
    """Let the fleet write so many more, every host of it some."""
    goal = fleet.count_written() + lines
    before = {host: fleet.status(host, "log_generator") for host in fleet.generators}

    def all_write() -> bool:
        return fleet.count_written() >= goal and all(
            fleet.status(host, "log_generator")["lines_written"] > found["lines_written"]
            for host, found in before.items()
        )

    wait_until(all_write, f"{lines} lines", 120)
