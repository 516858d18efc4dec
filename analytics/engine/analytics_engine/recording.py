"""Recorded order lines: files as the log generator writes them, plain or compressed."""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from analytics_engine.line import COLUMNS, milliseconds

BATCH = 5_000
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open, b"BZ": bz2.open}


class Recording:
    """One file: CSV by RFC 4180 or tab-separated, without a header."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self._size = path.stat().st_size
        opened: Any = _COMPRESSED.get(self._raw.peek(2)[:2], lambda raw: raw)(self._raw)
        self._text = io.TextIOWrapper(opened, encoding="utf-8", errors="replace", newline="")
        self._seconds: dict[str, int] = {}
        self._latest = 0.0

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        return self._size if self._raw.closed else self._raw.tell()

    def batches(self, line: Any) -> Iterator[tuple[list[float], list[Any]]]:
        """When lines arrived, and the lines as the struct given, None for what is none."""
        fields = itemgetter(*(COLUMNS.index(name) for name in line.__struct_fields__))
        width = len(COLUMNS)
        with self._raw, self._text:
            first = self._text.readline()
            tabs = first.count("\t") == width - 1
            rows = map(
                _tab_separated if tabs else _csv, chain([first] if first else [], self._text)
            )
            while some := list(islice(rows, BATCH)):
                lines = [line(*fields(row)) if len(row) == width else None for row in some]
                yield self._arrivals(lines), lines

    def _arrivals(self, lines: Sequence[Any]) -> list[float]:
        """Nobody noted when a line arrived: the latest EventTime until then stands for it."""
        latest, seconds = self._latest, self._seconds
        arrivals = []
        for line in lines:
            if line is not None:
                text = line.EventTime
                second = seconds.get(text[:19])
                if second is None or len(text) != 24:
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
        if len(text) == 24 and text[23] == "Z":
            if len(self._seconds) > BATCH:
                self._seconds.clear()
            self._seconds[text[:19]] = moment // 1000
        return moment / 1000


def _tab_separated(text: str) -> list[str]:
    return text.rstrip("\r\n").split("\t")


def _csv(text: str) -> list[str]:
    if '"' in text:  # seldom, and csv takes twice as long
        return next(csv.reader([text]))
    return text.rstrip("\r\n").split(",")
