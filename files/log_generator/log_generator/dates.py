"""Dates as people write them: how a file does is decided once, by looking at all of it."""

import re
from datetime import datetime

from log_generator.errors import DatasetError

_DATE = re.compile(
    r"(?P<first>\d{4}|\d\d?|[A-Za-z]{3})(?P<mark>[-/. ])"
    r"(?P<second>\d\d?|[A-Za-z]{3})(?P=mark)(?P<third>\d{4}|\d\d?)"
    r"(?:[T ]\s*(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<seconds>\d\d)(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?(?:Z|\s?[-+]\d\d:?\d\d)?)?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR_FIRST = {"year-month-day": ("first", "second", "third")}
_YEAR_LAST = {
    "month/day/year": ("third", "first", "second"),
    "day/month/year": ("third", "second", "first"),
}
"""The groups of year, month and day. Where both fit alike the first is taken: the data set's."""
_CERTAIN = "2010-12-31 08:26"


class _Reading:
    """The dates of a file, as one of the orders has them."""

    def __init__(self, order: str, groups: tuple[str, str, str]) -> None:
        self.order = order
        self.wrong = ""
        """Place and text of the first date that is none in this order."""
        self.backwards = 0
        """How often one is earlier than the one before."""
        self._groups = groups
        self._last = datetime.min

    def look(self, match: re.Match[str], place: str) -> None:
        try:
            found = self.read(match)
        except ValueError:
            self.wrong = f"{place} has {match[0]!r}"
            return
        self.backwards += found < self._last
        self._last = found

    def read(self, match: re.Match[str]) -> datetime:
        """Raises ValueError where there is no such day or time."""
        year, month, day = (match[group] for group in self._groups)
        hour = int(match["hour"] or 0)
        if match["half"]:
            if not 1 <= hour <= 12:
                raise ValueError(match[0])
            hour = hour % 12 + 12 * (match["half"] in "Pp")
        return datetime(
            int(year) + (2000 if len(year) < 4 else 0),
            int(month) if month.isdecimal() else _MONTHS.index(month.lower()) + 1,
            int(day),
            hour,
            int(match["minute"] or 0),
            int(match["seconds"] or 0),
        )


class Dates:
    """All dates of a file are shown (`look`), then it is decided (`decide`), then they are `read`.

    Zones are passed over: a date is what the clock on the wall said.
    """

    def __init__(self) -> None:
        self.has_seconds = False
        self._readings: list[_Reading] = []
        self._shape = self._example = ""
        self._last: str | None = None
        self._moment = datetime.min

    def look(self, text: str, place: str) -> None:
        """Raises DatasetError with the place where the text is no date, or not as the others."""
        if text == self._last:
            return
        match = _DATE.fullmatch(text)
        if not match:
            raise DatasetError(f"{place}: {text!r} is no date; write it as {_CERTAIN}")
        orders = _YEAR_FIRST if len(match["first"]) == 4 else _YEAR_LAST
        shape = next(iter(orders)) + match["mark"]
        if not self._readings:
            self._readings = [_Reading(*order) for order in orders.items()]
            self._shape, self._example = shape, text
        fitting = [reading for reading in self._readings if not reading.wrong]
        for reading in fitting:
            reading.look(match, place)
        if shape != self._shape or all(reading.wrong for reading in fitting):
            raise DatasetError(
                f"{place}: {text!r} is no date as those before, {fitting[0].order} as in "
                f"{self._example!r}; write all dates in one way, best as {_CERTAIN}"
            )
        self.has_seconds |= (match["seconds"] or "00") != "00"
        self._last = text
        if len(fitting) == 1:
            self._example = text

    def decide(self) -> str:
        """Choose the order, and say which and why."""
        fitting = [reading for reading in self._readings if not reading.wrong]
        fitting.sort(key=lambda reading: reading.backwards)
        chosen = fitting[0]
        if len(fitting) == 1:
            why = "".join(f" ({other.wrong})" for other in self._readings if other.wrong)
        elif fitting[0].backwards < fitting[1].backwards:
            why = f", in which they go back least often; if that is wrong, write them as {_CERTAIN}"
        else:
            if self._shape.endswith("."):
                chosen = fitting[1]
            why = f", though nothing in them tells; if that is wrong, write them as {_CERTAIN}"
        self._readings = [chosen]
        self._last = None
        return f"dates are {chosen.order}{why}"

    def read(self, text: str) -> datetime:
        """What a text that was shown says."""
        if text != self._last:
            match = _DATE.fullmatch(text)
            assert match
            self._moment, self._last = self._readings[0].read(match), text
        return self._moment
