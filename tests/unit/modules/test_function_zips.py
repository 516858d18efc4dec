"""function_zips: archives that are the same bytes, hold what a function needs, and no more."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from plugins.modules import function_zips as module

ROOT = Path(__file__).parents[3]
PROJECT = '[project]\nname = "greet"\n[tool.surgewatch]\nservices = ["sns"]\n'


def locked(project: str, package: str) -> str:
    """What a project's lock says of one package."""
    lock = (ROOT / project / "requirements.txt").read_text()
    return next(one for one in re.split(r"\n(?=\S)", lock) if one.startswith(f"{package}=="))


@pytest.fixture
def source(tmp_path):
    """A folder with one function, which depends on one small package."""
    folder = tmp_path / "lambdas"
    files = {
        "common/__init__.py": "",
        "greet/__init__.py": "",
        "greet/handler.py": "GREETING = 'hello'\n",
        "greet/pyproject.toml": PROJECT,
        "greet/requirements.txt": locked("lambdas/order_writer", "jmespath"),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def pack(run, source, tmp_path):
    def run_module(**arguments):
        return run(module, source=str(source), dest=str(tmp_path / "build"), **arguments)

    return run_module


def test_an_archive_is_built_once(pack):
    first = pack()
    assert first["built"] == ["greet"]
    second = pack()
    assert (second["changed"], second["built"], second["paths"]) == (False, [], first["paths"])


def test_an_archive_is_the_same_bytes_whenever_it_is_built(pack, source):
    path = Path(pack()["paths"]["greet"])
    first = path.read_bytes()
    path.unlink()
    for file in source.rglob("*"):
        os.utime(file, (10**9, 10**9))
        file.chmod(0o700)
    assert pack()["paths"]["greet"] == str(path)
    assert path.read_bytes() == first


def test_what_changed_is_built_anew_and_the_old_one_removed(pack, source):
    old = Path(pack()["paths"]["greet"])
    (source / "common" / "more.py").write_text("MORE = 1\n")
    new = Path(pack()["paths"]["greet"])
    assert new != old
    assert not old.exists()
    with zipfile.ZipFile(new) as archive:
        assert "common/more.py" in archive.namelist()


def test_it_holds_what_is_needed_and_no_more(pack, source):
    lock = locked("lambdas/order_writer", "botocore")
    (source / "greet" / "requirements.txt").write_text(lock)
    with zipfile.ZipFile(pack()["paths"]["greet"]) as archive:
        names = archive.namelist()
    assert "greet/handler.py" in names
    models = {
        Path(name).parts[2]
        for name in names
        if name.startswith("botocore/data/") and name.count("/") > 2
    }
    assert models == {"sns"}
    assert "botocore/data/endpoints.json" in names
    unwanted = re.compile(r"\.dist-info/|^bin/|__pycache__|pyproject\.toml|requirements\.txt")
    assert [name for name in names if unwanted.search(name)] == []


def test_more_than_pure_python_is_refused(pack, source):
    lock = locked("files/log_generator", "msgspec")
    (source / "greet" / "requirements.txt").write_text(lock)
    failed = pack()
    assert failed["failed"]
    assert "more than pure Python" in failed["msg"]


@pytest.fixture(scope="module")
def functions():
    """The project's own functions."""
    return sorted(path.parent.name for path in ROOT.glob("lambdas/*/pyproject.toml"))


def test_each_function_starts_from_its_archive_alone(run, functions, tmp_path):
    built = run(module, source=str(ROOT / "lambdas"), dest=str(ROOT / "build" / "functions"))
    assert sorted(built["paths"]) == functions
    program = (
        "import sys, importlib, tomllib\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from common.clients import client\n"
        "assert callable(importlib.import_module(sys.argv[2] + '.handler').lambda_handler)\n"
        "[client(service) for service in sys.argv[3:]]\n"
    )
    for name, path in built["paths"].items():
        home = tmp_path / name
        with zipfile.ZipFile(path) as archive:
            archive.extractall(home)
        project = module.tomllib.loads((ROOT / "lambdas" / name / "pyproject.toml").read_text())
        services = project["tool"]["surgewatch"]["services"]
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, home, name, *services],
            env={"AWS_DEFAULT_REGION": "us-east-1"},
            check=True,
        )


def test_each_function_names_the_services_that_it_calls(functions):
    shared = {"rejected": "s3", "secrets": "secretsmanager"}
    for name in functions:
        folder = ROOT / "lambdas" / name
        code = "".join(path.read_text() for path in folder.glob("*.py"))
        called = set(re.findall(r'client\("(\w+)"\)', code))
        called |= {service for part, service in shared.items() if f"common.{part} " in code}
        project = module.tomllib.loads((folder / "pyproject.toml").read_text())
        assert set(project["tool"]["surgewatch"]["services"]) == called
