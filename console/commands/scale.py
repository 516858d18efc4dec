"""Change how many generator hosts there are, without losing or repeating a line.

The number is kept beside the inventory, so that `up` and `site.yml` keep to it.
"""

import argparse
import os
from pathlib import Path

from console import playbook, progress
from console.errors import ConsoleError
from console.stack import BUILD, ROOT

USES_STACK = True
KEPT_IN = Path("group_vars/all/scale.yml")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hosts", type=_number, help="how many there are to be")


def run(options: argparse.Namespace) -> int:
    keep(Path(ROOT, os.environ.get("ANSIBLE_INVENTORY", "inventory/local")), options.hosts)
    events = playbook.run("playbooks/hosts.yml", ["playbooks/generators.yml"])
    return progress.follow(events, BUILD / "scale.log").code


def keep(inventory: Path, hosts: int) -> None:
    """Write the number where the inventory's own variables are; it counts more than theirs."""
    path = inventory / KEPT_IN
    if not path.parent.is_dir():
        raise ConsoleError(f"{path.parent} is no folder: set generator_hosts in your inventory.")
    path.write_text(f"# Written by ./surgewatch scale.\ngenerator_hosts: {hosts}\n")


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError("must be a number from 1 to 100")
    return int(text)
