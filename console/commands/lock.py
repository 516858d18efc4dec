"""Lock all requirements anew: the control node's, and those of each host package and function."""

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from console.errors import ConsoleError
from console.stack import ROOT
from console.terminal import out

PYTHONS = ("3.11", "3.12", "3.13")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--upgrade", action="store_true", help="take newer versions than those locked now"
    )


def run(options: argparse.Namespace) -> int:
    for source, target, python in locks(ROOT):
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--generate-hashes"]
        command += ["--no-header", "--no-emit-index-url", "--python-version", python]
        command += ["--output-file", str(target.relative_to(ROOT))]
        command += ["--upgrade"] if options.upgrade else []
        # One Python's lock is for that one; the hosts' and functions' are for all of them.
        command += [] if target.stem.startswith("control") else ["--universal"]
        # What is built here is hashed where it is built.
        command += [f"--no-emit-package={name}" for name in _own(source)]
        command.append(str(source.relative_to(ROOT)))
        if subprocess.run(command, cwd=ROOT).returncode:
            raise ConsoleError(f"{source.relative_to(ROOT)} could not be locked")
        out.print(str(target.relative_to(ROOT)))
    return 0


def _own(source: Path) -> Iterable[str]:
    """The projects of this repository that one needs."""
    if source.name != "pyproject.toml":
        return ()
    return tomllib.loads(source.read_text()).get("tool", {}).get("uv", {}).get("sources", {})


def locks(root: Path) -> Iterator[tuple[Path, Path, str]]:
    """What is to be locked: the source, the lock file, and the oldest Python that it is for."""
    control = root / "requirements" / "control.in"
    for python in PYTHONS:
        yield control, control.with_name(f"control-py{python.replace('.', '')}.txt"), python
    yield root / "requirements" / "uv.in", root / "requirements" / "uv.txt", PYTHONS[0]
    for folder in ("files/*", "lambdas/*", "analytics/*"):
        for project in sorted(root.glob(f"{folder}/pyproject.toml")):
            yield project, project.with_name("requirements.txt"), PYTHONS[0]
    for source in sorted(root.glob("roles/*/requirements.in")):
        yield source, source.parent / "files" / "requirements.txt", PYTHONS[0]
