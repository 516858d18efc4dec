"""Open a shell, or run a command, in the project's environment."""

import argparse
import os
import sys

from console.errors import ConsoleError
from console.stack import use_project

EXAMPLES = """usage: surgewatch shell [COMMAND...]

Opens a shell, or runs the command, in the project's environment: ansible-playbook, molecule,
pytest, and the project's own log-generator, kinesis-agent, event-source and analytics-engine.

  ./surgewatch shell ansible-playbook site.yml --check --diff
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "surgewatch shell [COMMAND...]"


def forward(command: list[str]) -> int:
    """Become the command."""
    if command[:1] in (["-h"], ["--help"]):
        print(EXAMPLES, end="")
        return 0
    use_project()
    argv = command or [os.environ.get("SHELL", "/bin/sh")]
    sys.stdout.flush()
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        raise ConsoleError(f"{argv[0]}: {error.strerror}") from error
