"""Folders that services own: whoever reads or writes there for an operator is not led further."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from python_service import file

BIN = Path(sys.executable).parent
SECRET = "root's alone"
NOBODY = 65534


def lay(path: Path, kind: str, secret: Path) -> None:
    """Put something there that is no file of the folder's."""
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(secret)
    else:
        os.mkfifo(path)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET)
    return tmp_path / "secret"


KINDS = pytest.mark.parametrize("kind", ["link", "pipe"])


@KINDS
def test_what_is_read_is_a_file_of_the_folder(tmp_path: Path, secret: Path, kind: str) -> None:
    lay(tmp_path / "trap", kind, secret)
    with pytest.raises(OSError, match="trap"):
        file.read(tmp_path / "trap")


def test_what_is_read_is_bounded(secret: Path) -> None:
    assert file.read(secret, len(SECRET)) == SECRET.encode()
    with pytest.raises(OSError, match="larger than 4 bytes"):
        file.read(secret, 4)


@KINDS
def test_a_file_is_replaced_whatever_is_in_the_way(tmp_path: Path, secret: Path, kind: str) -> None:
    lay(tmp_path / ".a.new", kind, secret)
    file.replace(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert secret.read_text() == SECRET


class Service:
    """A service's folder, owned by another user, and beside it what only root may read."""

    def __init__(self, home: Path) -> None:
        self.secret, self.state = home / "secret", home / "state"
        self.secret.mkdir(mode=0o700)
        self.state.mkdir()
        os.chown(self.state, NOBODY, NOBODY)

    def run(self, name: str, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the service as root."""
        config = self.secret.parent / "config.json"
        settings: dict[str, object] = {"state_directory": str(self.state)}
        where = ["--config", str(config)]
        match name:
            case "log-generator":
                settings["dataset"] = "/nonexistent"
            case "analytics-engine":
                settings |= {"streams": {}, "alarms_stream": "a", "rules": "/r", "records": "/k"}
            case "kinesis-agent":
                where = ["--state-dir", str(self.state)]
        config.write_text(json.dumps(settings))
        return subprocess.run(
            [BIN / name, words[0], *where, *words[1:]],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )


@pytest.fixture
def service() -> Iterator[Service]:
    if os.geteuid():
        pytest.skip("only root can be led where the folder's owner may not go")
    with tempfile.TemporaryDirectory() as home:  # pytest's own folders are closed to others
        Path(home).chmod(0o755)
        yield Service(Path(home))


STATES = {
    "log-generator": ("state.json", {"lines": 4711}),
    "kinesis-agent": (
        "status.json",
        {"updated_at": 0, "running": True, "flows": [], "problems": ["4711"]},
    ),
    "event-source": (
        "status.json",
        {"mappings": [], "last_error": "4711", "updated_at": "2026-01-01T00:00:00Z"},
    ),
    "analytics-engine": (
        "status.json",
        {
            "records_read": 4711,
            "lines_counted": 0,
            "alarms_sent": 0,
            "decided_tick": None,
            "lag_seconds": None,
            "open_incidents": [],
            "streams": {},
            "counts": {},
            "errors": [],
            "updated_at": "2026-01-01T00:00:00Z",
        },
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_roots_status_reads_what_the_service_left_and_no_more(service: Service, name: str) -> None:
    where, content = STATES[name]
    (service.secret / where).write_text(json.dumps(content))
    (service.state / where).write_text(json.dumps(content))
    assert "4711" in service.run(name, "status", "--json").stdout
    for kind in ("link", "pipe"):
        lay(service.state / where, kind, service.secret / where)
        assert "4711" not in service.run(name, "status", "--json").stdout
    (service.state / where).unlink()
    os.rename(service.state, service.state.with_name("moved"))
    assert "not running" in service.run(name, "status").stderr


def test_roots_slices_reads_what_the_service_left_and_no_more(service: Service) -> None:
    for folder in (service.secret, service.state):
        (folder / "state.json").write_text('{"slices": "4-7"}')
    assert service.run("log-generator", "slices").stdout == "owned: 4-7\n"
    for kind in ("link", "pipe"):
        lay(service.state / "state.json", kind, service.secret / "state.json")
        assert "4-7" not in service.run("log-generator", "slices").stdout


def test_root_injects_into_the_services_folder_and_nowhere_else(service: Service) -> None:
    row = "V1,A,b,1,1/1/2011 8:00,2.55,,France\n"
    folder = service.state / "inject"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    assert service.run("log-generator", "inject", "-", text=row).returncode == 0
    (batch,) = folder.iterdir()
    assert batch.stat().st_uid == NOBODY
    batch.unlink()
    folder.rmdir()
    folder.symlink_to(service.secret)
    assert service.run("log-generator", "inject", "-", text=row).returncode == 1
    assert not list(service.secret.iterdir())
