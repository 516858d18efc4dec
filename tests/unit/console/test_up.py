"""What `up` needs, and what it waits for."""

import os

import pytest

from console import cli, playbook
from console.commands import up


@pytest.mark.parametrize(("code", "may"), [(0, True), (1, False)])
def test_without_root_sudo_must_not_ask(tmp_path, monkeypatch, code, may):
    sudo = tmp_path / "sudo"
    sudo.write_text(f"#!/bin/sh\nexit {code}\n")
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert up.may_be_root() is may


def test_who_may_not_be_root_is_told_before_anything_is_done(monkeypatch, capsys):
    monkeypatch.delenv("SURGEWATCH_INVENTORY", raising=False)
    monkeypatch.setattr(up, "may_be_root", lambda: False)
    assert cli.main(["up"]) == 1
    assert "root" in capsys.readouterr().err


def test_the_first_alarm_is_waited_for(monkeypatch):
    answers = [[], [], [{"id": 1}]]
    monkeypatch.setattr(up, "POLL_SECONDS", 0)
    monkeypatch.setattr(up.alarms, "ask", lambda *_, **__: answers.pop(0))
    assert up.wait_for_alarm(None) == {"id": 1}
    answers.append([])
    monkeypatch.setattr(up, "WAIT_SECONDS", 0)
    assert up.wait_for_alarm(None) is None


def test_what_the_play_notes_is_told(monkeypatch, capsys):
    monkeypatch.setattr(up, "may_be_root", lambda: True)
    monkeypatch.setattr(up.playbook, "run", lambda *_: ())
    end = playbook.End(2, {"localhost": {"note": "The image is old."}, "region": {"health": {}}})
    monkeypatch.setattr(up.progress, "follow", lambda *_: end)
    assert cli.main(["up"]) == 2
    assert "The image is old." in capsys.readouterr().err
