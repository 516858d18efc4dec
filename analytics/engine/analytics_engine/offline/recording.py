"""Recorded lines: files as a log holds them, plain or compressed."""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from analytics_engine.errors import InputError
from analytics_engine.records.kind import LineType, Sources
from analytics_engine.records.ticks import Ticks, milliseconds

BATCH = 5_000
SAMPLE = 100
"""Lines that tell what a file holds."""
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open, b"BZ": bz2.open}


class Recording:
    """One file: a JSON object a line, or without a header CSV by RFC 4180 or tab-separated."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw = path.open("rb")
        self._size = path.stat().st_size
        opened: Any = _COMPRESSED.get(self._raw.peek(2)[:2], lambda raw: raw)(self._raw)
        self._text = io.TextIOWrapper(opened, encoding="utf-8", errors="replace", newline="")
        self._head = list(islice(self._text, SAMPLE))
        self._seconds: dict[str, int] = {}
        self._latest = 0.0

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        return self._size if self._raw.closed else self._raw.tell()

    def sample(self, lines: LineType) -> int:
        """How many of the first lines are lines of that type."""
        return sum(line is not None for line in self._parsed(self._head, lines))

    def batches(self, lines: LineType) -> Iterator[tuple[list[float], list[Any]]]:
        """When lines arrived, in seconds, and the lines, None for what is none."""
        with self._raw, self._text:
            texts = chain(self._head, self._text)
            while some := list(islice(texts, BATCH)):
                parsed = self._parsed(some, lines)
                yield self._arrivals(parsed), parsed

    def _parsed(self, texts: Sequence[str], lines: LineType) -> list[Any]:
        first = self._head[0]
        if first.startswith("{"):
            return lines.decode([text.encode() for text in texts])
        width = len(lines.kind.columns)
        split = _tab_separated if first.count("\t") == width - 1 else _csv
        rows = map(split, texts)
        made = [lines.struct(*lines.pick(row)) if len(row) == width else None for row in rows]
        return lines.normalised(made)

    def _arrivals(self, lines: Sequence[Any]) -> list[float]:
        """Nobody noted when a line arrived: the latest moment until then stands for it."""
        latest, seconds = self._latest, self._seconds
        arrivals = []
        for line in lines:
            if line is not None:
                text = line.moment
                second = seconds.get(text[:19])
                if second is None or text[19:20] != "." or text[Ticks.PREFIX :] not in Ticks.TAILS:
                    moment = self._moment(text)
                else:
                    moment = second + int(text[20:23]) / 1000
                if moment > latest:
                    latest = moment
            arrivals.append(latest)
        self._latest = latest
        return arrivals

    def _moment(self, text: str) -> float:
        try:
            moment = milliseconds(text)
        except (ValueError, OverflowError):
            return 0.0  # the engine counts it as unreadable
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
