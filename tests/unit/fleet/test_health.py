"""What playbooks/health.yml makes of what a host answers."""

import json

import pytest

from plugins.filter.health import host_faults, resting

AGENT, TIMER = "surgewatch-kinesis-agent.service", "surgewatch-log-generator-rotate"


def unit(name, active="active"):
    return {"unit": name, "active": active}


def answer(**given):
    return {"item": {"unit": AGENT}, "rc": 0, "stdout": "", "stderr": ""} | given


WELL = answer(stdout=json.dumps({"faults": []}))


@pytest.mark.parametrize(
    ("units", "asked", "faults"),
    [
        ([unit(AGENT)], [WELL], []),
        ([], [WELL], [f"{AGENT} is not active"]),
        ([unit(AGENT, "failed")], [answer(rc=1)], [f"{AGENT} is not active"]),
        (
            [unit(AGENT)],
            [answer(rc=1, stdout=json.dumps({"faults": ["orders: denied", "the disk is full"]}))],
            [f"{AGENT}: orders: denied", f"{AGENT}: the disk is full"],
        ),
        (
            [unit(AGENT)],
            [answer(rc=127, stderr="no such\nfile")],
            [f"{AGENT}: its status cannot be asked: no such file"],
        ),
        (
            [unit(AGENT)],
            [answer(rc=3, stdout="[]")],
            [f"{AGENT}: its status cannot be asked: []"],
        ),
        ([unit(AGENT), unit(f"{TIMER}.timer"), unit(f"{TIMER}.service", "inactive")], [WELL], []),
        (
            [unit(AGENT), unit(f"{TIMER}.timer"), unit(f"{TIMER}.service", "failed")],
            [WELL],
            [f"{TIMER}.service is not active"],
        ),
        (
            [unit(AGENT), unit(f"{TIMER}.timer", "inactive")],
            [WELL],
            [f"{TIMER}.timer is not active"],
        ),
    ],
)
def test_faults_are_sentences(units, asked, faults):
    assert host_faults(units, [AGENT], asked) == faults


def test_what_a_timer_starts_may_rest():
    assert resting([unit("a.timer"), unit("a.service", "inactive")]) == {"a.service"}
