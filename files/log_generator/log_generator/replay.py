"""Which line comes next: the host's slices, in the order of the data set, pass after pass.

A place in the endless sequence is one number: (pass - 1) * rows + row. Each slice has its own, so
that it can be handed to another host; a host always writes the line with the lowest place next.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from log_generator import slices
from log_generator.prepared import LAST, PREFIX, Prepared

_TIME = PREFIX - len(LAST)

Position = tuple[int, int]  # pass (from 1) and row (from 0) of the next line


class Line(NamedTuple):
    place: int
    recorded: int  # ms since the first row, by the dates of the data set
    invoice: bytes
    body: bytes
    last: bool  # of its invoice


class Lookahead:
    """Lines of which those that follow may be looked at before their turn."""

    _FURTHEST = 5_000  # the data set's longest invoice has 1,114

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self._ahead: deque[Line] = deque()

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return self._ahead.popleft() if self._ahead else next(self._lines)

    def invoice(self, line: Line) -> list[Line]:
        """The line that came last, and the others of its invoice, as far as they are near."""
        found, seen = [line], 0
        while not found[-1].last and seen < self._FURTHEST:
            if seen == len(self._ahead):
                self._ahead.append(next(self._lines))
            if self._ahead[seen].invoice == line.invoice:
                found.append(self._ahead[seen])
            seen += 1
        return found


class Replay:
    def __init__(
        self, prepared: Prepared, owned: Iterable[int], positions: Mapping[int, Position]
    ) -> None:
        self._prepared = prepared
        self._rows = prepared.header.rows
        self._known = {number: self._place(position) for number, position in positions.items()}
        self._owned = {number: self._known.get(number, 0) for number in owned}
        self._next = min(self._owned.values(), default=0)

    def __iter__(self) -> Iterator[Line]:
        """The lines from the positions on; ends only where the slices hold no row at all."""
        begin = {b"%04d" % number: place for number, place in self._owned.items()}
        never = float("inf")
        furthest = max(self._owned.values(), default=0)
        rows = self._rows
        turn, start = divmod(self._next, rows)
        found = bool(begin)
        while found:
            # A pass without a line of theirs is no end while a slice stands in a later one.
            found = start > 0 or (turn + 1) * rows <= furthest
            base = turn * rows
            suffix = b".%d" % (turn + 1) if turn else b""
            for place, text in enumerate(self._prepared.lines(start), base + start):
                if begin.get(text[:4], never) <= place:
                    found = True
                    end = text.find(text[-2:-1])  # the separator stands at the end of the body
                    invoice = text[PREFIX:end] + suffix
                    body = invoice + text[end:-1]
                    yield Line(place, int(text[4:_TIME]), invoice, body, text[_TIME:PREFIX] == LAST)
            turn, start = turn + 1, 0

    def written(self, place: int) -> None:
        """The line at this place stands in the log."""
        self._next = place + 1

    def positions(self) -> dict[int, Position]:
        """Of every slice that this host has ever had, where its next owner goes on."""
        owned = {number: max(place, self._next) for number, place in self._owned.items()}
        return {
            number: (place // self._rows + 1, place % self._rows)
            for number, place in sorted((self._known | owned).items())
        }

    def _place(self, position: Position) -> int:
        turn, row = position
        return (turn - 1) * self._rows + row


def without_turn(invoice: str) -> str:
    """An invoice's number as it is in the data set, whichever pass it is of."""
    return invoice.partition(".")[0]


def pack(positions: Mapping[int, Position]) -> dict[str, Position]:
    """Positions as they are stored: slices that stand at the same place together."""
    together: dict[Position, list[int]] = {}
    for number, position in positions.items():
        together.setdefault(position, []).append(number)
    return {slices.render(numbers): position for position, numbers in together.items()}


def unpack(stored: Mapping[str, Position]) -> dict[int, Position]:
    return {number: position for text, position in stored.items() for number in slices.parse(text)}
