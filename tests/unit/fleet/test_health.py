"""What is made of how a host's units and services are."""

import json
import subprocess
import sys

import pytest
from ansible.module_utils import host_health
from ansible.module_utils.host_health import host_faults, resting

AGENT, TIMER = "surgewatch-kinesis-agent.service", "surgewatch-log-generator-rotate"


def unit(name, active="active"):
    return {"unit": name, "active": active}


WELL = json.dumps({"faults": []})


@pytest.mark.parametrize(
    ("units", "said", "faults"),
    [
        ([unit(AGENT)], (WELL, ""), []),
        ([], (WELL, ""), [f"{AGENT} is not active"]),
        ([unit(AGENT, "failed")], ("", "exit code 1"), [f"{AGENT} is not active"]),
        (
            [unit(AGENT)],
            (json.dumps({"faults": ["orders: denied", "the disk is full"]}), "exit code 1"),
            [f"{AGENT}: orders: denied", f"{AGENT}: the disk is full"],
        ),
        (
            [unit(AGENT)],
            ("", "no such\nfile"),
            [f"{AGENT}: its status cannot be asked: no such file"],
        ),
        ([unit(AGENT)], ("[]", "[]"), [f"{AGENT}: its status cannot be asked: []"]),
        (
            [unit(AGENT), unit(f"{TIMER}.timer"), unit(f"{TIMER}.service", "inactive")],
            (WELL, ""),
            [],
        ),
        (
            [unit(AGENT), unit(f"{TIMER}.timer"), unit(f"{TIMER}.service", "failed")],
            (WELL, ""),
            [f"{TIMER}.service is not active"],
        ),
        (
            [unit(AGENT), unit(f"{TIMER}.timer", "inactive")],
            (WELL, ""),
            [f"{TIMER}.timer is not active"],
        ),
    ],
)
def test_faults_are_sentences(units, said, faults):
    assert host_faults(units, {AGENT: said}) == faults


def test_what_a_timer_starts_may_rest():
    assert resting([unit("a.timer"), unit("a.service", "inactive")]) == {"a.service"}


def test_a_host_is_asked_by_the_file_alone(tmp_path, monkeypatch):
    """As the console does it, for whom no module is there."""
    units = [unit(AGENT), unit(f"{TIMER}.timer"), unit(f"{TIMER}.service", "inactive")]
    for name, said in (("systemctl", json.dumps(units)), ("agent", WELL), ("broken", "")):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\ncat <<'EOF'\n{said}\nEOF\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    services = [
        {"unit": name, "command": str(tmp_path / command)}
        for name, command in ((AGENT, "agent"), ("a.service", "broken"), ("b.service", "nowhere"))
    ]
    with open(host_health.__file__) as question:
        command = [sys.executable, "-", json.dumps(services)]
        run = subprocess.run(command, stdin=question, check=True, capture_output=True)
    found = json.loads(run.stdout)
    assert [each["unit"] for each in found["units"]] == [AGENT, f"{TIMER}.timer"]
    assert found["wanted"] == [AGENT, "a.service", "b.service"]
    assert json.loads(found["answers"][AGENT]) == {"faults": []}
    assert found["faults"] == ["a.service is not active", "b.service is not active"]
