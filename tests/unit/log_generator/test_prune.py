import json
import os

import pytest
from log_generator import prune
from log_generator.errors import LogGeneratorError


@pytest.fixture
def logs(tmp_path):
    """Four rotated files, oldest first."""
    found = []
    for number in range(4):
        path = tmp_path / f"orders.log-2026010{number}T000000"
        path.write_text("x")
        os.utime(path, (1000 + number, 1000 + number))
        found.append(path)
    (tmp_path / "orders.log").write_text("x")
    return found


def status(tmp_path, *flows):
    path = tmp_path / "status.json"
    answer = [
        {"files": [{"path": str(file), "offset": 1, "bytes_behind": behind}]}
        for flow in flows
        for file, behind in flow
    ]
    path.write_text(json.dumps({"flows": answer}))
    return ["cat", str(path)]


def left(logs):
    return [path.exists() for path in logs]


def test_what_is_shipped_goes_but_for_the_newest(tmp_path, logs):
    command = status(tmp_path, [(path, 0) for path in logs])
    assert prune.prune(tmp_path / "orders.log", 2, None, command) == logs[:2]
    assert left(logs) == [False, False, True, True]
    assert (tmp_path / "orders.log").exists()


def test_what_is_behind_or_unknown_or_behind_in_one_flow_stays(tmp_path, logs):
    command = status(tmp_path, [(logs[0], 1), (logs[1], 0)], [(logs[1], 5)])
    assert prune.prune(tmp_path / "orders.log", 1, None, command) == []
    assert left(logs) == [True] * 4


def test_the_file_that_the_generator_would_recover_from_stays(tmp_path, logs):
    command = status(tmp_path, [(path, 0) for path in logs])
    prune.prune(tmp_path / "orders.log", 1, logs[1].stat().st_ino, command)
    assert left(logs) == [False, True, False, True]


def test_the_agent_is_not_asked_without_need(tmp_path, logs):
    assert prune.prune(tmp_path / "orders.log", 4, None, ["no-such-command"]) == []


@pytest.mark.parametrize(
    "command", [["no-such-command"], ["echo", "down"], ["echo", "{}"], ["false"]]
)
def test_without_an_answer_all_stays(tmp_path, logs, command):
    with pytest.raises(LogGeneratorError, match="no answer from"):
        prune.prune(tmp_path / "orders.log", 1, None, command)
    assert left(logs) == [True] * 4
