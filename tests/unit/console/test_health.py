"""What the hosts answer, read and shown."""

import json

import pytest

from console import health, playbook, report
from console.playbook import End, Result, Text
from console.stack import Stack

AGENT = {
    "flows": [
        {
            "destination": "KinesisStream:website-orders",
            "records_sent": 1200,
            "seconds_behind": 0.14,
            "last_error": None,
        }
    ]
}
ENGINE = {
    "records_read": 2700,
    "alarms_sent": 4,
    "lag_seconds": 0.8,
    "open_incidents": ["a"],
    "streams": {
        "orders": {"counts": {"records_read": 2300}},
        "access": {"counts": {"records_read": 400}},
    },
}
STREAMS = {"orders": {"name": "website-orders"}, "access": {"name": "website-access"}}


def left(units, answers, faults=()):
    """The statistics of a host."""
    return {
        "health": {
            "wanted": [f"surgewatch-{unit}.service" for unit in answers],
            "units": [
                {"unit": f"surgewatch-{unit}.service", "active": state}
                for unit, state in units.items()
            ],
            "answers": {f"surgewatch-{unit}.service": answer for unit, answer in answers.items()},
            "faults": list(faults),
        }
    }


def generator(lines, sent=AGENT):
    return left(
        {"log-generator": "active", "kinesis-agent": "active"},
        {
            "log-generator": json.dumps({"lines_written": lines, "paused": None}),
            "kinesis-agent": json.dumps(sent),
        },
    )


def test_counts_are_summed_over_the_hosts(capsys):
    handled = {"shop-order_writer": 2200, "shop-alarm_recorder": 7, "order_writer": 1}
    mappings = [{"function": name, "records": records} for name, records in handled.items()]
    region = left(
        {"analytics": "active"},
        {"analytics": json.dumps(ENGINE), "event-source": json.dumps({"mappings": mappings})},
    )
    other = AGENT["flows"][0] | {"destination": "KinesisStream:website-access"}
    both = {"flows": [*AGENT["flows"], other]}
    stats = {
        "generator-01": generator(1201),
        "generator-02": generator(1300, both),
        "region": region,
    }
    found = health.collect([End(0, stats)])
    assert found.well
    counted = health.counts(found, STREAMS, "shop-")
    assert counted == {
        "orders": {"written": 2501, "shipped": 2400, "on the stream": 2300, "stored": 2200},
        "requests": {"shipped": 1200, "on the stream": 400},
        "alarms": {"recorded": 7},
    }
    report.show_stages({row: {k: str(n) for k, n in of.items()} for row, of in counted.items()})
    assert capsys.readouterr().out.splitlines() == [
        "orders    written 2501  →  shipped 2400  →  on the stream 2300  →  stored 2200",
        "requests  shipped 1200  →  on the stream 400",
        "alarms    recorded 7",
    ]


def test_a_unit_that_is_not_there_is_missing_and_its_count_unknown(capsys):
    fault = "surgewatch-analytics.service is not active"
    stats = {"region": left({"nginx": "active"}, {"analytics": ""}, [fault])}
    found = health.collect([Result("region", "failed", {"msg": fault}), End(2, stats)])
    assert not found.well
    assert found.hosts[0].units == {"analytics": "missing", "nginx": "active"}
    assert health.counts(found, STREAMS, "shop-")["requests"]["on the stream"] is None
    report.show_health(found)
    assert capsys.readouterr().out.splitlines() == [
        "region  analytics  missing",
        "region  nginx      active",
        "region: analytics is not active",
    ]


def test_what_the_last_task_says_of_a_host_is_said_once():
    said = "generator-01: kinesis-agent is not active\ngenerator-03: not running\nno inventory"
    stats = {"generator-01": left({}, {}, ["kinesis-agent is not active"])}
    found = health.collect([Result("localhost", "failed", {"msg": said}), End(2, stats)])
    assert found.faults == ["no inventory"]
    assert {host.name: host.faults for host in found.hosts} == {
        "generator-01": ["kinesis-agent is not active"],
        "generator-03": ["not running"],
    }


def test_a_host_that_cannot_be_reached_is_a_fault_of_it():
    found = health.collect(
        [
            Result("localhost", "failed", {"msg": "Not running: generator-02."}),
            Result("generator-01", "unreachable", {"msg": "no route"}),
            End(4, {"region": left({}, {})}),
        ]
    )
    assert found.faults == ["Not running: generator-02."]
    assert [(host.name, host.faults) for host in found.hosts] == [
        ("generator-01", ["cannot be reached"]),
        ("region", []),
    ]


def test_a_playbook_that_did_not_run_is_a_fault():
    found = health.collect([Text("ERROR! no such inventory"), End(1)])
    assert found.faults == ["ERROR! no such inventory"]


def test_each_service_is_told_in_a_line():
    mapping = {
        "function": "order_writer",
        "records": 12,
        "lag_seconds": 3.21,
        "last_error": "throttled",
    }
    assert health.describe("log-generator", {"lines_written": 5, "paused": "disk full"}) == (
        "5 lines written, paused: disk full"
    )
    assert health.describe("kinesis-agent", AGENT) == (
        "1,200 records to KinesisStream:website-orders, 0.1 s behind"
    )
    assert health.describe("event-source", {"mappings": [mapping]}) == (
        "12 records to order_writer, 3.2 s behind, throttled"
    )
    assert health.describe("analytics", ENGINE) == (
        "2,700 records read, 4 alarms sent, 0.8 s behind, 1 open"
    )
    assert health.describe("analytics", {}) == ""


@pytest.mark.parametrize("unit", ["log-generator", "kinesis-agent", "event-source", "analytics"])
def test_a_service_that_left_no_status_has_its_fault_alone(unit, capsys):
    fault = "not running: it has left no status"
    answer = json.dumps({"faults": [fault]})
    host = left({unit: "active"}, {unit: answer}, [f"surgewatch-{unit}.service: {fault}"])
    report.show_health(health.collect([End(2, {"host": host})]))
    assert f"host: {unit}: {fault}" in capsys.readouterr().out


PODMAN = """#!/bin/sh
# podman exec --interactive NAME COMMAND...
case "$3" in
generator-01) shift 3; exec "$@" ;;
generator-02) echo "Error: container state improper" >&2; exit 125 ;;
generator-03) echo "python3: not found" >&2; exit 127 ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
echo '[{"unit": "surgewatch-kinesis-agent.service", "active": "active"}]'
"""


def test_containers_are_asked_without_a_playbook(tmp_path, monkeypatch):
    for name, script in (("podman", PODMAN), ("systemctl", SYSTEMCTL)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(playbook, "run", lambda *_: pytest.fail("a playbook"))
    names = [f"generator-0{number}" for number in range(1, 5)]
    agent = {"unit": "surgewatch-kinesis-agent.service", "command": "nowhere"}
    local = {
        "hosts_containers": [{"name": name} for name in names],
        "surgewatch_services": [agent | {"group": "generators"}, agent | {"group": "regions"}],
    }
    containers = {key: {"ansible_connection": "podman_pipelined"} for key in names[:3]}
    stack = Stack({"generators": names[:3]}, {"localhost": local} | containers)
    found = health.ask(stack)
    assert [host.name for host in found.hosts] == names
    one, *others = found.hosts
    assert one.units == {"kinesis-agent": "active"}
    assert one.faults[0].startswith("kinesis-agent: its status cannot be asked: ")
    assert [host.faults for host in others] == [
        ["cannot be reached"],
        ["python3: not found"],
        ["not running"],
    ]


def test_hosts_elsewhere_are_asked_by_the_playbook(monkeypatch):
    asked = []
    monkeypatch.setattr(playbook, "run", lambda name: asked.append(name) or [End(0, {})])
    connection = {"ansible_connection": "amazon.aws.aws_ssm"}
    assert health.ask(Stack({"generators": ["i-1"]}, {"i-1": connection})).well
    assert asked == ["playbooks/health.yml"]
