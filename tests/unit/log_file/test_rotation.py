"""What the rotation removes, run as the unit runs it."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import jinja2
import pytest

TEMPLATES = Path(__file__).parents[3] / "roles" / "log_file" / "templates"


@pytest.fixture
def logs(tmp_path):
    """Five rotated files, oldest first, beside the log."""
    found = [tmp_path / f"orders.log-2026010{number}T000000" for number in range(5)]
    for path in [*found, tmp_path / "orders.log"]:
        path.write_text("x")
    return found


def remove(tmp_path, shipped, keep=2):
    """Run the unit's second command, with an agent that has shipped these files."""
    (tmp_path / "shipped").write_text("".join(f"{path}\n" for path in shipped))
    agent = tmp_path / "agent"
    agent.write_text(f"""#!/bin/sh
        [ "$1" = shipped ] && shift || exit 2
        for file; do grep -xF "$file" {tmp_path}/shipped || code=1; done
        exit ${{code:-0}}\n""")
    agent.chmod(0o755)
    jinja = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True)
    jinja.filters["dirname"] = os.path.dirname
    text = jinja.get_template("rotate.service.j2").render(
        log_file_rotate_keep=keep,
        log_file_shipped_command=[str(agent), "shipped"],
        log_file_path=str(tmp_path / "orders.log"),
    )
    (command,) = re.findall(r"^ExecStart=(/bin/sh .*?[^\\])$", text, re.MULTILINE | re.DOTALL)
    return subprocess.run(shlex.split(command), check=True, capture_output=True, text=True)


def left(logs):
    return [path.exists() for path in logs]


def test_all_but_the_newest_go(tmp_path, logs):
    remove(tmp_path, logs)
    assert left(logs) == [False, False, False, True, True]
    assert (tmp_path / "orders.log").exists()


def test_what_is_not_shipped_stays(tmp_path, logs):
    remove(tmp_path, [logs[1], logs[4]])
    assert left(logs) == [True, False, True, True, True]


def test_without_an_answer_all_stays(tmp_path, logs):
    remove(tmp_path, [])
    assert left(logs) == [True] * 5


def test_nothing_to_do_is_no_error(tmp_path):
    assert remove(tmp_path, []).stderr == ""


def test_files_are_removed_only_if_an_agent_is_asked():
    text = (TEMPLATES / "logrotate.j2").read_text()
    assert "rotate -1\n" in text
    assert "maxage" not in text
