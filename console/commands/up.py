"""Make the stack, or bring it up to date, and wait for the first alarm.

It can be typed again at any time: it goes on where it was.
"""

import argparse
import os
import shutil
import subprocess
import time

from console import alarms, playbook, progress, stages
from console import stack as stacks
from console.errors import ConsoleError
from console.report import show_health, show_stages
from console.stack import BUILD, Stack
from console.terminal import clock, err, out

USES_STACK = True
WAIT_SECONDS = 300
POLL_SECONDS = 1
NEXT = """
  ./surgewatch status            how each unit is, and how far behind
  ./surgewatch alarms --follow   alarms as they come
  ./surgewatch verify            follow test orders through every stage
  ./surgewatch down              stop it; `up` goes on where it was"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-e",
        "--extra-vars",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a variable for the playbook, as for ansible-playbook",
    )


def run(options: argparse.Namespace) -> int:
    if not options.inventory and not may_be_root():
        raise ConsoleError(
            "The containers of the local stack are root's: "
            "run this as root, or as a user with sudo and no password asked."
        )
    words = [word for value in options.extra_vars for word in ("-e", value)]
    end = progress.follow(playbook.run("site.yml", words), BUILD / "up.log")
    for found in end.stats.values():
        if note := found.get("note"):
            err.print(note, style="yellow")
    if end.code:
        return end.code
    stack = stacks.load()
    alarm = wait_for_alarm(stack)
    with err.status("Asking the hosts"):
        found, counted = stages.survey(stack)
    if alarm is None or not found.well:
        show_health(found)
    show_stages(counted)
    if alarm is None:
        raise ConsoleError(f"No alarm came within {clock(WAIT_SECONDS)}.")
    out.print("\nThe last alarm", style="bold")
    out.print(f"  {alarms.sentence(alarm)}")
    out.print(NEXT)
    return 0 if found.well else 1


def may_be_root() -> bool:
    """Whether this is root, or sudo works without a question (Ansible cannot ask it)."""
    if os.geteuid() == 0:
        return True
    return bool(shutil.which("sudo")) and subprocess.run(["sudo", "-n", "true"]).returncode == 0


def wait_for_alarm(stack: Stack) -> alarms.Row | None:
    """The last alarm, or the first if there was none yet; None where none comes."""
    if rows := alarms.ask(stack, "list", limit=1):
        return rows[0]
    err.print("Waiting for the first alarm, which takes a minute or so", style="bold")
    started = time.monotonic()
    with err.status("") as status:
        while (waited := time.monotonic() - started) < WAIT_SECONDS:
            if rows := alarms.ask(stack, "list", limit=1):
                return rows[0]
            status.update(clock(waited))
            time.sleep(POLL_SECONDS)
    return None
