"""Hands a command to the analytics engine, which is installed in the project's environment."""

import os

from console.errors import ConsoleError
from console.stack import use_project


def become_engine(command: str, arguments: list[str]) -> int:
    use_project()
    try:
        os.execvp("analytics-engine", ["analytics-engine", command, *arguments])
    except OSError as error:
        raise ConsoleError(f"analytics-engine: {error.strerror}") from error
