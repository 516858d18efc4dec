"""The Python that modules on the control node are forks of."""

import json
import os
import subprocess
import sys

import pytest

from plugins.callback.forked_python import CallbackModule


@pytest.fixture
def callback(tmp_path, monkeypatch):
    """As it is while a playbook runs."""
    monkeypatch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setenv("SURGEWATCH_PYTHON", "")
    found = CallbackModule()
    found.v2_playbook_on_start(None)
    yield found
    end(found)


def end(callback):
    """What is left of it when Ansible ends."""
    callback._server.stdin.close()
    callback._server.wait(30)


def run(program, *arguments, **more):
    return subprocess.run(
        [os.environ["SURGEWATCH_PYTHON"], *arguments],
        input=program,
        capture_output=True,
        text=True,
        **more,
    )


LOOK = """
import json, os, sys
print(json.dumps([os.getcwd(), os.environ.get("A"), os.getppid(), "boto3" in sys.modules]))
print("said", file=sys.stderr)
raise SystemExit(3)
"""


def test_a_program_runs_as_if_it_were_alone(callback, tmp_path):
    ran = run(LOOK, cwd=tmp_path, env={"A": "b"})
    folder, variable, parent, imported = json.loads(ran.stdout)
    assert (folder, variable) == (str(tmp_path), "b")
    assert (parent, imported) == (callback._server.pid, True)
    assert (ran.stderr, ran.returncode) == ("said\n", 3)


def test_a_program_that_crashes_says_where(callback):
    ran = run("1 / 0")
    assert ran.returncode == 1
    assert "ZeroDivisionError" in ran.stderr
    assert run("print('on')").stdout == "on\n"


def test_another_program_gets_a_python_of_its_own(callback):
    ran = run("", "-c", "import os, sys; print(os.getppid(), sys.executable)")
    assert ran.stdout.split() == [str(os.getpid()), sys.executable]


def test_it_ends_with_the_playbook_and_modules_still_run(callback, tmp_path):
    end(callback)
    assert callback._server.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_where_it_has_crashed_each_module_has_a_python_of_its_own(callback):
    callback._server.kill()
    callback._server.wait(30)
    assert json.loads(run(LOOK).stdout)[3] is False
