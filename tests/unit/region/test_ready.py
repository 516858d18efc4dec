"""What root reads of MariaDB's folder, as it makes the administrator's secret."""

import importlib.util
import os
import tempfile
from pathlib import Path

import pytest

from tests.region import ROLE

NOBODY = 65534


@pytest.fixture
def ready():
    spec = importlib.util.spec_from_file_location("ready", ROLE / "ready.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder():
    if os.geteuid():
        pytest.skip("only root can be led where the folder's owner may not go")
    with tempfile.TemporaryDirectory() as home:  # pytest's own folders are closed to others
        Path(home).chmod(0o755)
        (Path(home) / "secret").write_text("root's alone")
        (Path(home) / "secret").chmod(0o600)
        folder = Path(home) / "mariadb"
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
        yield folder


def test_a_file_of_the_folder_is_read(ready, folder):
    (folder / "password").write_text("known\n")
    assert ready.read(folder / "password") == "known\n"


def test_a_link_to_what_only_root_may_read_is_not(ready, folder):
    (folder / "password").symlink_to(folder.parent / "secret")
    with pytest.raises(SystemExit, match=r"password cannot be read: .*denied"):
        ready.read(folder / "password")


def test_a_pipe_is_not_waited_for(ready, folder, monkeypatch):
    monkeypatch.setattr(ready, "PIPE_SECONDS", 0.1)
    os.mkfifo(folder / "password", 0o666)
    with pytest.raises(SystemExit, match="no file"):
        ready.read(folder / "password")
