"""Keeps the lines that no record can hold, in a folder of the state."""

import hashlib
import os
from pathlib import Path


class Oversize:
    """A file a line, named after the file, the place and the content that it came from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[int, tuple[str, hashlib.blake2b]] = {}

    def keep(self, inode: int, start: int, data: bytes, last: bool) -> Path | None:
        """Keep a part of a line; return the file with the last part, unless it was kept before."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        is_first = inode not in self._open
        name, digest = self._open.setdefault(
            inode, (f"{inode}-{start}", hashlib.blake2b(digest_size=8))
        )
        digest.update(data)
        part = self._folder / f"{name}.part"
        with part.open("wb" if is_first else "ab") as file:
            file.write(data)
            if last:
                file.flush()
                os.fsync(file.fileno())
        if not last:
            return None
        del self._open[inode]
        path = self._folder / f"{name}-{digest.hexdigest()}"
        is_new = not path.exists()
        part.rename(path)
        return path if is_new else None
