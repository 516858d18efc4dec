"""What a pattern finds on this host, and what keeps it from being read."""

import fnmatch
import glob
import os
from collections.abc import Iterator
from stat import S_ISDIR, S_ISREG

from msgspec import Struct

from kinesis_agent.java_glob import expand
from kinesis_agent.links import follow


class Sight(Struct):
    """How many files match, and a sentence for each problem.

    Those are: what else the pattern names; the directories that this process has no right to see;
    the files that it may not read, of which their reader tells, too.
    """

    files: int = 0
    unfit: list[str] = []
    hidden: list[str] = []
    unreadable: list[str] = []

    @property
    def problems(self) -> list[str]:
        """All of them."""
        return self.unfit + self.hidden + self.unreadable


def look(pattern: str) -> Sight:
    """Look at the pattern's files, with the rights of this process."""
    sight = Sight()
    for each in expand(pattern):
        directory, name = os.path.split(each)
        if glob.has_magic(each):
            for found in glob.glob(directory, recursive=True) or [directory]:
                is_linked = os.path.realpath(found) != os.path.abspath(found)
                for path in _matches(found, name, sight):
                    _look_at(path, sight, is_linked or os.path.islink(path))
        else:
            _look_at(each, sight, is_linked=True, is_named=True)
    sight.hidden = list(dict.fromkeys(sight.hidden))
    return sight


def _matches(directory: str, name: str, sight: Sight) -> Iterator[str]:
    try:
        names = os.listdir(directory)
    except OSError as error:
        if isinstance(error, PermissionError):
            sight.hidden.append(f"{_closed(directory)} may not be looked into")
        return
    if not os.access(directory, os.X_OK):
        sight.hidden.append(f"{directory} may not be looked into")
        return
    for each in fnmatch.filter(names, name):
        if name.startswith(".") or not each.startswith("."):
            yield os.path.join(directory, each)


def _look_at(path: str, sight: Sight, is_linked: bool, is_named: bool = False) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if isinstance(error, PermissionError):
            sight.hidden.append(f"{_closed(os.path.dirname(path))} may not be looked into")
        return
    if S_ISREG(mode):
        sight.files += 1
        if not os.access(path, os.R_OK):
            sight.unreadable.append(f"{path} may not be read")
        elif is_linked and (reason := _distrust(path)):
            sight.unreadable.append(f"{path} is not followed: {reason}")
    elif not S_ISDIR(mode):
        sight.unfit.append(f"{path} is no regular file and is not read")
    elif is_named:
        sight.unfit.append(f"{path} is a directory; its files would be {path}/*")


def _distrust(path: str) -> str:
    """Return why a link on the way to a file does not count, if one does not."""
    try:
        with follow(path):
            return ""
    except PermissionError as error:
        return error.strerror
    except OSError:
        return ""


def _closed(path: str) -> str:
    """Return the directory that may not be looked into, of those on the way to it and itself."""
    while not os.path.lexists(path) and path != "/":
        path = os.path.dirname(path)
    return path
