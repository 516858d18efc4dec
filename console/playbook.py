"""Runs a playbook and tells what happens in it, as it happens."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from console.stack import ROOT, use_project


@dataclass(frozen=True)
class Play:
    name: str


@dataclass(frozen=True)
class Task:
    name: str
    path: str


@dataclass(frozen=True)
class Result:
    """What a task came to on a host: ok, changed, skipped, failed or unreachable."""

    host: str
    outcome: str
    details: dict[str, Any]


@dataclass(frozen=True)
class Text:
    """A line that is no event: a warning, or Ansible's own error."""

    line: str


@dataclass(frozen=True)
class End:
    """The playbook is over; `stats` holds what its tasks left with set_stats, by host."""

    code: int
    stats: dict[str, Any] = field(default_factory=dict)


Event = Play | Task | Result | Text | End


def parse(line: str) -> list[Event]:
    """The events in a line of the callback ansible.posix.jsonl; other lines are text."""
    try:
        data = json.loads(line)
        kind = data["_event"]
    except (ValueError, KeyError, TypeError):
        return [Text(line.rstrip("\n"))] if line.strip() else []
    if kind == "v2_playbook_on_play_start":
        return [Play(data["play"]["name"])]
    if kind in ("v2_playbook_on_task_start", "v2_playbook_on_handler_task_start"):
        return [Task(data["task"]["name"], data["task"]["path"])]
    if kind.startswith("v2_runner_on_"):
        outcome = kind.removeprefix("v2_runner_on_")
        return [
            Result(
                host, "changed" if outcome == "ok" and details.get("changed") else outcome, details
            )
            for host, details in data["hosts"].items()
        ]
    if kind == "v2_playbook_on_stats":
        return [End(0, data["custom_stats"])]
    return []


def run(playbook: str, arguments: Sequence[str] = ()) -> Iterator[Event]:
    """Run it and yield its events as they come; the last is an End."""
    use_project()
    process = subprocess.Popen(
        ["ansible-playbook", playbook, *arguments],
        cwd=ROOT,
        env=os.environ
        | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl", "ANSIBLE_SHOW_CUSTOM_STATS": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stats: dict[str, Any] = {}
    try:
        for line in process.stdout or ():
            for event in parse(line):
                if isinstance(event, End):
                    stats = event.stats
                else:
                    yield event
        yield End(process.wait(), stats)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    """See that it ends; where Ctrl-C came from a terminal, it was told already."""
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
