"""Where the commands print: results to stdout, all else to stderr."""

from typing import Any

from rich.console import Console
from rich.text import Text

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Terminal(Console):
    """Prints text as it stands: what that quotes from logs neither styles nor steers anything."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*map(_printable, objects), **options)


def printable(text: str) -> str:
    """The text with all but printable characters and ends of lines replaced."""
    return "".join(char if char.isprintable() or char == "\n" else REPLACEMENT for char in text)


def line(text: str) -> str:
    """The same on one line, for text that others wrote."""
    return printable(text).replace("\n", REPLACEMENT)


def _printable(printed: Any) -> Any:
    if isinstance(printed, str):
        return printable(printed)
    if isinstance(printed, Text):
        printed = printed.copy()
        printed.plain = printable(printed.plain)
    return printed


out, err = Terminal(), Terminal(stderr=True)


def error(message: str) -> None:
    err.print(message, style="red")


def clock(seconds: float) -> str:
    """Minutes and seconds, as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
