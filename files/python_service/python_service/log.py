"""Lines for the journal, or for people: one an event, whatever text it quotes."""

import logging
import os
import sys
import threading

PRIORITIES = {logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
"""The journal's, by level; a level in between has that of the one below."""
LONGEST = 10_000
"""Characters: the journal would break a longer line in two, with a priority for the rest."""


class OneLine(logging.Formatter):
    """Puts the journal's priority first, and lets no text begin a line of its own.

    What a log quotes may come from strangers: a newline in it would be another entry, of a priority
    and with words of their choice.
    """

    def __init__(self, journal: bool) -> None:
        super().__init__("%(message)s" if journal else "%(levelname)s %(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """The event as one line; a traceback follows with its lines marked `\\n`."""
        said = super().format(record)
        text = "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode()
            for char in said[:LONGEST]
        )
        if len(said) > LONGEST:
            text += f" … and {len(said) - LONGEST} characters more"
        if not self._journal:
            return text
        level = max((known for known in PRIORITIES if known <= record.levelno), default=None)
        return f"<{7 if level is None else PRIORITIES[level]}>{text}"


def start(level: int = logging.INFO) -> None:
    """Log to standard error from `level` on, with priorities where the journal listens.

    There, what ends the service or a thread of it is one line as well.
    """
    journal = "JOURNAL_STREAM" in os.environ
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(journal))
    logging.basicConfig(level=level, handlers=[handler])
    if journal:
        sys.excepthook = lambda *error: logging.critical("not caught", exc_info=error)
        threading.excepthook = _thread_ended


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    if not issubclass(ended.exc_type, SystemExit):
        error = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        logging.critical("not caught in a thread", exc_info=error)
