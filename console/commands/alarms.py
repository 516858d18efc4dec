"""alarms."""

import argparse

USES_STACK = True


def run(options: argparse.Namespace) -> int:
    return 1
