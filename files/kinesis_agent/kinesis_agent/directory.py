"""The files in the directories of a pattern, and what their names say."""

import fnmatch
import glob
import os
from collections.abc import Iterable
from stat import S_ISREG

from kinesis_agent.files import Id, file_id, live_path
from kinesis_agent.java_glob import expand

# The file system's clock may be this coarse: what changed just now may change again within a tick.
TICK = 0.05

Present = dict[Id, tuple[str, os.stat_result]]


class Directory:
    """Looks again only where something was created, renamed or deleted, or after a while."""

    def __init__(self, pattern: str, refresh: float) -> None:
        self._patterns = [os.path.split(each) for each in expand(os.path.abspath(pattern))]
        self._refresh = refresh
        self._dates: dict[str, int] = {}
        self._listed = 0.0

    def has_changed(self, wall: float) -> bool:
        """Whether list() may find something new."""
        if not 0 <= wall - self._listed < self._refresh:
            return True
        return any(_date(path) != date for path, date in self._dates.items())

    def list(self, wall: float, more: Iterable[str]) -> Present:
        """Return the regular files of the pattern's directories and of more, by identity."""
        self._listed = wall
        directories = {directory for directory, _ in self._patterns}
        paths = {path for each in directories for path in glob.glob(each, recursive=True)}
        paths |= {*more}
        recent = int((wall - TICK) * 1e9)
        self._dates = {path: date if (date := _date(path)) < recent else -2 for path in paths}
        present: Present = {}
        for directory in sorted(paths):
            for path, status in _regular_files(directory):
                known = present.get(file_id(status))
                if known is None or not self.wants(known[0]):
                    present[file_id(status)] = (path, status)
        return present

    def wants(self, path: str) -> bool:
        """Whether the pattern matches."""
        directory, name = os.path.split(path)
        return any(
            fnmatch.fnmatchcase(name, wanted)
            and (directory == where or glob.has_magic(where))
            and (wanted.startswith(".") or not name.startswith("."))
            for where, wanted in self._patterns
        )

    def has_rotated(self, path: str) -> bool:
        """Whether the name is what a rotator makes of one that the pattern matches."""
        live = live_path(path)
        return live != path and self.wants(live)


def _regular_files(directory: str) -> Iterable[tuple[str, os.stat_result]]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        try:
            status = os.stat(path)
        except OSError:
            continue
        if S_ISREG(status.st_mode):
            yield path, status


def _date(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
