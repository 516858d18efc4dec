"""The command line: every command is a module of console.commands."""

import argparse
import importlib
import os
from collections.abc import Sequence
from types import ModuleType

from console.errors import AWS_ERRORS, ConsoleError
from console.terminal import error

COMMANDS = (
    "up",
    "down",
    "scale",
    "status",
    "alarms",
    "report",
    "rejected",
    "logs",
    "verify",
    "rules",
    "records",
    "backtest",
    "test",
    "shell",
    "lock",
)


def main(argv: Sequence[str]) -> int:
    """Run the command that the arguments name; returns the exit code."""
    # Of a command that is named, only what it needs is loaded.
    names = argv[:1] if argv and argv[0] in COMMANDS else COMMANDS
    commands = {name: importlib.import_module(f"console.commands.{name}") for name in names}
    parser = build_parser(commands)
    try:
        # What follows these commands is another program's command line, its options included.
        if argv and hasattr(commands.get(argv[0]), "forward"):
            return commands[argv[0]].forward(list(argv[1:]))
        options = parser.parse_args(argv)
        if getattr(options, "inventory", None):
            if not os.path.exists(options.inventory):
                raise ConsoleError(f"There is no inventory {options.inventory}.")
            os.environ["ANSIBLE_INVENTORY"] = os.path.abspath(options.inventory)
        return commands[options.command].run(options)
    except ConsoleError as failure:
        error(str(failure))
        return 1
    except AWS_ERRORS as failure:
        error(f"{failure}\n`./surgewatch status` tells whether the stack runs.")
        return 1
    except KeyboardInterrupt:
        error("Stopped.")
        return 130


def build_parser(commands: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="surgewatch",
        description="Ships the logs of a web shop, and watches its orders and requests.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in commands.items():
        summary, _, more = (module.__doc__ or "").partition("\n")
        command = subparsers.add_parser(
            name,
            help=summary,
            description=f"{summary} {more}",
            add_help=not hasattr(module, "forward"),
        )
        if getattr(module, "USES_STACK", False):
            command.add_argument(
                "-i",
                "--inventory",
                metavar="PATH",
                default=os.environ.get("SURGEWATCH_INVENTORY"),
                help="inventory of the stack (or SURGEWATCH_INVENTORY; default: inventory/local)",
            )
        if hasattr(module, "arguments"):
            module.arguments(command)
    return parser
