"""Check the descriptions of kinds of records (analytics-engine records)."""

import argparse

from console.engine import become_engine


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "surgewatch records ..."


def forward(arguments: list[str]) -> int:
    """Become the engine's command of that name."""
    return become_engine("records", arguments)
