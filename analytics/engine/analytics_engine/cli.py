"""The command `analytics-engine`."""

import argparse
import logging
import sys
from pathlib import Path

import msgspec

from analytics_engine import config, status
from analytics_engine.inputs import InputError, Inputs, load
from analytics_engine.store import StoreError

OK, WRONG = 0, 1
RULES = Path("analytics/rules.yml")
REFERENCES_HELP = "CSV files of reference data (default: `reference` beside the rules)"


def main(arguments: list[str] | None = None) -> None:
    """Parse, do, exit."""
    options = _parser().parse_args(arguments)
    try:
        sys.exit(options.do(options))
    except (config.ConfigError, InputError, StoreError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(WRONG)


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
    check.add_argument("--references", type=Path, metavar="FOLDER", help=REFERENCES_HELP)
    return parser


def _rules_check(options: argparse.Namespace) -> int:
    rules, _ = load(options.file, options.references)
    print(f"{options.file}: {len(rules)} rules")
    return OK


def _run(options: argparse.Namespace) -> int:
    from analytics_engine.run import serve

    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("analytics-engine").setLevel(logging.INFO)
    serve(config.load(options.config))
    return OK


def _check(options: argparse.Namespace) -> int:
    found = config.load(options.config)
    Inputs(found).changed()
    return OK


def _status(options: argparse.Namespace) -> int:
    try:
        found = status.read(config.load(options.config).state_directory)
    except (FileNotFoundError, msgspec.MsgspecError):
        print("the engine has not said anything yet", file=sys.stderr)
        return WRONG
    wrong = status.problems(found)
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        print(
            f"decided until {found.decided_tick or 'nothing yet'}, {found.lag_seconds or 0} s ago"
        )
        print(f"{found.lines_counted} lines counted, {found.alarms_sent} alarms sent")
        for incident in found.open_incidents:
            print(f"open: {incident.rule} {incident.scope} since {incident.opened_at}")
    for problem in wrong:
        print(problem, file=sys.stderr)
    return WRONG if wrong else OK
