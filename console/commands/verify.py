"""Send test orders through every stage, from a host's log to the notification, and time them."""

import argparse

from console import playbook, progress
from console.errors import ConsoleError
from console.stack import BUILD
from console.terminal import out

USES_STACK = True


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", nargs="?", help="whose log takes the orders; default: the first")


def run(options: argparse.Namespace) -> int:
    words = ["-e", f"verify_host={options.host}"] if options.host else []
    events = playbook.run("playbooks/verify.yml", words)
    end = progress.follow(events, BUILD / "verify.log")
    lines = [line for left in end.stats.values() for line in left.get("verify", ())]
    for line in lines:
        stage, _, found = line.partition(": ")
        out.print(f"{stage:<14}{found}")
    # To Ansible a play without hosts is a success.
    if end.code == 0 and not lines:
        raise ConsoleError(f"{options.host or 'generators[0]'} is no generator host that runs.")
    return end.code
