"""What a release of a service is named after."""

import shutil
from pathlib import Path

import pytest

from plugins.modules.python_wheelhouse import digest, shared

ROOT = Path(__file__).parents[3]
SERVICES = [
    "files/log_generator",
    "files/kinesis_agent",
    "files/event_source",
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
