"""The command kinesis-agent."""

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from kinesis_agent.config import Config, ConfigError, load

CONFIG = Path("/etc/aws-kinesis/agent.json")
STATE_DIR = Path("/var/lib/surgewatch/kinesis-agent")

OK, FAILED, USAGE = 0, 1, 2


def main() -> int:
    """Run the command line; the result is the exit code."""
    arguments = _parser().parse_args()
    try:
        return arguments.command(arguments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kinesis-agent", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: object, text: str, config: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        if config:
            sub.add_argument("--config", type=Path, default=CONFIG, help=f"default: {CONFIG}")
        return sub

    def add_state_dir(sub: argparse.ArgumentParser) -> None:
        default = Path(os.environ.get("STATE_DIRECTORY", STATE_DIR))
        sub.add_argument("--state-dir", type=Path, default=default, help=f"default: {default}")

    add_state_dir(add("run", _run, "Ship log lines until told to stop."))
    add("check", _check, "Tell what is wrong with a configuration, if anything.")
    status = add("status", _status, "Tell how far each file was shipped.", config=False)
    status.add_argument("--json", action="store_true", help="as JSON")
    add_state_dir(status)
    shipped = add(
        "shipped",
        _shipped,
        "Print those of the files that were shipped whole; exit 1 where one was not.",
        config=False,
    )
    shipped.add_argument("files", nargs="+", metavar="FILE")
    add_state_dir(shipped)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from kinesis_agent import agent
    from kinesis_agent.checkpoint import CheckpointError

    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        agent.run(load(arguments.config), arguments.state_dir)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return FAILED
    return OK


def _check(arguments: argparse.Namespace) -> int:
    config: Config = load(arguments.config)
    for flow in config.flows:
        print(f"{flow.file_pattern} -> {flow.destination}")
    return OK


def _status(arguments: argparse.Namespace) -> int:
    import msgspec

    from kinesis_agent import status

    found = status.read(arguments.state_dir)
    if found:
        status.renew(found)
    problems = status.problems(found, time.time())
    if arguments.json:
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n" if found else b"null\n")
    elif found:
        for flow in found.flows:
            print(
                f"{flow.file_pattern} -> {flow.destination}: {flow.records_sent} records sent, "
                f"{flow.bytes_behind} bytes and {flow.seconds_behind:.1f} s behind"
            )
            for file in flow.files:
                print(f"  {file.path}: at {file.offset}, {file.bytes_behind} bytes behind")
    for problem in problems:
        print(problem, file=sys.stderr)
    return FAILED if problems else OK


def _shipped(arguments: argparse.Namespace) -> int:
    from kinesis_agent import status

    found = status.read(arguments.state_dir)
    whole = [file for file in arguments.files if status.shipped(found, file)]
    for file in whole:
        print(file)
    return OK if len(whole) == len(arguments.files) else FAILED
