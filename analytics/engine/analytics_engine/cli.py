"""The command `analytics-engine`."""

import argparse
import gc
import logging
import os
import sys
from pathlib import Path

import msgspec
import yaml
from python_service import log
from python_service.file import become_owner
from python_service.status import silence

from analytics_engine.errors import AnalyticsError
from analytics_engine.offline import rule_tests
from analytics_engine.offline.backtest import backtest
from analytics_engine.offline.report import table
from analytics_engine.records import kind
from analytics_engine.rules import sql
from analytics_engine.rules.files import HOME, STREAMS, Definitions, load
from analytics_engine.service import config, status
from analytics_engine.service.inputs import Inputs

OK, WRONG, INCOMPLETE, INTERRUPTED = 0, 1, 3, 130
WIDE = 1_000
"""Columns: more than a row of the table has."""
RULES = HOME / "rules.yml"


def main(arguments: list[str] | None = None) -> None:
    """Parse, do, exit."""
    options = _parser().parse_args(arguments)
    # Lines make objects by the hundred thousand and no cycles: look for these seldom.
    gc.set_threshold(100_000, 50, 100)
    try:
        code = options.do(options)
        sys.stdout.flush()  # here, where it is caught that nobody reads it
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough; the interpreter must not try to flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = WRONG
    except (AnalyticsError, OSError) as error:
        print(error, file=sys.stderr)
        code = WRONG
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("analytics-engine", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, do, text in (
        ("run", _run, "evaluate the rules until stopped"),
        ("check", _check, "check the configuration, its rules and reference data"),
        ("status", _status, "say how the running engine is; exit 1 where something is wrong"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(do=do)
        command.add_argument(
            "--config", type=Path, default=Path("/etc/surgewatch/analytics.json"), metavar="FILE"
        )
        if do is _status:
            command.add_argument("--json", action="store_true", help="for programs")
    rules = commands.add_parser("rules", help="check, show and test rules").add_subparsers(
        required=True, metavar="COMMAND"
    )
    check = rules.add_parser("check", help="name all that is wrong with a rules file")
    check.set_defaults(do=_rules_check)
    check.add_argument("file", nargs="?", type=Path, default=RULES, metavar="FILE")
    _definitions(check)
    show = rules.add_parser("show", help="print a rule, with what it does not say itself")
    show.set_defaults(do=_rules_show)
    show.add_argument("name", metavar="NAME")
    show.add_argument("--sql", action="store_true", help="as Flink SQL")
    show.add_argument("--rules", dest="file", type=Path, default=RULES, metavar="FILE")
    _definitions(show)
    test = rules.add_parser("test", help="run tests of rules: these lines, these alarms")
    test.set_defaults(do=_rules_test)
    test.add_argument("file", type=Path, metavar="FILE")
    records = commands.add_parser("records", help="check kinds of records").add_subparsers(
        required=True, metavar="COMMAND"
    )
    check = records.add_parser("check", help="name all that is wrong with a description")
    check.set_defaults(do=_records_check)
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    backtest = commands.add_parser(
        "backtest",
        help="what rules would have said of recorded lines",
        epilog=f"Exit code {INCOMPLETE}: some lines were left out, as is said of each file.",
    )
    backtest.set_defaults(do=_backtest)
    backtest.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="logs; - is standard input"
    )
    backtest.add_argument("--rules", dest="file", type=Path, default=RULES, metavar="FILE")
    _definitions(backtest)
    backtest.add_argument(
        "--as", dest="form", choices=["table", "json"], default="table", help="how to print it"
    )
    return parser


def _definitions(parser: argparse.ArgumentParser) -> None:
    for name, metavar, text in (
        (
            "references",
            "FOLDER",
            "CSV tables that rules join (default: `reference` beside them)",
        ),
        ("records", "FOLDER", f"kinds of records (default: {HOME / 'records'})"),
        ("streams", "FILE", f"which streams there are (default: {STREAMS})"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar=metavar, help=text)


def _load(options: argparse.Namespace) -> Definitions:
    return load(options.file, options.references, options.records, options.streams)


def _backtest(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    definitions = _load(options)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        known = all(file.is_file() for file in options.files)
        size = sum(file.stat().st_size for file in options.files) if known else None
        task = bar.add_task("reading", total=size)
        replay = backtest(options.files, definitions, lambda read: bar.update(task, completed=read))
    if options.form == "json":
        for alarm in replay.alarms:
            print(msgspec.json.encode(alarm).decode())
    else:
        # A terminal that is narrower breaks the lines itself: no rule and no address is cut.
        Console(width=WIDE).print(table(replay.alarms))
    for file in replay.sorted:
        print(f"{file}: not in the order of time; sorted", file=sys.stderr)
    for file, why in replay.left_out.items():
        print(f"{file}: not all was counted, as {why}", file=sys.stderr)
    counts = replay.counts
    print(
        f"{counts.lines_counted} lines counted ({counts.of_tests} of tests), "
        f"{counts.repeated} repeated, {counts.unreadable} unreadable, {counts.alarms} alarms",
        file=sys.stderr,
    )
    if not counts.lines_counted and any("is none" in why for why in replay.left_out.values()):
        kinds = " or ".join(sorted({f"{s.kind.name} line" for s in definitions.sources.values()}))
        print(f"No line is an {kinds} as the logs hold them (CSV, tabs or JSON).", file=sys.stderr)
        return WRONG
    return INCOMPLETE if replay.left_out else OK


def _records_check(options: argparse.Namespace) -> int:
    for file in options.files:
        found = kind.parse(file.read_text(encoding="utf-8"), str(file))
        print(f"{file}: {found.name}, {len(found.columns)} columns")
    return OK


def _rules_check(options: argparse.Namespace) -> int:
    print(f"{options.file}: {len(_load(options).rules)} rules")
    return OK


def _rules_show(options: argparse.Namespace) -> int:
    definitions = _load(options)
    found = next((rule for rule in definitions.rules if rule.name == options.name), None)
    if found is None:
        names = ", ".join(rule.name for rule in definitions.rules)
        print(f"no rule {options.name!r}; there are {names}", file=sys.stderr)
        return WRONG
    if options.sql:
        of = (found, definitions.sources[found.source].kind, definitions.references)
        print(f"{sql.views(*of)}\n{sql.insert(*of)};")
        return OK
    print(yaml.safe_dump(msgspec.to_builtins(found), sort_keys=False), end="")
    return OK


def _rules_test(options: argparse.Namespace) -> int:
    failed = 0
    for case, wrong in rule_tests.run(options.file):
        print(f"{'FAILED' if wrong else 'passed'}: {case.rule}: {case.name}")
        for line in wrong:
            print(f"    {line}")
        failed += bool(wrong)
    return WRONG if failed else OK


def _run(options: argparse.Namespace) -> int:
    from analytics_engine.service.loop import serve

    log.start(logging.WARNING)
    logging.getLogger("analytics-engine").setLevel(logging.INFO)
    serve(config.load(options.config))
    return OK


def _check(options: argparse.Namespace) -> int:
    found = config.load(options.config)
    Inputs(found).changed()
    return OK


def _status(options: argparse.Namespace) -> int:
    try:
        directory = config.load(options.config).state_directory
        become_owner(directory)
        found = status.read(directory)
    except (FileNotFoundError, msgspec.MsgspecError):
        found, faults = None, silence(None)
    else:
        faults = status.faults(found)
    if options.json:
        answer = (msgspec.to_builtins(found) if found else {}) | {"faults": faults}
        print(msgspec.json.encode(answer).decode())
    elif found:
        for name, stream in found.streams.items():
            decided = stream.decided_tick or "nothing yet"
            print(f"{name}: decided until {decided}, {stream.lag_seconds or 0} s ago")
        print(f"{found.lines_counted} lines counted, {found.alarms_sent} alarms sent")
        print(f"rules in force: {', '.join(found.rules) or 'none'}")
        for incident in found.open_incidents:
            print(f"open: {incident.rule} {incident.scope} since {incident.opened_at}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return WRONG if faults else OK
