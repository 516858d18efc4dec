"""What a host has that roles put there, so that one look tells whether it is as they left it."""

from __future__ import annotations

import grp
import hashlib
import os
import platform
import pwd
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

State = dict[str, dict[str, str]]
"""By kind (system, file, account, package, unit), what each thing of it is like, by its name."""
Say = Callable[..., str]
"""Runs a command and answers with what it prints."""

DPKG = Path("/var/lib/dpkg/status")
UNIT_PROPERTIES = ("Id", "ActiveState", "UnitFileState", "TriggeredBy")


def read(trees: Iterable[Path], folders: Iterable[Path], units: Iterable[str], say: Say) -> State:
    """The state as it is now; of `folders` what they are like, but not what is in them."""
    files = {name: value for each in trees for name, value in tree(each)}
    files |= {str(folder): _describe(folder) for folder in folders if folder.is_dir()}
    return {
        "system": _system(),
        "file": files,
        "account": _accounts(),
        "package": _packages(say),
        "unit": _units(units, say),
    }


def differences(before: State, now: State) -> list[str]:
    """What is not as it was, a line each."""
    found = []
    for kind in sorted({*before, *now}):
        old, new = before.get(kind, {}), now.get(kind, {})
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                was, has = old.get(name, "not there"), new.get(name, "not there")
                found.append(f"{kind} {name}: was {was}, is {has}")
    return found


def tree(path: Path) -> Iterator[tuple[str, str]]:
    """A path and all in it. Beside a link `current` other releases stay, which nothing reads."""
    try:
        yield str(path), _describe(path)
    except FileNotFoundError:
        return
    if path.is_symlink() or not path.is_dir():
        return
    current = path / "current"
    inner = [current, path / os.readlink(current)] if current.is_symlink() else path.iterdir()
    for each in sorted(inner):
        if each.name != "__pycache__":  # Python makes it anew, whoever runs a program
            yield from tree(each)


def _describe(path: Path) -> str:
    """Kind, mode, owner and group of a file, and what is in it."""
    found = path.lstat()
    text = f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid}"
    if stat.S_ISLNK(found.st_mode):
        return f"{text} to {os.readlink(path)}"
    if stat.S_ISREG(found.st_mode):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return f"{text} {digest.hexdigest()}"
    return text


def _system() -> dict[str, str]:
    version = ".".join(map(str, sys.version_info[:2]))
    release = Path("/etc/os-release").read_text().splitlines()
    lines = [line for line in release if line.startswith(("ID=", "VERSION_ID="))]
    return {"os": " ".join(lines), "python": version, "machine": platform.machine()}


def _accounts() -> dict[str, str]:
    groups = grp.getgrall()
    found = {f"group {group.gr_name}": str(group.gr_gid) for group in groups}
    for user in pwd.getpwall():
        member = sorted(group.gr_name for group in groups if user.pw_name in group.gr_mem)
        found[f"user {user.pw_name}"] = (
            f"{user.pw_uid}:{user.pw_gid} {user.pw_dir} {user.pw_shell} {','.join(member)}".strip()
        )
    return found


def _packages(say: Say) -> dict[str, str]:
    """The version of each package, with its state where it is not just installed."""
    if not DPKG.exists():
        listed = say("rpm", "-qa", "--queryformat", "%{NAME}.%{ARCH} %{VERSION}-%{RELEASE}\\n")
        return dict(line.split(" ", 1) for line in sorted(listed.splitlines()))
    found = {}
    for stanza in DPKG.read_text(errors="replace").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if _is_wanted(line))
        if "Version" in fields:
            installed = fields["Status"] == "install ok installed"
            state = "" if installed else f", {fields['Status']}"
            found[f"{fields['Package']}:{fields['Architecture']}"] = fields["Version"] + state
    return found


def _is_wanted(line: str) -> bool:
    return line.startswith(("Package: ", "Status: ", "Architecture: ", "Version: "))


def _units(patterns: Iterable[str], say: Say) -> dict[str, str]:
    """Whether units are active and enabled, but for services that a timer starts."""
    found = {}
    listed = say("systemctl", "show", f"--property={','.join(UNIT_PROPERTIES)}", *patterns)
    for block in listed.strip().split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if unit and not unit.get("TriggeredBy"):
            enabled = unit.get("UnitFileState") or "no file"
            found[unit["Id"]] = f"{unit.get('ActiveState', '')}, {enabled}"
    return found
