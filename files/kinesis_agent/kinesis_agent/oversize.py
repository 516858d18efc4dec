"""Keeps the lines that no record can hold, in a folder of the state."""

import os
from pathlib import Path


class Oversize:
    """A file a line, named after the file and the place that it came from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[int, Path] = {}

    def keep(self, inode: int, start: int, data: bytes, last: bool) -> Path | None:
        """Keep a part of a line; once its last part is on the disk return the file."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        is_first = inode not in self._open
        path = self._open.setdefault(inode, self._folder / f"{inode}-{start}")
        part = path.with_name(f"{path.name}.part")
        with part.open("wb" if is_first else "ab") as file:
            file.write(data)
            if last:
                file.flush()
                os.fsync(file.fileno())
        if not last:
            return None
        del self._open[inode]
        return part.rename(path)
