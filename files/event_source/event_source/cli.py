"""The command event-source: run, check, status."""

import argparse
import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from python_service import file, log
from python_service.notify import notify
from python_service.status import silence

from event_source import config, status
from event_source.checkpoint import StateError

STOPPING = {signal.SIGTERM, signal.SIGINT}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(config.load(options.config), options)
    except (config.ConfigError, StateError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="event-source", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("run", _run, "feed streams to functions until stopped"),
        ("check", _check, "check the configuration file"),
        ("status", _status, "say how far each mapping is; exit code 1 if something is wrong"),
    ):
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--config", type=Path, default=config.DEFAULT_PATH, metavar="FILE")
        sub.set_defaults(command=command)
        if command is _status:
            sub.add_argument("--json", action="store_true", help="for programs")
    return parser


def _run(settings: config.Config, _: argparse.Namespace) -> int:
    # Here, because botocore takes longer to import than the other commands take in all.
    from event_source.aws import Aws
    from event_source.service import Service

    log.start()
    logging.getLogger("botocore").setLevel(logging.WARNING)
    # Blocked in every thread and waited for by the main one: no handler can come at a bad moment.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    service = Service(
        Aws(),
        settings,
        alive=lambda: notify("WATCHDOG=1"),
        pause=lambda seconds: signal.sigtimedwait(STOPPING, seconds) is not None,
    )
    notify("READY=1")
    service.run()
    return 0


def _check(_: config.Config, options: argparse.Namespace) -> int:
    print(f"{options.config}: valid")
    return 0


def _status(settings: config.Config, options: argparse.Namespace) -> int:
    try:
        directory = Path(settings.state_directory)
        file.become_owner(directory)
        state = status.read(directory)
    except (OSError, msgspec.DecodeError):
        state, faults = None, silence(None)
    else:
        faults = state.faults(datetime.now(UTC))
    if options.json:
        answer = (msgspec.to_builtins(state) if state else {}) | {"faults": faults}
        print(msgspec.json.encode(answer).decode())
        return 1 if faults else 0
    for each in state.mappings if state else ():
        print(
            f"{each.stream} -> {each.function}:"
            f" {each.records} records, {each.lag_seconds:.1f} s behind"
        )
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0
