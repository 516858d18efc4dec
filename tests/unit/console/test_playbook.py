"""Events of real runs of Ansible, as they come and as they are shown."""

import textwrap

import pytest

from console import playbook, progress
from console.playbook import End, Play, Result, Task, Text

HERE = ["--inventory", "localhost,", "--connection", "local"]


@pytest.fixture
def write(tmp_path):
    def write(tasks):
        path = tmp_path / "play.yml"
        head = "- name: A play\n  hosts: localhost\n  tasks:\n"
        path.write_text(head + textwrap.indent(textwrap.dedent(tasks), "    "))
        return str(path)

    return write


def test_a_run_is_told_in_order(write):
    path = write("""
        - {name: One, ansible.builtin.command: echo hello}
        - {name: Two, ansible.builtin.debug: {msg: the secret}, no_log: true}
        - {name: Three, ansible.builtin.set_stats: {data: {found: 3}, per_host: true}}
    """)
    events = list(playbook.run(path, HERE))
    names = [event.name for event in events if isinstance(event, Play | Task)]
    assert names == ["A play", "One", "Two", "Three"]
    results = [event for event in events if isinstance(event, Result)]
    assert [result.outcome for result in results] == ["changed", "ok", "ok"]
    assert results[0].details["stdout"] == "hello"
    assert "the secret" not in str(results[1])
    assert events[-1] == End(0, {"localhost": {"found": 3}})


def test_a_failure_is_shown_whole_and_all_is_in_the_log(write, tmp_path, capsys):
    path = write("""
        - {name: Works, ansible.builtin.command: echo fine}
        - name: Breaks
          ansible.builtin.command: sh -c 'echo the reason >&2; exit 3'
    """)
    end = progress.follow(playbook.run(path, HERE), tmp_path / "play.log")
    assert end.code != 0
    shown = capsys.readouterr().err
    assert "Works  changed: localhost" in shown
    assert "Breaks" in shown
    assert "the reason" in shown
    assert str(tmp_path / "play.log") in shown
    log = (tmp_path / "play.log").read_text()
    assert "TASK [Works]" in log
    assert '"stdout": "fine"' in log
    assert "the reason" in log


def test_a_playbook_that_cannot_be_read_is_said_in_ansibles_words(tmp_path, capsys):
    path = tmp_path / "play.yml"
    path.write_text("- hosts: [\n")
    assert progress.follow(playbook.run(str(path), HERE), tmp_path / "play.log").code != 0
    assert "play.yml" in capsys.readouterr().err


def test_a_command_that_failed_is_explained_by_its_own_words_first():
    details = {"msg": "non-zero return code", "stderr": "no such column", "rc": 1, "delta": "0:01"}
    explained = progress.explain(playbook.Result("a", "failed", details))
    assert explained == "no such column\nrc: 1"


def test_lines_that_are_no_events_are_text():
    assert playbook.parse("[WARNING]: strange\n") == [Text("[WARNING]: strange")]
    assert playbook.parse('{"some": "json"}\n') == [Text('{"some": "json"}')]
    assert playbook.parse("\n") == []


def test_a_rescued_failure_is_no_failure(write, tmp_path, capsys):
    path = write("""
        - block: [{name: Breaks, ansible.builtin.command: "false"}]
          rescue: [{name: Mends, ansible.builtin.debug: {msg: mended}}]
    """)
    assert progress.follow(playbook.run(path, HERE), tmp_path / "play.log").code == 0
    assert "Breaks" not in capsys.readouterr().err


def test_a_play_without_hosts_has_no_line(tmp_path, capsys):
    events = [Play("Elsewhere"), Play("Here"), Task("One", "play.yml:1"), End(0, {})]
    progress.follow(events, tmp_path / "play.log")
    shown = capsys.readouterr().err
    assert "Here" in shown
    assert "Elsewhere" not in shown
