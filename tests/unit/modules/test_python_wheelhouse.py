"""What a release of a service is named after."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from plugins.modules.python_wheelhouse import digest, sha256, shared

ROOT = Path(__file__).parents[3]
SERVICES = [
    "files/log_generator",
    "files/kinesis_agent",
    "files/event_source",
    "files/shop",
    "analytics/engine",
]


@pytest.mark.parametrize("service", SERVICES)
def test_a_change_of_what_services_share_is_a_release_of_each(service: str, tmp_path: Path) -> None:
    unpacked = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for project in (service, "files/python_service"):
        shutil.copytree(ROOT / project, tmp_path / project, ignore=unpacked)
    source = tmp_path / service

    def release() -> str:
        return digest([source, *shared(source)], "3.11", "x86_64")

    before = release()
    package = tmp_path / "files/python_service/python_service"
    (package / "__pycache__").mkdir()
    (package / "__pycache__/log.pyc").touch()
    assert release() == before
    with (package / "log.py").open("a") as file:
        file.write("# changed\n")
    assert release() != before


def test_an_archive_that_is_another_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """By the role's own check: the checksum comes from the control node, not from the archive."""
    archive = tmp_path / "wheels.tar.gz"
    archive.write_bytes(b"built")
    known = sha256(archive)
    tasks = yaml.safe_load((ROOT / "roles/python_service/tasks/release.yml").read_text())
    (block,) = [task["block"] for task in tasks if "block" in task]
    names = [task["name"] for task in block]
    check = names.index("Refuse another archive than was built")
    assert check < names.index("Unpack the wheels")
    command = block[check]["ansible.builtin.command"]["argv"]

    def refused() -> bool:
        return bool(subprocess.run(command, input=f"{known}  {archive}", text=True).returncode)

    assert not refused()
    archive.write_bytes(b"another")
    assert refused()
