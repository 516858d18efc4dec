"""How a host's units and services are, asked on the host itself.

It is run there by the module of its name, or by itself: `python3 - SERVICES`, on standard input,
where SERVICES are a JSON list of objects with `unit` and `command`. Prints what `ask` answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Unit = Mapping[str, str]
"""A unit as `systemctl list-units --output=json` lists it."""
LIST = ["systemctl", "list-units", "--all", "--output=json", "surgewatch-*"]
HOME = Path("/opt/surgewatch")


def ask(services: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The host's `units`, those `wanted`, the services' `answers` by unit, and its `faults`.

    A service has a `unit` and a `command`, whose `status --json` is asked in the order given.
    """
    units = json.loads(_run(LIST, check=True).stdout)
    said = {service["unit"]: _status(HOME / service["command"]) for service in services}
    return {
        "units": [unit for unit in units if unit["unit"] not in resting(units)],
        "wanted": list(said),
        "answers": {unit: stdout for unit, (stdout, _) in said.items()},
        "faults": host_faults(units, said),
    }


def _run(command: Sequence[str], check: bool = False) -> subprocess.CompletedProcess[str]:
    pipe = subprocess.PIPE
    return subprocess.run(command, check=check, stdout=pipe, stderr=pipe, text=True)


def _status(command: Path) -> tuple[str, str]:
    """What a service said of itself, and what it said beside that."""
    try:
        found = _run([str(command), "status", "--json"])
    except OSError as error:
        return "", str(error)
    return found.stdout, found.stderr or found.stdout or f"exit code {found.returncode}"


def resting(units: Sequence[Unit]) -> set[str]:
    """The services that timers start: at rest most of the time, which is no fault."""
    timed = {
        unit["unit"].rpartition(".")[0] + ".service"
        for unit in units
        if unit["unit"].endswith(".timer")
    }
    return timed - {unit["unit"] for unit in units if unit["active"] == "failed"}


def host_faults(units: Sequence[Unit], said: Mapping[str, tuple[str, str]]) -> list[str]:
    """What is wrong with a host, a sentence each; of `said`, the units must be there."""
    active = {unit["unit"] for unit in units if unit["active"] == "active"}
    expected = [*said, *(unit["unit"] for unit in units if unit["unit"] not in said)]
    down = [name for name in expected if name not in active | resting(units)]
    found = [f"{name} is not active" for name in down]
    for unit, answer in said.items():
        if unit not in down:
            found += [f"{unit}: {fault}" for fault in faults(*answer)]
    return found


def faults(stdout: str, stderr: str) -> list[str]:
    """The faults that a service names, or that it does not answer."""
    try:
        return json.loads(stdout)["faults"]
    except (ValueError, KeyError, TypeError):
        return [f"its status cannot be asked: {' '.join(stderr.split())}"]


if __name__ == "__main__":
    print(json.dumps(ask(json.loads(sys.argv[1]))))
