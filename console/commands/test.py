"""Run lint, unit tests and the full proof on containers (molecule).

The environment variable SURGEWATCH_DATASET names the real data set, for tests that need it.
"""

import argparse
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.stack import ROOT, use_project
from console.terminal import clock, err, out

PLAYBOOKS = ROOT / "playbooks"
MOLECULE = ("molecule", "test", "--scenario-name")
SCENARIOS = ("aws",)
"""Those that have a short form, beside the default one."""
FULL_SCENARIOS = ("fleet",)
COLOR = re.compile(r"\x1b\[[0-9;]*m")
CLOSING = re.compile(
    r"=+ .*\d+ (passed|failed|errors?|skipped).* in [\d.]+s.* =+|=+ no tests ran .*=+"
)

# MariaDB's server alone brings no service; that of nginx is not to be started.
PARTS = (
    "--module-name=ansible.builtin.apt",
    "--args=name=mariadb-server-core,mariadb-client-core,openssl,nginx install_recommends=false"
    " policy_rc_d=101 cache_valid_time=86400",
)


@dataclass(frozen=True)
class Step:
    name: str
    command: Sequence[str]
    takes_minutes: bool = False


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--full", action="store_true", help="the long forms of the proofs as well")


def steps(full: bool) -> list[Step]:
    playbooks = ["site.yml", *(f"playbooks/{path.name}" for path in PLAYBOOKS.glob("*.yml"))]
    forms = ["--full"] if full else []
    return [
        Step("ruff check", ["ruff", "check"]),
        Step("ruff format", ["ruff", "format", "--check"]),
        Step("ansible-lint", ["ansible-lint"]),
        Step("playbook syntax", ["ansible-playbook", "--syntax-check", *playbooks]),
        Step("MariaDB and nginx for the unit tests", ["ansible", "localhost", "--become", *PARTS]),
        Step("unit tests", ["pytest", "tests/unit", *forms]),
        Step(
            "proofs of the agent and the analytics",
            ["pytest", "tests/agent", "tests/analytics", *forms],
        ),
        Step("molecule test", ["molecule", "test"], takes_minutes=True),
        *(
            Step(f"molecule test, {name}", [*MOLECULE, name], takes_minutes=True)
            for name in (*SCENARIOS, *(FULL_SCENARIOS if full else ()))
        ),
    ]


def run(options: argparse.Namespace) -> int:
    use_project()
    environment = dict(os.environ)
    if options.full:
        environment["SURGEWATCH_FULL"] = "1"
    if not out.is_terminal:
        environment["NO_COLOR"] = "1"
    return run_steps(steps(options.full), environment)


def run_steps(steps: Sequence[Step], environment: Mapping[str, str]) -> int:
    """Run them; at the end pytest's closing lines once more, and what failed."""
    closing: list[str] = []
    failed: list[str] = []
    for step in steps:
        if failed and step.takes_minutes:
            closing.append(f"{step.name}: not run")
            continue
        err.print(step.name, style="bold")
        started = time.monotonic()
        code, lines = _run(step, environment)
        took = clock(time.monotonic() - started)
        verdict = f"failed with exit code {code}" if code else "passed"
        err.print(f"{step.name}: {verdict} ({took})\n", style="red" if code else "green")
        closing += [f"{step.name}: {verdict} ({took})", *lines]
        if code:
            failed.append(step.name)
    for line in closing:
        out.print(line)
    if failed:
        err.print(f"Failed: {', '.join(failed)}", style="red")
    return 1 if failed else 0


def _run(step: Step, environment: Mapping[str, str]) -> tuple[int, list[str]]:
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
    lines = []
    for line in process.stdout or ():
        out.file.write(line)
        if found := CLOSING.search(COLOR.sub("", line)):
            lines.append(found[0])
    return process.wait(), lines
