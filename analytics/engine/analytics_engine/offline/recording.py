"""Recorded lines: files as a log holds them, plain or compressed."""

import bz2
import csv
import gzip
import io
import lzma
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from analytics_engine.errors import InputError
from analytics_engine.offline import order
from analytics_engine.records.clock import AHEAD_MS
from analytics_engine.records.kind import LineType, Sources
from analytics_engine.records.ticks import Ticks, milliseconds

BATCH = 5_000
SAMPLE = 100
"""Lines that tell what a file holds."""
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open, b"BZ": bz2.open}


class Unordered(Exception):
    """A line is older than one before it by more than the stream's lateness."""


class Recording:
    """One file: a JSON object a line, or without a header CSV by RFC 4180 or tab-separated."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        self.ordered = True
        """Whether its lines are believed to stand in the order of their moments."""
        self.left_out: str | None = None
        """The first line that is not counted, and why."""
        raw, text = self._open()
        with raw, text:
            self._head = list(islice(text, SAMPLE))
        self._raw: io.BufferedReader | None = None
        self._size = path.stat().st_size
        self._seconds: dict[str, int] = {}
        self._now = time.time() * 1000 + AHEAD_MS

    def _open(self) -> tuple[io.BufferedReader, io.TextIOWrapper]:
        raw = self.path.open("rb")
        opened: Any = _COMPRESSED.get(raw.peek(2)[:2], lambda raw: raw)(raw)
        return raw, io.TextIOWrapper(opened, encoding="utf-8", errors="replace", newline="")

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        if self._raw is None:
            return 0
        return self._size if self._raw.closed else self._raw.tell()

    def sample(self, lines: LineType) -> int:
        """How many of the first lines are lines of that type."""
        return sum(line is not None for line in self._parsed(self._head, lines))

    def batches(self, lines: LineType, lateness_ms: int) -> Iterator[tuple[list[float], list[Any]]]:
        """When lines arrived, in seconds, and the lines, None for what is none.

        Raises Unordered where they are not as `ordered` says; else they are sorted first.
        """
        self.left_out = None
        self._raw, text = self._open()
        with self._raw, text:
            texts: Iterator[str] = text
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
        seconds, tails, count = self._seconds, Ticks.TAILS, 0
        while some := list(islice(texts, BATCH)):
            parsed = self._parsed(some, lines)
            moments: list[float] = []
            for line in parsed:
                moment = 0.0
                if line is not None:
                    text = line.moment
                    second = seconds.get(text[:19])
                    if second is None or text[19:20] != "." or text[Ticks.PREFIX :] not in tails:
                        moment = self._moment(text)
                    else:
                        moment = second + int(text[20:23]) / 1000
                if not moment:
                    parsed[len(moments)] = None
                    if self.left_out is None:
                        why = (
                            "is none"
                            if line is None
                            else f"has an impossible moment, {line.moment!r}"
                        )
                        self.left_out = f"line {count + len(moments) + 1} {why}"
                moments.append(moment)
            count += len(some)
            yield some, parsed, moments

    def _parsed(self, texts: Sequence[str], lines: LineType) -> list[Any]:
        first = self._head[0]
        if first.startswith("{"):
            return lines.decode([text.encode() for text in texts])
        width = len(lines.kind.columns)
        split = _tab_separated if first.count("\t") == width - 1 else _csv
        rows = map(split, texts)
        made = [lines.struct(*lines.pick(row)) if len(row) == width else None for row in rows]
        return lines.normalised(made)

    def _moment(self, text: str) -> float:
        try:
            moment = milliseconds(text)
        except ValueError:
            return 0.0
        if not 0 < moment < self._now:
            return 0.0
        if text[Ticks.PREFIX :] in Ticks.TAILS:
            if len(self._seconds) > BATCH:
                self._seconds.clear()
            self._seconds[text[:19]] = moment // 1000
        return moment / 1000


def source_of(recording: Recording, sources: Sources) -> str:
    """The stream whose lines a file holds; InputError where they are of none."""
    if len(sources) == 1:
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
    if '"' in text:  # seldom, and csv takes twice as long
        return next(csv.reader([text]))
    return text.rstrip("\r\n").split(",")
