"""The steps of `test` all run, and its last lines say what came of them."""

import os
import sys

from console.commands import test as command
from console.commands.test import Step

CLOSING = "======= 3 passed, 1 skipped in 0.50s ======="


def step(name, code, text="", **more):
    return Step(name, [sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"], **more)


def test_all_passed_ends_with_pytests_closing_lines(capfd):
    colored = f"\x1b[32m{CLOSING}\x1b[0m"
    steps = [step("lint", 0), step("unit tests", 0, colored), step("molecule", 0, CLOSING)]
    assert command.run_steps(steps, os.environ) == 0
    out, _ = capfd.readouterr()
    assert out.splitlines()[-4:] == [
        "unit tests: passed (0:00)",
        CLOSING,
        "molecule: passed (0:00)",
        CLOSING,
    ]


def test_a_failure_is_named_and_only_the_long_step_is_spared(capfd):
    steps = [step("lint", 2), step("units", 0), step("molecule", 0, takes_minutes=True)]
    assert command.run_steps(steps, os.environ) == 1
    out, err = capfd.readouterr()
    assert "lint: failed with exit code 2 (0:00)" in out
    assert "units: passed (0:00)" in out
    assert out.splitlines()[-1] == "molecule: not run"
    assert err.splitlines()[-1] == "Failed: lint"


def test_full_is_passed_on():
    units = {step.name: step.command for step in command.steps(full=True)}["unit tests"]
    assert units == ["pytest", "tests/unit", "--full"]
