"""The command shop: runs one of the services of the shop until SIGTERM."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from python_service import log

from shop.application import SERVICES
from shop.service import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service and return the exit code."""
    parser = argparse.ArgumentParser(prog="shop", description=__doc__)
    parser.add_argument("--service", choices=SERVICES, required=True)
    parser.add_argument(
        "--socket", type=Path, required=True, metavar="PATH", help="unix socket to listen on"
    )
    parser.add_argument(
        "--outgoing",
        type=Path,
        metavar="PATH",
        help="unix socket of the proxy that calls go through (service shop alone calls others)",
    )
    options = parser.parse_args(arguments)
    if options.service == "shop" and options.outgoing is None:
        parser.error("the service shop needs --outgoing")
    log.start()
    try:
        run(SERVICES[options.service](options.outgoing), options.socket)
    except OSError as error:
        print(f"shop: {error}", file=sys.stderr)
        return 1
    return 0
