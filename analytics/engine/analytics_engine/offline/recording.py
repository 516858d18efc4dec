"""Recorded lines: files as a log holds them, plain or compressed."""

import csv
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from analytics_engine.errors import InputError
from analytics_engine.offline import order
from analytics_engine.offline.files import File
from analytics_engine.records.clock import AHEAD_MS
from analytics_engine.records.kind import LineType, Sources
from analytics_engine.records.ticks import Ticks, milliseconds

BATCH = 5_000
EARLIEST = 946_684_800_000
"""2000-01-01T00:00:00Z, in milliseconds."""
SAMPLE = 100
"""Lines that tell what a file holds."""


class Unordered(Exception):
    """A line is older than one before it by more than the stream's lateness."""


class Recording:
    """One file: a JSON object a line, or without a header CSV by RFC 4180 or tab-separated."""

    def __init__(self, path: Path) -> None:
        """Raises InputError, OSError."""
        self.path = path
        self.ordered = True
        """Whether its lines are believed to stand in the order of their moments."""
        self.left_out: str | None = None
        """The first line that is not counted, and why; where the file is damaged, that."""
        self._file = File(path)
        with self._file.lines() as texts:
            self._head = list(islice(texts, SAMPLE))
        self._seconds: dict[str, int] = {}
        self._now = time.time() * 1000 + AHEAD_MS

    @property
    def is_empty(self) -> bool:
        """Whether no line could be read."""
        return not self._head

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        return self._file.position

    def sample(self, lines: LineType) -> int:
        """How many of the first lines are lines of that type."""
        return sum(line is not None for line in self._parsed(self._head, lines))

    def batches(self, lines: LineType, lateness_ms: int) -> Iterator[tuple[list[float], list[Any]]]:
        """When lines arrived, in seconds, and the lines, None for what is none.

        Raises Unordered where they are not as `ordered` says; else they are sorted first.
        """
        self.left_out = None
        with self._file.lines() as texts:
            if not self.ordered:
                texts = order.sort(self._timed(texts, lines))
            latest, lateness = 0.0, lateness_ms / 1000
            for _, parsed, moments in self._read(texts, lines):
                # Nobody noted when a line arrived: the latest moment until then stands for it.
                arrivals = []
                for moment in moments:
                    if moment > latest:
                        latest = moment
                    elif 0 < moment < latest - lateness:
                        raise Unordered
                    arrivals.append(latest)
                yield arrivals, parsed
        if self._file.damage:
            self.left_out = "; ".join(filter(None, (self._file.damage, self.left_out)))

    def _timed(self, texts: Iterator[str], lines: LineType) -> Iterator[order.Timed]:
        """The texts with their moments; what has none goes with the one before."""
        last = 0.0
        for some, _, moments in self._read(texts, lines):
            for line, moment in zip(some, moments, strict=True):
                last = moment or last
                yield last, line if line.endswith("\n") else f"{line}\n"

    def _read(
        self, texts: Iterator[str], lines: LineType
    ) -> Iterator[tuple[list[str], list[Any], list[float]]]:
        """Texts, the lines that they are (None for what is none), and their moments (0: none)."""
        seconds, tails, digits, count = self._seconds, Ticks.TAILS, "0123456789", 0
        while some := list(islice(texts, BATCH)):
            parsed = self._parsed(some, lines)
            moments: list[float] = []
            for line in parsed:
                moment = 0.0
                if line is not None:
                    text = line.moment
                    second = seconds.get(text[:19])
                    if (
                        second is None
                        or text[19:20] != "."
                        or text[20:21] not in digits
                        or text[Ticks.PREFIX :] not in tails
                    ):
                        moment = self._moment(text)
                    else:
                        moment = second + int(text[20:23]) / 1000
                if not moment:
                    parsed[len(moments)] = None
                    if self.left_out is None:
                        why = (
                            f"has an impossible moment, {line.moment[:40]!r}" if line else "is none"
                        )
                        self.left_out = f"line {count + len(moments) + 1} {why}"
                moments.append(moment)
            count += len(some)
            yield some, parsed, moments

    def _parsed(self, texts: Sequence[str], lines: LineType) -> list[Any]:
        # Most of the first lines tell: a comment, or half a line, may be the very first.
        if 2 * sum(text.startswith("{") for text in self._head) > len(self._head):
            return lines.decode([text.encode() for text in texts])
        width = len(lines.kind.columns)
        tabs = sum(text.count("\t") == width - 1 for text in self._head)
        split = _tab_separated if 2 * tabs >= len(self._head) else _csv
        rows = map(split, texts)
        made = [lines.struct(*lines.pick(row)) if len(row) == width else None for row in rows]
        return lines.normalised(made)

    def _moment(self, text: str) -> float:
        try:
            moment = milliseconds(text)
        except ValueError:
            return 0.0
        if not EARLIEST < moment < self._now:  # of a host without a clock, or with a wrong one
            return 0.0
        if text[Ticks.PREFIX :] in Ticks.TAILS:
            if len(self._seconds) > BATCH:
                self._seconds.clear()
            self._seconds[text[:19]] = moment // 1000
        return moment / 1000


def source_of(recording: Recording, sources: Sources) -> str:
    """The stream whose lines a file holds; InputError where they are of none.

    Where there is no line to tell, it does not matter which.
    """
    if len(sources) == 1 or recording.is_empty:
        return next(iter(sources))
    fitting = {
        name: recording.sample(LineType(source.kind, source.kind.decoded(())))
        for name, source in sources.items()
    }
    best = max(fitting, key=lambda name: fitting[name])
    if not fitting[best]:
        kinds = ", ".join(f"{name} ({source.kind.name})" for name, source in sources.items())
        raise InputError(f"{recording.path}: its lines are of none of the streams {kinds}")
    return best


def _tab_separated(text: str) -> list[str]:
    return text.rstrip("\r\n").split("\t")


def _csv(text: str) -> list[str]:
    if '"' not in text:  # mostly, and csv takes twice as long
        return text.rstrip("\r\n").split(",")
    if len(text) > csv.field_size_limit():
        csv.field_size_limit(len(text))
    try:
        return next(csv.reader([text]))
    except csv.Error:
        return []
