import json
import os
import socket
import subprocess
import sys

import pytest
from log_generator import cli

ROWS = 'V1-1,85123A,"a ""b"", c",1,1/1/2011 8:00,2.55,,France\n' * 3


def run(capsys, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_check_says_that_it_is_valid(machine, capsys):
    code, out, _ = run(capsys, "check", "--config", machine().config_file())
    assert code == 0
    assert "is valid" in out


def test_check_reads_the_data_set(machine, tmp_path, capsys):
    (tmp_path / "data.csv").write_text("a,b\n")
    host = machine(source=tmp_path / "data.csv")
    code, _, err = run(capsys, "check", "--config", host.config_file())
    assert code == 1
    assert "the columns are ['a', 'b']" in err


def test_status_of_a_host_that_never_ran(machine, capsys):
    code, _, err = run(capsys, "status", "--config", machine().config_file())
    assert code == 1
    assert "not running" in err


def test_status_of_a_host_that_runs(machine, capsys, monkeypatch):
    host = machine(lines_per_second=10)
    host.run(host.start(), 5)
    monkeypatch.setattr("python_service.status.STALE_SECONDS", float("inf"))
    code, out, _ = run(capsys, "status", "--json", "--config", host.config_file())
    answer = json.loads(out)
    assert code == 0
    assert answer["lines_written"] == host.saved()["lines"] >= 40
    assert answer["last_event_time"].startswith("2026-01-01T00:00:0")
    assert answer["paused"] is None
    assert answer["faults"] == []


def test_status_of_a_host_that_is_paused(machine, capsys, monkeypatch):
    host = machine(min_free_mb=1)
    host.free = 0
    host.run(host.start(), 5)
    monkeypatch.setattr("python_service.status.STALE_SECONDS", float("inf"))
    code, out, _ = run(capsys, "status", "--json", "--config", host.config_file())
    assert code == 1
    assert "paused: 0 MB are free" in json.loads(out)["faults"][0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no row"),
        ("V1,a\n", "row 1: 2 columns"),
        (ROWS.replace("V1", "1"), "must begin with V"),
    ],
)
def test_inject_refuses_what_is_no_batch(machine, tmp_path, capsys, text, reason):
    (tmp_path / "rows.csv").write_text(text)
    code, _, err = run(capsys, "inject", "--config", machine().config_file(), tmp_path / "rows.csv")
    assert code == 1
    assert reason in err


def test_dataset_and_sample(tmp_path, capsys):
    path = tmp_path / "sample.csv"
    assert run(capsys, "sample", "--rows", 100, "-o", path)[0] == 0
    code, out, _ = run(capsys, "dataset", path, "-o", tmp_path / "found.json")
    assert code == 0
    assert ": 100 rows, " in out
    assert json.loads((tmp_path / "found.json").read_text())["rows"] == 100


def test_the_service_tells_systemd_writes_given_lines_and_stops_clean(machine, tmp_path, capsys):
    host = machine(lines_per_second=100)
    (tmp_path / "rows.csv").write_text(ROWS)
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(60)
    command = [sys.executable, "-m", "log_generator"]
    config = ["--config", str(host.config_file())]
    environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    process = subprocess.Popen([*command, "run", *config], env=environment, stderr=subprocess.PIPE)
    assert heard.recv(100) == b"READY=1"
    assert heard.recv(100) == b"WATCHDOG=1"
    second = subprocess.run([*command, "run", *config], capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "another log-generator is running" in second.stderr
    inject = ["inject", *config, "--seconds", "0", "--wait", "60", tmp_path / "rows.csv"]
    assert run(capsys, *inject)[0] == 0
    process.terminate()
    assert process.wait() == 0, process.communicate()[1]
    assert sum(body.startswith(b'V1-1,85123A,"a ""b"", c",') for body, _ in host.lines()) == 3
    assert host.saved()["lines"] == len(host.lines()) - 3


def test_every_command_has_help(capsys):
    for name in (
        "run",
        "check",
        "status",
        "inject",
        "slices",
        "release",
        "take",
        "forget",
        "dataset",
        "sample",
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main([name, "--help"])
        assert ended.value.code == 0
        assert f"log-generator {name}" in capsys.readouterr().out
