"""What each service does alike."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from python_service import file, status
from python_service.log import OneLine
from python_service.notify import notify


def test_systemd_is_told(tmp_path: Path, monkeypatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_a_manager_that_is_not_there_ends_no_service(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


@pytest.mark.parametrize(
    ("level", "text", "line"),
    [
        (logging.INFO, "well", "<6>well"),
        (logging.ERROR, "a\n<2>b\x1b[31m\u202e", "<3>a\\n<2>b\\x1b[31m\\u202e"),
        (logging.CRITICAL, "é", "<3>é"),
        (logging.DEBUG, "d", "<7>d"),
    ],
)
def test_an_event_is_one_line_of_its_own_priority(level: int, text: str, line: str) -> None:
    record = logging.LogRecord("n", level, "p", 1, "%s", (text,), None)
    assert OneLine(journal=True).format(record) == line


def test_without_a_journal_the_level_is_said() -> None:
    program = "from python_service import log; import logging; log.start(); logging.info('a\\nb')"
    environment = {name: text for name, text in os.environ.items() if name != "JOURNAL_STREAM"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == "INFO a\\nb\n"


@pytest.mark.parametrize(
    "end", ["raise error", "t = threading.Thread(target=fail); t.start(); t.join()"]
)
def test_what_ends_a_service_is_one_line_as_well(end: str) -> None:
    program = f"""
import threading
from python_service import log
log.start()
error = ValueError("quoted\\n<2>a stranger's")
def fail():
    raise error
{end}
"""
    environment = os.environ | {"JOURNAL_STREAM": "1:1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("<3>")
    assert line.endswith("ValueError: quoted\\n<2>a stranger's")


def test_the_status_is_replaced_as_a_whole_for_any_user(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    before = os.umask(0o077)
    try:
        for content in (b"first", b"2"):
            file.replace(path, content)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"2"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [found.name for found in tmp_path.iterdir()] == ["status.json"]


def test_an_old_status_is_a_fault() -> None:
    assert status.silence(14.9) == []
    assert status.silence(16.0) == ["not running: the last sign of life is 16 s old"]
    assert status.silence(None) == ["not running: it has left no status"]
