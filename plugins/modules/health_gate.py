#!/usr/bin/python
"""Ansible module: wait until a host of the fleet works after a change, or say why it does not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
short_description: Wait until a host of the fleet works after a change, or say why it does not
description:
  - The units are active and did not end by themselves since the change last started them or, where
    it did not, since it began. The services name no fault and gave a sign of life since the change,
    and the agent has shipped all that stood in the logs when the gate began. So it must stay for
    O(steady) seconds.
  - What a unit logs is shown but not judged, as it may quote what strangers wrote.
  - Fails with the reason and the units' journal since the change.
options:
  units:
    description: The units, with their suffixes.
    type: list
    elements: str
    required: true
  since:
    description: When the change began, in seconds since the epoch by the host's clock.
    type: float
    required: true
  cursor:
    description: Where the journal ended then.
    type: str
    required: true
  status:
    description: Commands whose C(status --json) must name no C(faults).
    type: list
    elements: path
    default: []
  steady:
    description: Seconds for which it must stay well.
    type: int
    default: 3
  timeout:
    description: Seconds after which it is given up.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
author:
  - The Surgewatch authors
"""

EXAMPLES = r"""
- name: See that the host works
  health_gate:
    units: [surgewatch-kinesis-agent.service]
    since: "{{ found.clock }}"
    cursor: "{{ found.cursor }}"
    status: [/opt/surgewatch/kinesis_agent/current/bin/kinesis-agent]
"""

RETURN = r"""
journal:
  description: What the units logged since the change, where the gate did not open.
  returned: failure
  type: list
  elements: str
"""

import json  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from datetime import datetime  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

RESTART = "5eb03494b6584870a536b337290809b3"  # systemd's message: a unit is started again
POLL_SECONDS = 0.5
JOURNAL_LINES = 40

Run = Callable[..., tuple[int, str, str]]


class Host:
    """What a host says of its units; `run` runs a command there."""

    def __init__(self, run: Run, units: Sequence[str], cursor: str) -> None:
        self._run, self._units, self._cursor = run, units, cursor
        self._goal: dict[str, int] | None = None
        self.entries: list[dict[str, Any]] = []
        """The journal since the change."""

    def read_journal(self) -> str:
        """Renew `entries`; returns why it cannot be, or nothing."""
        command = ["journalctl", "--output=json", "--quiet", "--no-pager", "--utc"]
        command += [f"--after-cursor={self._cursor}"] if self._cursor else ["--boot"]
        code, out, err = self._run([*command, *(f"--unit={unit}" for unit in self._units)])
        if code and self._cursor:  # where there is none, the journal was empty and may still be
            return f"the journal cannot be read: {err.strip()}"
        self.entries = [json.loads(line) for line in out.split("\n") if line]
        return ""

    def fault(self) -> str:
        """What cannot become well by waiting; empty where there is nothing."""
        for unit in restarted(self.entries):
            return f"{unit} ended by itself and was started again"
        for unit, found in self._states().items():
            if found["ActiveState"] == "failed":
                return f"{unit} failed"
        return ""

    def wait_for(self, commands: Sequence[str], since: float) -> str:
        """What is still to be waited for; empty where all is well."""
        for unit, found in self._states().items():
            if found["ActiveState"] != "active":
                return f"{unit} is {found['ActiveState']}"
        for command in commands:
            _, out, err = self._run([command, "status", "--json"])
            name = command.rpartition("/")[2]
            try:
                status = json.loads(out)
                faults = status["faults"]
            except (ValueError, KeyError, TypeError):
                return f"{name} does not say how it is: {(err or out).strip()[:300]}"
            if faults:
                return f"{name}: {'; '.join(faults)[:300]}"
            if seconds(status.get("updated_at")) < since:
                return f"{name} gave no sign of life since the change"
            if "flows" in status and (behind := self._behind(status)):
                return f"{name} is {behind} bytes behind what was logged before"
        return ""

    def _behind(self, status: dict[str, Any]) -> int:
        """How much is not shipped of what stood in the logs at the first look."""
        ends = {
            f"{flow['destination']} {file['inode']}": (file["offset"], file["bytes_behind"])
            for flow in status["flows"]
            for file in flow["files"]
        }
        if self._goal is None:
            self._goal = {key: offset + behind for key, (offset, behind) in ends.items()}
        return sum(max(0, self._goal.get(key, 0) - offset) for key, (offset, _) in ends.items())

    def _states(self) -> dict[str, dict[str, str]]:
        wanted = "--property=Id,ActiveState"
        blocks = self._run(["systemctl", "show", wanted, *self._units])[1].strip().split("\n\n")
        found = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
        return {states["Id"]: states for states in found}


def restarted(entries: Sequence[dict[str, Any]]) -> list[str]:
    """The units that ended by themselves since they were last started otherwise.

    A change begins long before it reaches a host: what ended until then is what it may mend.
    NRestarts does not tell, as it stays where a unit is started that waits for its next try.
    """
    invocations: dict[str, str] = {}
    found: dict[str, bool] = {}  # whether systemd is about to start it again
    for entry in entries:
        if entry.get("_PID") != "1":  # only systemd itself has it
            continue
        unit, invocation = unit_of(entry), entry.get("INVOCATION_ID")
        if invocation and invocation != invocations.get(unit):
            invocations[unit] = invocation
            if not found.get(unit):
                found.pop(unit, None)
            else:
                found[unit] = False
        if entry.get("MESSAGE_ID") == RESTART:
            found[unit] = True
    return list(found)


def message(entry: dict[str, Any]) -> str:
    """The text of a journal entry; bytes that are no text come as numbers."""
    text = entry.get("MESSAGE") or ""
    return text if isinstance(text, str) else bytes(text).decode(errors="replace")


def unit_of(entry: dict[str, Any]) -> str:
    return entry.get("UNIT") or entry.get("_SYSTEMD_UNIT") or "a unit"


def seconds(moment: float | str | None) -> float:
    """Seconds since the epoch, of these or of an RFC 3339 time."""
    if isinstance(moment, str):
        return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
    return moment or 0.0


def watch(
    host: Host,
    commands: Sequence[str],
    since: float,
    steady: float,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait until all is well for so long; returns why it is not, or nothing."""
    deadline, well_since = clock() + timeout, None
    while True:
        unread = host.read_journal()
        if fault := host.fault():
            return fault
        waiting = unread or host.wait_for(commands, since)
        now = clock()
        well_since = None if waiting else now if well_since is None else well_since
        if well_since is not None and now - well_since >= steady:
            return ""
        if waiting and now > deadline:
            return f"{waiting}, after {timeout:g} s"
        sleep(POLL_SECONDS)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "required": True},
            "since": {"type": "float", "required": True},
            "cursor": {"type": "str", "required": True},
            "status": {"type": "list", "elements": "path", "default": []},
            "steady": {"type": "int", "default": 3},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False)
    wanted = module.params
    host = Host(module.run_command, wanted["units"], wanted["cursor"])
    reason = watch(host, wanted["status"], wanted["since"], wanted["steady"], wanted["timeout"])
    if reason:
        last = host.entries[-JOURNAL_LINES:]
        journal = [f"{unit_of(entry)}: {message(entry)}" for entry in last]
        module.fail_json(msg=reason, journal=journal)
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
