"""Run lint, unit tests and the full proof on containers (molecule).

The environment variable SURGEWATCH_DATASET names the real data set, for tests that need it.
"""

import argparse
import os
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from console.stack import ROOT, use_project
from console.terminal import clock, err, out

SUMMARY = re.compile(r"=+ .*\b(passed|failed|error|errors|no tests ran)\b.* in [\d.]+s.* =+")


@dataclass(frozen=True)
class Step:
    name: str
    command: Sequence[str]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--full", action="store_true", help="the long forms of the proofs as well")


def steps(full: bool) -> list[Step]:
    option = ["--full"] if full else []
    return [
        Step("ruff check", ["ruff", "check"]),
        Step("ruff format", ["ruff", "format", "--check"]),
        Step("ansible-lint", ["ansible-lint"]),
        Step("playbook syntax", ["ansible-playbook", "--syntax-check", "site.yml"]),
        Step("unit tests", ["pytest", "tests/unit", *option]),
        Step("molecule test", ["molecule", "test"]),
    ]


def run(options: argparse.Namespace) -> int:
    use_project()
    environment = os.environ | ({"SURGEWATCH_FULL": "1"} if options.full else {})
    closing: list[str] = []
    failed = []
    for step in steps(options.full):
        err.print(f"[bold]{step.name}")
        started = time.monotonic()
        code, summaries = _run(step, environment)
        took = clock(time.monotonic() - started)
        closing += summaries
        verdict = "passed" if code == 0 else f"FAILED with exit code {code}"
        err.print(f"[{'green' if code == 0 else 'red'}]{step.name}: {verdict} ({took})\n")
        if code:
            failed.append(step.name)
            # Without what the units promise, the whole only takes long to fail.
            break
    for line in closing:
        out.print(line, markup=False)
    if failed:
        err.print(f"[red]Failed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(step: Step, environment: dict[str, str]) -> tuple[int, list[str]]:
    """Run it, passing its output on; returns its exit code and pytest's closing lines in it."""
    process = subprocess.Popen(
        step.command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    summaries = []
    for line in process.stdout or ():
        out.file.write(line)
        if found := SUMMARY.search(line):
            summaries.append(found[0])
    return process.wait(), summaries
