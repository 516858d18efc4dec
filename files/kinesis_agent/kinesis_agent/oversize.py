"""Keeps the lines that no record can hold, in a folder of the state."""

import hashlib
import os
from pathlib import Path

from kinesis_agent.files import Id


class Oversize:
    """A file a line, named after the file, the place and the content that it came from."""

    def __init__(self, folder: Path, owner: str) -> None:
        """Owner tells the flows apart that keep lines in one folder."""
        self._folder = folder
        self._suffix = f".{hashlib.blake2b(owner.encode(), digest_size=4).hexdigest()}.part"
        self._open: dict[tuple[Id, int], hashlib.blake2b] = {}
        for part in folder.glob(f"*{self._suffix}"):
            part.unlink()  # of a process that was killed: the line is read again

    def keep(self, file: Id, start: int, data: bytes, last: bool) -> Path | None:
        """Keep a part of the line that starts there; return where, unless it was kept before.

        Nothing of the line is left behind where it cannot be kept: then raise OSError.
        """
        name = f"{file[0]}-{file[1]}-{start}"
        part = self._folder / f"{name}{self._suffix}"
        is_first = (file, start) not in self._open
        digest = self._open.setdefault((file, start), hashlib.blake2b(digest_size=8))
        digest.update(data)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with part.open("wb" if is_first else "ab") as out:
                out.write(data)
                if last:
                    out.flush()
                    os.fsync(out.fileno())
            if not last:
                return None
            path = self._folder / f"{name}-{digest.hexdigest()}"
            is_new = not path.exists()
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            del self._open[file, start]
            raise
        del self._open[file, start]
        return path if is_new else None
