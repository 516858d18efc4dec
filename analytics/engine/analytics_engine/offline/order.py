"""Lines in the order of their moments, however many: sorted runs on disk, merged."""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from operator import itemgetter
from typing import TextIO

RUN = 500_000
"""Lines that are sorted in memory at once."""

Timed = tuple[float, str]
"""The moment of a line, in seconds, and the line with its end."""
_moment = itemgetter(0)


def sort(lines: Iterable[Timed]) -> Iterator[str]:
    """The lines by moment; those of one moment stay in their order. Raises OSError."""
    with ExitStack() as files:
        runs = []
        some: list[Timed] = []
        for line in lines:
            some.append(line)
            if len(some) == RUN:
                some.sort(key=_moment)
                file = files.enter_context(
                    tempfile.TemporaryFile("w+", encoding="utf-8", newline="")
                )
                file.writelines(f"{moment!r} {text}" for moment, text in some)
                runs.append(file)
                some = []
        some.sort(key=_moment)
        yield from map(itemgetter(1), heapq.merge(*map(_read, runs), some, key=_moment))


def _read(file: TextIO) -> Iterator[Timed]:
    file.seek(0)
    for line in file:
        moment, _, text = line.partition(" ")
        yield float(moment), text
