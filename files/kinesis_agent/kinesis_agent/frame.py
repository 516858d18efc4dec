"""Where records end: how much of what was read may be taken as whole records."""

import logging
import re
from itertools import pairwise
from typing import Protocol

from kinesis_agent.regex import Pattern

# An open quote longer than this is a stray one.
OPEN_LIMIT = 64 * 1024
# Lines that are so many bytes without the start of a record are one all the same: what is read next
# still fits into a record of either service.
START_LIMIT = 896 * 1024

log = logging.getLogger(__name__)

Stretch = tuple[bool, int, int]


class Framer(Protocol):
    """Finds the end of the last whole record."""

    # How many bytes the shortest character has.
    unit: int

    def cut(self, data: bytes, settled: bool = False) -> int:
        """Return the length of the whole records that data starts with.

        What is settled has seen no more for a while: a record that only might go on is whole.
        """

    def line_end(self, data: bytes) -> int:
        """Return where the first line ends; 0 where it does not."""


class Lines:
    """A record a line."""

    def __init__(self, newline: bytes = b"\n") -> None:
        self._newline, self.unit = newline, len(newline)

    def cut(self, data: bytes, settled: bool = False) -> int:  # noqa: ARG002
        size = len(self._newline)
        end = len(data)
        while (at := data.rfind(self._newline, 0, end)) >= 0:
            if at % size == 0:
                return at + size
            end = at + size - 1
        return 0

    def line_end(self, data: bytes) -> int:
        size, at = self.unit, data.find(self._newline)
        while at >= 0 and at % size:
            at = data.find(self._newline, at + 1)
        return at + size if at >= 0 else 0


class QuotedLines:
    """A record a line, save that a quoted field may hold line ends (RFC 4180)."""

    unit = 1

    def __init__(self, delimiter: str) -> None:
        mark = re.escape(delimiter).encode()
        quoted = rb'"(?:[^"]|"")*+'
        bare = rb"(?:[^\"\n" + mark + rb"][^\n" + mark + rb"]*+)?"
        fields = rb"(?:(?:" + quoted + rb'"|' + bare + rb")" + mark + rb")*+"
        self._record = re.compile(fields + rb"(?:" + quoted + rb'"|' + bare + rb")\r?\n")
        self._partial = re.compile(fields + rb"(?:" + quoted + rb'"?|' + bare + rb")\r?\Z")

    def line_end(self, data: bytes) -> int:
        return data.find(b"\n") + 1

    def cut(self, data: bytes, settled: bool = False) -> int:
        stretches = self.stretches(data, settled)
        return stretches[-1][2] if stretches else 0

    def stretches(self, data: bytes, settled: bool = True) -> list[Stretch]:
        """Split whole records into stretches: (has quotes, start, end), one record where so.

        A line whose quotes are not as RFC 4180 has them is a record of its own.
        """
        found = []
        at, limit = 0, data.rfind(b"\n") + 1
        while at < limit:
            quote = data.find(b'"', at, limit)
            if quote < 0:
                found.append((False, at, limit))
                break
            start = data.rfind(b"\n", at, quote) + 1 or at
            if start > at:
                found.append((False, at, start))
            match = self._record.match(data, start)
            if match:
                at = match.end()
            elif settled or len(data) - start > OPEN_LIMIT or not self._partial.match(data, start):
                at = data.index(b"\n", quote) + 1
            else:
                break
            found.append((True, start, at))
        return found


class MultiLine:
    """A record starts at each line that matches a pattern."""

    unit = 1

    def __init__(self, pattern: str) -> None:
        self._pattern, self._start = pattern, Pattern(pattern, lines=True)
        self._told = False

    def cut(self, data: bytes, settled: bool = False) -> int:
        whole = data.rfind(b"\n") + 1
        end = whole if settled else max(self.starts(data[:whole]), default=0)
        if end or whole < START_LIMIT:
            return end
        if not self._told:
            size = START_LIMIT // 1024
            log.warning("no line of %d KiB starts as %r has it: sent so", size, self._pattern)
            self._told = True
        return whole

    def line_end(self, data: bytes) -> int:
        return data.find(b"\n") + 1

    def starts(self, data: bytes) -> list[int]:
        """Return where records start, but for the first byte."""
        return [at for at in self._start.starts(data) if 0 < at < len(data)]

    def split(self, data: bytes) -> list[bytes]:
        """Split whole records."""
        marks = [0, *self.starts(data), len(data)]
        return [data[start:end] for start, end in pairwise(marks) if start < end]
