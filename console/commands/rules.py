"""Check, show or test the rules (analytics-engine rules)."""

import argparse

from console.engine import become_engine


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "surgewatch rules ..."


def forward(arguments: list[str]) -> int:
    """Become the engine's command of that name."""
    return become_engine("rules", arguments)
