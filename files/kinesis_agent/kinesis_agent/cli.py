"""The command kinesis-agent."""

import argparse
import contextlib
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kinesis_agent.config import show
from kinesis_agent.config_file import ConfigError, load
from kinesis_agent.sight import look

if TYPE_CHECKING:
    from kinesis_agent.status import Status

CONFIG = Path("/etc/aws-kinesis/agent.json")
STATE_DIR = Path("/var/lib/surgewatch/kinesis-agent")

OK, FAILED = 0, 1

log = logging.getLogger(__name__)


def main() -> int:
    """Run the command line; the result is the exit code."""
    arguments = _parser().parse_args()
    sys.stdout.reconfigure(errors="surrogateescape")  # names of files are bytes
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
    check = add("check", _check, "Tell what is wrong with a configuration, if anything.")
    check.add_argument("--show", action="store_true", help="print it whole, with its defaults")
    dry_run = add("dry-run", _dry_run, "Print the records that would be sent, and send none.")
    dry_run.add_argument("--lines", type=int, default=10, metavar="N", help="of each flow; 10")
    status = add("status", _status, "Tell how far each file was shipped.", config=False)
    status.add_argument("--json", action="store_true", help="as JSON")
    add_state_dir(status)
    text = "Print those of the files that were shipped whole; exit 1 where one was not."
    shipped = add("shipped", _shipped, text, config=False)
    shipped.add_argument("files", nargs="+", metavar="FILE")
    add_state_dir(shipped)
    replay = add("replay", _replay, "Send a file's lines again, from a place or a time on.")
    text = "an offset in bytes, or a time (RFC 3339, or as Apache writes it)"
    replay.add_argument("--from", dest="start", required=True, metavar="TIME|OFFSET", help=text)
    replay.add_argument("file", type=Path, metavar="FILE")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from python_service.log import start as start_log

    from kinesis_agent.checkpoint import CheckpointError
    from kinesis_agent.service import Service

    start_log()
    try:
        Service(arguments.config, arguments.state_dir).run()
    except (CheckpointError, OSError) as error:
        log.error("%s", error)
        return FAILED
    # A thread that still waits for an answer must not hold up the end.
    logging.shutdown()
    os._exit(OK)


def _check(arguments: argparse.Namespace) -> int:
    config = load(arguments.config)
    if arguments.show:
        print(show(config))
        return OK
    code = OK
    for flow in config.flows:
        print(f"{flow.file_pattern} -> {flow.destination}")
        sight = look(flow.file_pattern)
        code = FAILED if sight.unfit and not sight.files else code
        for problem in [*sight.problems, *([] if sight.files else ["no file matches"])]:
            print(f"{flow.file_pattern}: {problem}", file=sys.stderr)
    return code


def _dry_run(arguments: argparse.Namespace) -> int:
    from kinesis_agent.metadata import MetadataError
    from kinesis_agent.replay import records

    try:
        for flow in load(arguments.config).flows:
            for record in records(flow, arguments.lines):
                sys.stdout.buffer.write(record if record.endswith(b"\n") else record + b"\n")
    except MetadataError as error:
        print(error, file=sys.stderr)
        return FAILED
    return OK


def _replay(arguments: argparse.Namespace) -> int:
    from python_service.log import start as start_log

    from kinesis_agent.replay import ReplayError, replay

    start_log()
    try:
        count = replay(load(arguments.config), arguments.file, arguments.start)
    except ReplayError as error:
        print(error, file=sys.stderr)
        return FAILED
    print(f"{count} records sent")
    return OK


def _said(state_dir: Path) -> "Status | None":
    from python_service.file import become_owner

    from kinesis_agent import status

    with contextlib.suppress(FileNotFoundError):
        become_owner(state_dir)
    return status.read(state_dir)


def _status(arguments: argparse.Namespace) -> int:
    import msgspec

    from kinesis_agent import state_json, status

    found, now = _said(arguments.state_dir), time.time()
    if found:
        status.renew(found, now)
    faults = status.faults(found, now)
    if arguments.json:
        answer = (msgspec.to_builtins(found) if found else {}) | {"faults": faults}
        sys.stdout.buffer.write(state_json.encode(answer) + b"\n")
    elif found:
        for flow in found.flows:
            print(status.sentence(flow))
            for file in flow.files:
                print(
                    f"  {file.path}: at {file.offset}, {file.bytes_behind} bytes "
                    f"and {file.seconds_behind:.1f} s behind"
                )
    for fault in faults:
        print(fault, file=sys.stderr)
    return FAILED if faults else OK


def _shipped(arguments: argparse.Namespace) -> int:
    from kinesis_agent import status

    found = _said(arguments.state_dir)
    whole = [file for file in arguments.files if status.shipped(found, file)]
    for file in whole:
        print(file)
    return OK if len(whole) == len(arguments.files) else FAILED
