"""The gate between two batches of a rolling change."""

import json

import pytest

from plugins.modules.health_gate import RESTART, Host, watch

UNITS = ["surgewatch-kinesis-agent.service", "surgewatch-log-generator.service"]
AGENT, GENERATOR = "/bin/kinesis-agent", "/bin/log-generator"


class Machine:
    """A host whose state the test changes as time passes."""

    def __init__(self):
        self.time = 0.0
        self.states = dict.fromkeys(UNITS, "active")
        self.journal = []
        self.offset, self.behind = 100, 50
        self.faults = []
        self.updated_at = 1000.0
        self.journal_error = ""
        self.later = lambda: None

    def run(self, command):
        if command[0] == "journalctl":
            assert "--after-cursor=c" in command
            if self.journal_error:
                return 1, "", self.journal_error
            return 0, "\n".join(json.dumps(entry) for entry in self.journal), ""
        if command[0] == "systemctl":
            blocks = [f"Id={unit}\nActiveState={state}" for unit, state in self.states.items()]
            return 0, "\n\n".join(blocks) + "\n", ""
        if command[0] == GENERATOR:
            return 0, json.dumps({"updated_at": "1970-01-01T00:16:41Z", "faults": []}), ""
        file = {"inode": 1, "offset": self.offset, "bytes_behind": self.behind}
        flows = [{"destination": "kinesis orders", "files": [file]}]
        status = {"updated_at": self.updated_at, "flows": flows, "faults": self.faults}
        return int(bool(self.faults)), json.dumps(status), ""

    def sleep(self, seconds):
        self.time += seconds
        self.later()

    def watch(self, since=1000.0):
        host = Host(self.run, UNITS, "c")
        commands = [GENERATOR, AGENT]
        return watch(host, commands, since, 3, 60, lambda: self.time, self.sleep)


@pytest.fixture
def machine():
    return Machine()


def test_it_opens_when_what_was_logged_before_is_shipped(machine):
    def go_on():  # a log that is written on is never shipped to its end
        machine.offset += 10
        machine.behind += 10

    machine.later = go_on
    assert machine.watch() == ""
    assert machine.time == pytest.approx(2.5 + 3)


def test_an_agent_that_does_not_catch_up_keeps_it_shut(machine):
    assert machine.watch() == "kinesis-agent is 50 bytes behind what was logged before, after 60 s"


RESTARTED = {"MESSAGE_ID": RESTART, "_PID": "1", "UNIT": UNITS[1], "MESSAGE": "Scheduled restart"}


def test_a_unit_that_ended_since_the_change_shuts_it_at_once(machine):
    """What was before stands before the cursor."""
    machine.behind = 0
    machine.journal = [{"PRIORITY": "6", "MESSAGE": "all is well"}, RESTARTED]
    assert machine.watch() == f"{UNITS[1]} ended by itself and was started again"
    assert machine.time == 0


def started(invocation, **more):
    """What systemd logs of a unit's life, in the journal's words."""
    return {"_PID": "1", "UNIT": UNITS[1], "INVOCATION_ID": invocation} | more


LOOP = [started("1"), started("1", MESSAGE_ID=RESTART), started("2")]


@pytest.mark.parametrize("mended", [[started("3")], [started("3"), started("3")]])
def test_what_a_change_mended_is_past(machine, mended):
    """It ended again and again after the cursor, until the change started it."""
    machine.behind = 0
    machine.journal = LOOP + mended
    assert machine.watch() == ""


@pytest.mark.parametrize(
    "entries",
    [
        LOOP,
        [*LOOP, started("2"), started("2", MESSAGE_ID=RESTART), started("3")],
        [started("0"), *LOOP],
    ],
)
def test_what_it_did_not_mend_is_present(machine, entries):
    machine.behind = 0
    machine.journal = entries
    assert machine.watch() == f"{UNITS[1]} ended by itself and was started again"


def test_a_journal_that_cannot_be_read_shuts_it(machine):
    machine.behind = 0
    machine.journal_error = "Failed to seek to cursor: Invalid argument\n"
    assert machine.watch() == (
        "the journal cannot be read: Failed to seek to cursor: Invalid argument, after 60 s"
    )


@pytest.mark.parametrize(
    "entry",
    [
        {"PRIORITY": "2", "MESSAGE": "CRITICAL, as an order line says"},
        {"MESSAGE": list(b"Traceback (most recent call last):\xff")},
        RESTARTED | {"_PID": "4711"},
    ],
)
def test_no_text_shuts_it(machine, entry):
    machine.behind = 0
    machine.journal = [entry]
    assert machine.watch() == ""


def test_a_unit_that_fails_later_shuts_it(machine):
    machine.behind = 0

    def crash():
        if machine.time >= 2:
            machine.states[UNITS[1]] = "failed"

    machine.later = crash
    assert machine.watch() == "surgewatch-log-generator.service failed"


def test_a_unit_that_is_starting_is_waited_for(machine):
    machine.behind = 0
    machine.states[UNITS[0]] = "activating"
    machine.later = lambda: machine.states.update({UNITS[0]: "active"})
    assert machine.watch() == ""
    machine.later = lambda: None
    machine.states[UNITS[0]] = "inactive"
    assert machine.watch().startswith("surgewatch-kinesis-agent.service is inactive")


def test_a_service_that_says_it_is_not_well_is_named_with_its_reason(machine):
    machine.faults = ["no answer from orders"]
    said = machine.watch()
    assert said.startswith("kinesis-agent: no answer from orders, after")


def test_a_status_from_before_the_change_does_not_count(machine):
    machine.behind = 0
    assert "no sign of life" in machine.watch(since=1000.5)
    machine.updated_at = 1001.0
    assert machine.watch(since=1000.5) == ""
