"""Stop the stack's containers; the data stays, and `up` goes on with it."""

import argparse

from console import playbook, progress
from console.stack import BUILD

USES_STACK = True


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--purge", action="store_true", help="remove the containers, their data and the network"
    )


def run(options: argparse.Namespace) -> int:
    purge = "true" if options.purge else "false"
    events = playbook.run("playbooks/teardown.yml", ["-e", f"{{teardown_purge: {purge}}}"])
    return progress.follow(events, BUILD / "teardown.log").code
