"""Files of lines, as people keep them: packed or not, standard input, pipes."""

import contextlib
import shutil
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO

from python_service import compression
from python_service.compression import CompressionError

from analytics_engine.errors import InputError

STANDARD_INPUT = Path("-")


class File:
    """Lines that may be read more than once; those of a pipe are kept on disk for it."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the path cannot be read."""
        self.path = path
        self.damage = ""
        """Why the lines ended before the file's end, once they did."""
        place = Path("/dev/stdin") if path == STANDARD_INPUT else path
        self._place = place
        self._kept: IO[bytes] | None = None
        self._raw: BufferedReader | None = None
        if not place.is_file():
            with place.open("rb") as pipe:
                self._kept = tempfile.NamedTemporaryFile()  # noqa: SIM115 (until this is gone)
                shutil.copyfileobj(pipe, self._kept)
                self._kept.flush()
            self._place = Path(self._kept.name)
        self.size = self._place.stat().st_size

    @property
    def position(self) -> int:
        """Bytes of the file that have been read."""
        if self._raw is None:
            return 0
        return self.size if self._raw.closed else self._raw.tell()

    @contextlib.contextmanager
    def lines(self) -> Iterator[Iterator[str]]:
        """The lines from the first on, with their ends. Raises InputError where there are none to
        be had, OSError; what is damaged later on ends them (`damage`).
        """
        with self._place.open("rb") as self._raw:
            try:
                unpacked = compression.unpacked(self._raw)
            except CompressionError as error:
                raise InputError(f"{self.path}: {error}") from error
            with TextIOWrapper(unpacked, "utf-8", errors="replace", newline="") as text:
                yield self._undamaged(unpacked, text)

    def _undamaged(self, unpacked: BufferedReader, text: TextIOWrapper) -> Iterator[str]:
        try:
            if unpacked.peek(len(BOM_UTF8)).startswith(BOM_UTF8):
                unpacked.read(len(BOM_UTF8))
            yield from text
        except CompressionError as error:
            self.damage = str(error)
