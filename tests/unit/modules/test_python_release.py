"""What a release of a service is named after, and that a host has it whole or not at all."""

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from plugins.modules import host_release, python_release
from plugins.modules.python_release import digest, shared

ROOT = Path(__file__).parents[3]
PYTHON = ".".join(map(str, sys.version_info[:2]))
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


@pytest.fixture
def run(capsys):
    """Run a module; answer with what it says, failed or not."""

    def run_module(module, check=False, **arguments):
        arguments |= {"_ansible_check_mode": check}
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("release")


@pytest.fixture
def made(run, folder):
    """A release of the log generator for this machine, made once."""
    return run(
        python_release,
        source=str(ROOT / "files/log_generator"),
        home=str(folder / "log_generator"),
        python=PYTHON,
        machine=platform.machine(),
        dest=str(folder / "build"),
    )


@pytest.fixture
def install(run, made, folder):
    """Bring a release to this host, and unpack it."""

    def install_release(check=False, archive=made["path"]):
        home = folder / "log_generator"
        home.mkdir(exist_ok=True)
        brought = shutil.copy(archive, home / "release.tar.gz")
        place = {"home": str(home), "release": made["release"]}
        python = shutil.which(f"python{PYTHON}")
        arguments = {"archive": str(brought), "sha256": made["sha256"], "python": python}
        return run(host_release, check, **place, **arguments)

    return install_release


def test_a_release_needs_no_more_than_python(run, made, install, folder):
    home = folder / "log_generator"
    look = {"home": str(home), "release": made["release"]}
    found = run(host_release, **look)
    assert (found["changed"], found["current"], found["whole"]) == (False, "", False)
    assert install(check=True)["changed"]
    assert not (home / made["release"]).exists()
    assert install()["changed"]
    (home / "current").symlink_to(made["release"])
    found = run(host_release, **look)
    assert (found["current"], found["whole"]) == (made["release"], True)
    assert {path.name for path in home.iterdir()} == {"current", made["release"]}

    command = home / "current/bin/log-generator"
    if not Path(f"/usr/bin/python{PYTHON}").exists():
        pytest.skip("this machine's Python is not where a host's is")
    help_ = subprocess.run([command, "--help"], capture_output=True, text=True, check=True, env={})
    assert "log-generator" in help_.stdout
    prefix = "import sys, msgspec; print(sys.prefix, msgspec.__file__)"
    python = subprocess.run(
        [home / "current/bin/python", "-c", prefix], capture_output=True, text=True, check=True
    )
    assert all(place.startswith(str(home)) for place in python.stdout.split())
    assert run(host_release, **look)["whole"], "what Python keeps compiled is no change"


@pytest.mark.parametrize(
    "change",
    [
        f"echo '#' >> lib/python{PYTHON}/site-packages/log_generator/cli.py",
        "chmod 777 bin/log-generator",
        "rm pyvenv.cfg",
        f"touch lib/python{PYTHON}/site-packages/sitecustomize.py",
        "rm .sum",
    ],
)
def test_a_release_that_is_not_whole_is_replaced(run, made, install, folder, change):
    install()
    look = {"home": str(folder / "log_generator"), "release": made["release"]}
    there = folder / "log_generator" / made["release"]
    assert run(host_release, **look)["whole"]
    subprocess.run(["sh", "-c", change], check=True, cwd=there)
    assert not run(host_release, **look)["whole"]
    assert install()["changed"]
    assert run(host_release, **look)["whole"]
    assert not install()["changed"]


def test_an_archive_that_is_another_is_refused_before_it_is_unpacked(install, folder, tmp_path):
    shutil.rmtree(folder / "log_generator", ignore_errors=True)
    another = tmp_path / "another.tar.gz"
    another.write_bytes(b"another")
    found = install(archive=another)
    assert found["failed"]
    assert "is another archive than was built" in found["msg"]
    assert [path.name for path in (folder / "log_generator").iterdir()] == ["release.tar.gz"]


def test_what_did_not_change_is_not_made_again(made, folder):
    assert not made["changed"]
    assert len(list((folder / "build").glob("*.tar.gz"))) == 1
