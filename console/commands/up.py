"""Make the stack, or bring it up to date, and wait for the first alarm.

It can be typed again at any time: it goes on where it was.
"""

import argparse

from console import playbook, progress
from console.stack import BUILD

USES_STACK = True


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
    arguments = [word for value in options.extra_vars for word in ("-e", value)]
    return progress.follow(playbook.run("site.yml", arguments), BUILD / "up.log").code
