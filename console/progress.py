"""Shows a playbook as it runs: its plays, and the tasks that changed something or took long."""

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import yaml
from rich.text import Text as Styled

from console.playbook import End, Event, Play, Result, Task, Text
from console.terminal import clock, err

SLOW_SECONDS = 5
NOISE = {
    "action",
    "ansible_loop_var",
    "assertion",
    "changed",
    "cmd",
    "delta",
    "end",
    "evaluated_to",
    "exception",
    "func_kwargs",
    "invocation",
    "response_metadata",
    "start",
    "stderr_lines",
    "stdout_lines",
    "warnings",
}


def follow(events: Iterable[Event], log: Path) -> End:
    """Show the events, keep all of them in the log, and return the last."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file, err.status("Starting Ansible") as status:
        view = _View(file)
        for event in events:
            view.take(event)
            if isinstance(event, End):
                view.close(event, log)
                return event
            status.update(Styled(view.current))
    raise AssertionError("a run ends with an End")


class _View:
    def __init__(self, log: TextIO) -> None:
        self.log = log
        self.started = time.monotonic()
        self.current = ""
        self._play = ""  # not shown yet: one that has no hosts here is not worth a line
        self._task: Task | None = None
        self._task_started = self.started
        self._changed: list[str] = []
        self._failed: list[tuple[Task | None, Result]] = []
        self._texts: list[str] = []

    def take(self, event: Event) -> None:
        match event:
            case Play(name):
                self._finish_task()
                self.log.write(f"\nPLAY [{name}]\n")
                self._play = name
            case Task(name, path):
                self._finish_task()
                if self._play:
                    elapsed = clock(time.monotonic() - self.started)
                    err.print(f"{elapsed:>5}  {self._play}", style="bold")
                    self._play = ""
                self._task, self._task_started, self._changed = event, time.monotonic(), []
                self.log.write(f"\nTASK [{name}] {path}\n")
                self.current = name
            case Result():
                self.log.write(describe(event) + "\n")
                if event.outcome == "changed":
                    self._changed.append(event.host)
                elif event.outcome in ("failed", "unreachable"):
                    self._failed.append((self._task, event))
            case Text(line):
                self.log.write(line + "\n")
                self._texts.append(line)
            case End(code):
                self._finish_task()
                self.log.write(f"\nEnded after {clock(time.monotonic() - self.started)}: {code}\n")
        self.log.flush()

    def _finish_task(self) -> None:
        took = time.monotonic() - self._task_started
        if self._task and (self._changed or took >= SLOW_SECONDS):
            hosts = ", ".join(sorted(set(self._changed)))
            changed = (f"  changed: {hosts}", "yellow") if hosts else ""
            time_taken = (f"{clock(took):>11}", "dim")
            err.print(Styled.assemble(time_taken, f"  {self._task.name}", changed))
        self._task = None

    def close(self, end: End, log: Path) -> None:
        """Where it failed, say all about it."""
        if end.code == 0:
            return
        # A task that failed and was rescued is among them; the last is what ended the run.
        for task, result in self._failed:
            where = f"{task.name}\n{task.path}" if task else ""
            err.print(f"\n{result.host}: {where}", style="red bold")
            err.print(explain(result))
        if not self._failed:
            err.print("\n".join(self._texts))
        err.print(f"\nThe whole output is in {log}")


def describe(result: Result) -> str:
    """A result as a line of the log."""
    shown = result.outcome not in ("ok", "skipped")
    return f"{result.outcome}: [{result.host}]" + (
        f" => {json.dumps(result.details)}" if shown else ""
    )


def explain(result: Result) -> str:
    """What a failed task said, its message first; of a loop only the items that failed."""
    details = _telling(result.details)
    items = [item for item in result.details.get("results", ()) if item.get("failed")]
    if items:
        details["results"] = [_telling(item) for item in items]
    message = details.pop("msg", "")
    if message == "non-zero return code" and "stderr" in details:
        message = details.pop("stderr")
    text = message if isinstance(message, str) else yaml.safe_dump(message)
    rest = yaml.safe_dump(details, allow_unicode=True, sort_keys=False) if details else ""
    return f"{text}\n{rest}".strip()


def _telling(details: Mapping[str, Any]) -> dict[str, Any]:
    """Without Ansible's own bookkeeping, and what is empty."""
    return {
        key: value
        for key, value in details.items()
        if key not in NOISE and not key.startswith("_ansible") and value not in ("", None, [], {})
    }
