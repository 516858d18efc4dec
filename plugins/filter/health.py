"""Filters of playbooks/health.yml: what its units and services say of a host, judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Unit = Mapping[str, str]
"""A unit as `systemctl list-units --output=json` lists it."""


def resting(units: Sequence[Unit]) -> set[str]:
    """The services that timers start: at rest most of the time, which is no fault."""
    timed = {
        unit["unit"].removesuffix(".timer") + ".service"
        for unit in units
        if unit["unit"].endswith(".timer")
    }
    return timed - {unit["unit"] for unit in units if unit["active"] == "failed"}


def host_faults(
    units: Sequence[Unit], wanted: Sequence[str], asked: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What is wrong with a host, a sentence each.

    `wanted` are the units that it must have; `asked` the results of `status --json`, in a loop
    over items with a `unit`.
    """
    active = {unit["unit"] for unit in units if unit["active"] == "active"}
    expected = [*wanted, *(unit["unit"] for unit in units if unit["unit"] not in wanted)]
    down = [name for name in expected if name not in active | resting(units)]
    found = [f"{name} is not active" for name in down]
    for answer in asked:
        unit = answer["item"]["unit"]
        if unit not in down:
            found += [f"{unit}: {fault}" for fault in faults(answer)]
    return found


def faults(answer: Mapping[str, Any]) -> list[str]:
    """The faults that a service names, or that it does not answer."""
    try:
        return json.loads(answer["stdout"])["faults"]
    except (ValueError, KeyError, TypeError):
        said = " ".join(str(answer.get("stderr") or answer["stdout"]).split())
        return [f"its status cannot be asked: {said or answer['rc']}"]


class FilterModule:
    """Ansible asks this for the filters."""

    def filters(self) -> dict[str, Any]:
        return {"host_faults": host_faults, "resting_units": lambda units: sorted(resting(units))}
