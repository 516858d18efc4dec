"""Say what the rules would have reported over recorded order lines (analytics-engine backtest)."""

import argparse

from console.engine import become_engine


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "surgewatch backtest ..."


def forward(arguments: list[str]) -> int:
    """Become the engine's command of that name."""
    return become_engine("backtest", arguments)
