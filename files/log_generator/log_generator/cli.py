"""The command log-generator."""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from python_service import file, log
from python_service.status import silence

from log_generator import config as configuration
from log_generator import dataset, inject, ownership, replay, sample, service, slices
from log_generator import state as states
from log_generator.errors import ControlError, InjectionError, LogGeneratorError
from log_generator.ownership import Answer, Change, Ownership
from log_generator.replay import Position
from log_generator.state import State


class Released(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What release prints and take reads."""

    dataset: str
    elapsed: float
    positions: dict[str, Position]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (LogGeneratorError, OSError) as error:
        print(f"log-generator: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="log-generator", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=function)
        return added

    def configured(name: str, function: object, text: str) -> argparse.ArgumentParser:
        added = command(name, function, text)
        added.add_argument(
            "--config", type=Path, default=configuration.DEFAULT_PATH, metavar="FILE"
        )
        return added

    configured("run", _run, "Write order lines until SIGTERM.")
    configured("check", _check, "Say what is wrong with the configuration or the data set.")
    added = configured("status", _status, "Say how far it is; exit code 1 if something is wrong.")
    added.add_argument("--json", action="store_true")
    added = configured("inject", _inject, "Write order lines V… between the generator's own.")
    added.add_argument("--seconds", type=float, default=5.0, help="spread over so long (5)")
    added.add_argument("--wait", type=float, default=0.0, help="seconds to wait until written (0)")
    added.add_argument("rows", metavar="FILE", help="csv of the eight columns, no header; or -")
    added = configured("slices", _slices, "Say which slices it owns, and which it gave away.")
    added.add_argument("--json", action="store_true")
    added = configured("release", _release, "Give slices away; prints, for take, where they stand.")
    added.add_argument("slices", metavar="SLICES", help="as 0-511,700")
    added = configured("take", _take, "Own the slices that another host released.")
    added.add_argument("released", metavar="FILE", help="what release printed; or -")
    added = configured("forget", _forget, "Forget slices that were released, and taken elsewhere.")
    added.add_argument("slices", metavar="SLICES")
    added = command("dataset", _dataset, "Read a whole data set and say what is in it.")
    added.add_argument("dataset", type=Path, metavar="FILE")
    added.add_argument("-o", "--output", type=Path, help="write the answer here, as JSON")
    added.add_argument(
        "--converted", type=Path, metavar="FILE", help="write here what hosts can read"
    )
    added = command("sample", _sample, "Make a synthetic data set, always the same one.")
    added.add_argument("--rows", type=int, default=sample.ROWS)
    added.add_argument("--seed", type=int, default=sample.SEED)
    added.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    return parser


def _run(options: argparse.Namespace) -> int:
    log.start()
    service.run(configuration.load(options.config))
    return 0


def _check(options: argparse.Namespace) -> int:
    config = configuration.load(options.config)
    dataset.check_header(config.dataset)
    print(f"{options.config} is valid")
    return 0


def _status(options: argparse.Namespace) -> int:
    state = _state(options)
    age = None
    if state.updated_at:
        age = (datetime.now(UTC) - datetime.fromisoformat(state.updated_at)).total_seconds()
    faults = silence(age) + ([f"paused: {state.paused}"] if state.paused else [])
    if state.waiting:
        faults.append(f"orders wait for the shop: {state.waiting}")
    if options.json:
        answer = {
            "lines_written": state.lines + state.injected,
            "last_event_time": state.last_event_time,
            "refused_orders": state.refused,
            "paused": state.paused,
            "waiting": state.waiting,
            "positions": state.positions,
            "updated_at": state.updated_at or None,
            "faults": faults,
        }
        print(msgspec.json.encode(answer).decode())
    else:
        print(f"{state.lines + state.injected} lines, the last at {state.last_event_time}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _state(options: argparse.Namespace) -> State:
    directory = configuration.load(options.config).state_directory
    if directory.exists():
        file.become_owner(directory)
    return states.load(directory)


def _inject(options: argparse.Namespace) -> int:
    config = configuration.load(options.config)
    if options.rows == "-":
        text = sys.stdin.read()
    else:
        text = Path(options.rows).read_text(encoding="utf-8")
    rows = inject.read_rows(text.splitlines(keepends=True))
    file.become_owner(config.state_directory)
    directory = inject.directory_in(config.state_directory)
    path = inject.drop(directory, inject.Batch(rows, options.seconds))
    deadline = time.monotonic() + options.wait
    while options.wait and path.exists():
        if time.monotonic() > deadline:
            raise InjectionError(f"not written within {options.wait:g} s: {path}")
        time.sleep(0.05)
    return 0


def _slices(options: argparse.Namespace) -> int:
    state = _state(options)
    held = Ownership(slices.parse(state.slices), replay.unpack(state.positions))
    found = ownership.describe(held, state.dataset, state.elapsed)
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        print(f"owned: {found.slices or 'none'}")
        if found.released:
            print(f"released: {','.join(found.released)}")
    return 0


def _release(options: argparse.Namespace) -> int:
    answer = _change(options, Change(release=_parse(options.slices)))
    asked = slices.parse(options.slices)
    positions = {n: place for n, place in replay.unpack(answer.released).items() if n in asked}
    released = Released(answer.dataset, answer.elapsed, replay.pack(positions))
    print(msgspec.json.encode(released).decode())
    return 0


def _take(options: argparse.Namespace) -> int:
    path = options.released
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    try:
        given = msgspec.json.decode(text, type=Released)
        for numbers in given.positions:
            slices.parse(numbers)
    except ValueError as error:
        raise ControlError(f"{path}: {error}") from error
    change = Change(take=given.positions, dataset=given.dataset, elapsed=given.elapsed)
    _change(options, change)
    return 0


def _forget(options: argparse.Namespace) -> int:
    _change(options, Change(forget=_parse(options.slices)))
    return 0


def _parse(text: str) -> str:
    try:
        return slices.render(slices.parse(text))
    except ValueError as error:
        raise ControlError(str(error)) from error


def _change(options: argparse.Namespace, change: Change) -> Answer:
    config = configuration.load(options.config)
    file.become_owner(config.state_directory)
    return service.change(config, change)


def _dataset(options: argparse.Namespace) -> int:
    found = dataset.convert(options.dataset, options.converted)
    said = "".join(f"; {note}" for note in found.notes)
    print(f"{options.dataset}: {found.rows} rows, {found.invoices} invoices{said}")
    if options.output:
        options.output.write_bytes(msgspec.json.encode(found._asdict()))
    return 0


def _sample(options: argparse.Namespace) -> int:
    sample.write(options.output, options.rows, options.seed)
    return 0
