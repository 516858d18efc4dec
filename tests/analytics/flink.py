"""Flink on this machine, running the zip that is shipped over recorded lines.

Installing it takes 850 MB: only with --full.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VERSION = "apache-flink==2.2.1"


@dataclass(frozen=True)
class Flink:
    """Give it `rules.yml`, `reference/` and `<source>/*.json` in its folder."""

    python: Path
    folder: Path

    def alarms(self) -> Iterator[dict[str, Any]]:
        """Run the job to its end."""
        folder = self.folder
        zipfile.ZipFile(package(folder)).extractall(folder / "app")
        properties = {
            "tables": "files",
            **{name: f"file://{folder}/{name}" for name in ("orders", "access", "alarms")},
        }
        groups = [{"PropertyGroupId": "surgewatch", "PropertyMap": properties}]
        (folder / "properties.json").write_text(json.dumps(groups))
        subprocess.run(
            [self.python, folder / "app/main.py", folder / "properties.json"], check=True
        )
        for file in (folder / "alarms").rglob("*"):
            if file.is_file():
                yield from map(json.loads, file.read_text().splitlines())


def package(folder: Path) -> Path:
    """The zip of a folder's rules, by the packer that is shipped; no connector is needed here."""
    (folder / "connector.jar").write_bytes(b"a jar")
    (folder / "reference").mkdir(exist_ok=True)
    options = ["--rules", folder / "rules.yml", "--references", folder / "reference"]
    made = packer(*options, *connector(folder / "connector.jar"), "--output", folder)
    return Path(made["package"])


def connector(jar: str | Path) -> list[str | Path]:
    """The options that name a connector, and what it is."""
    digest = hashlib.sha256(Path(jar).read_bytes()).hexdigest()
    return ["--connector-jar", jar, "--connector-sha256", digest]


def packer(*options: str | Path) -> dict[str, Any]:
    """What package.py says; CalledProcessError where it refuses."""
    command = [sys.executable, ROOT / "analytics/flink/package.py", *options]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return json.loads(done.stdout)


def install() -> Path:
    """The Python of an environment with PyFlink, made once."""
    home = ROOT / ".cache" / "flink-2.2.1"
    if not (home / "complete").exists():
        uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
        pip = [uv, "pip", "install", "-q", "--compile-bytecode", "-p", home / "bin/python"]
        subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, home], check=True)
        subprocess.run([*pip, VERSION], check=True)
        (home / "complete").touch()
    return home / "bin" / "python"


@pytest.fixture
def flink(full: bool, tmp_path: Path) -> Flink:
    if not full:
        pytest.skip("Flink is only installed with --full")
    return Flink(install(), tmp_path)
