"""Say how each unit of each host is, and the lag of each stage; exit code 1 if one is not well."""

import argparse

from console import stack as stacks
from console import stages
from console.report import show_health, show_stages
from console.terminal import err

USES_STACK = True


def run(_options: argparse.Namespace) -> int:
    stack = stacks.load()
    with err.status("Asking the hosts"):
        found, counted = stages.survey(stack)
    show_health(found)
    show_stages(counted)
    return 0 if found.well else 1
