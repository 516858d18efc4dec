"""The files in the directories of a pattern, and what their names say."""

import contextlib
import fnmatch
import glob
import os
import re
import time
from collections.abc import Iterable
from stat import S_ISREG

from msgspec import Struct

from kinesis_agent.files import Id, file_id, live_path
from kinesis_agent.java_glob import expand
from kinesis_agent.links import follow

# The file system's clock may be this coarse: what changed just now may change again within a tick.
TICK = 0.05
# A listing that took this long (CPU) is made so much less often that all of them take 2 %.
DEAR = 0.002
SHARE = 0.02


class Look(Struct, gc=False):
    """What is kept of what the system says of a file, under its names."""

    st_dev: int
    st_ino: int
    st_mtime_ns: int
    st_size: int


Present = dict[Id, tuple[str, Look]]


class Directory:
    """Looks again only where something was created, renamed or deleted, or after a while."""

    def __init__(self, pattern: str, refresh: float) -> None:
        self._patterns = [
            (directory, re.compile(fnmatch.translate(name)).match, name.startswith("."))
            for directory, name in map(os.path.split, expand(os.path.abspath(pattern)))
        ]
        self._refresh = refresh
        self._dates: dict[str, int] = {}
        self._listed: float | None = None
        self._cost = 0.0
        # By directory: the names there that are nobody's of ours.
        self._foreign: dict[str, set[str]] = {}
        # Where the links of the pattern lead to, and which of them lead there.
        self._links: dict[str, str] = {}
        # Directories that are there and could not be listed.
        self.unlisted: set[str] = set()

    def has_changed(self, now: float) -> bool:
        """Whether list() may find something new."""
        if self._listed is None or not 0 <= now - self._listed < self._refresh:
            return True
        if self._cost > DEAR and now - self._listed < self._cost / SHARE:
            return False
        return any(_date(path) != date for path, date in self._dates.items())

    def look_again(self) -> None:
        """Let has_changed() be true next time."""
        self._listed = None

    def list(self, now: float, more: Iterable[str], inodes: set[int], whole: set[str]) -> Present:
        """Return by identity the files that may be of the flow.

        Those are in the pattern's directories, in those that links of the pattern lead to, and in
        more: the files that match, the rotated ones, those with one of the inodes, and in the
        directories of whole all of them.
        """
        self._listed = now
        began, wall = time.thread_time(), time.time()
        directories = {directory for directory, _, _ in self._patterns}
        paths = {path for each in directories for path in glob.glob(each, recursive=True)}
        paths |= {*more}
        self._dates, self.unlisted = {}, set()
        foreign, self._foreign = self._foreign, {}
        before, self._links = self._links, {}
        present: Present = {}

        def look(directories: Iterable[str]) -> None:
            for directory in sorted(directories):
                date = _date(directory)
                self._dates[directory] = -2 if abs(wall - date / 1e9) < TICK else date
                self._foreign[directory] = foreign.get(directory, set())
                for path, status in self._files(directory, inodes, directory in whole):
                    known = present.get(file_id(status))
                    if known is None or not self.wants(known[0]):
                        present[file_id(status)] = (path, status)

        own = {path for path in paths if self._is_own(path)}
        look(own)
        look((paths | {os.path.dirname(target) for target in self._links}) - own)
        if self._links.keys() != before.keys():
            self._foreign.clear()
        self._cost = time.thread_time() - began
        return present

    def _files(self, directory: str, inodes: set[int], whole: bool) -> Iterable[tuple[str, Look]]:
        known, foreign = self._foreign[directory], set[str]()
        found = []
        try:
            with os.scandir(directory) as entries:
                for each in entries:
                    name, is_ours = each.name, whole or each.inode() in inodes
                    if name in known and not is_ours:
                        foreign.add(name)
                    else:
                        found.append((name, is_ours, each.is_symlink()))
        except FileNotFoundError:
            return
        except OSError:
            self.unlisted.add(directory)
            return
        real = os.path.realpath(directory)
        for name, is_ours, is_link in sorted(found):
            path = os.path.join(directory, name)
            is_wanted = self.wants(path)
            if not is_wanted and not self.has_rotated(path):
                foreign.add(name)
                if not is_ours:
                    continue
            try:
                status = os.stat(path)
            except OSError as error:
                if not isinstance(error, FileNotFoundError):
                    self.unlisted.add(directory)
                continue
            if not S_ISREG(status.st_mode):
                continue
            if is_wanted and (is_link or real != directory):
                self._note_link(path)
            yield (
                path,
                Look(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size),
            )
        self._foreign[directory] = foreign

    def _note_link(self, path: str) -> None:
        """Note where a link leads to, and take what was rotated there for the log's."""
        with contextlib.suppress(OSError), follow(path) as (_, target):
            self._links[target] = path

    def _is_own(self, directory: str) -> bool:
        return any(fnmatch.fnmatchcase(directory, where) for where, _, _ in self._patterns)

    def wants(self, path: str) -> bool:
        """Whether the pattern matches."""
        directory, name = os.path.split(path)
        return any(
            matches(name) is not None
            and (directory == where or glob.has_magic(where))
            and (hidden or not name.startswith("."))
            for where, matches, hidden in self._patterns
        )

    def has_rotated(self, path: str) -> bool:
        """Whether the name is what a rotator makes of one that the pattern matches."""
        live = live_path(path)
        return live != path and (live in self._links or self.wants(live))

    def lane(self, path: str) -> str:
        """Return the name of the log that the file is, or was, a part of."""
        live = live_path(path)
        return self._links.get(live, live)


def _date(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
