"""Every command explains itself, and what goes wrong is said without a traceback."""

import importlib

import pytest

from console import cli
from console.errors import ConsoleError
from console.stack import Stack

ENGINE_COMMANDS = ("rules", "records", "backtest")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_has_a_sentence_in_the_overview(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--help"])
    assert exit_.value.code == 0
    summary = importlib.import_module(f"console.commands.{name}").__doc__.partition("\n")[0]
    assert summary.split()[0] in capsys.readouterr().out
    assert summary.endswith(".")


@pytest.mark.parametrize("name", sorted({*cli.COMMANDS} - {*ENGINE_COMMANDS, "shell"}))
def test_each_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([name, "--help"])
    assert exit_.value.code == 0
    assert f"usage: surgewatch {name}" in capsys.readouterr().out


def test_shell_has_help_of_its_own(capsys):
    assert cli.main(["shell", "--help"]) == 0
    assert "usage: surgewatch shell" in capsys.readouterr().out


@pytest.mark.parametrize("name", ENGINE_COMMANDS)
def test_the_engine_gets_its_command_line_as_typed(name, monkeypatch):
    typed = ["test", "--rules", "x.yml", "--", "-h"]
    monkeypatch.setattr("os.execvp", lambda file, argv: (_ for _ in ()).throw(Replaced(argv)))
    with pytest.raises(Replaced) as replaced:
        cli.main([name, *typed])
    assert replaced.value.args[0] == ["analytics-engine", name, *typed]


def test_an_error_is_a_sentence(monkeypatch, capsys):
    def fail(_options):
        raise ConsoleError("the region is not there")

    monkeypatch.setattr("console.commands.status.run", fail)
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err == "the region is not there\n"


@pytest.mark.parametrize("arguments", [[], ["region"]])
def test_logs_where_no_host_runs(arguments, monkeypatch, capsys):
    monkeypatch.setattr("console.stack.load", lambda: Stack({}, {"localhost": {}}))
    assert cli.main(["logs", *arguments]) == 1
    assert "host" in capsys.readouterr().err


def test_an_inventory_that_is_not_there_is_named(capsys, monkeypatch):
    monkeypatch.setattr("console.commands.status.run", lambda options: 0)
    assert cli.main(["status", "-i", "nowhere"]) == 1
    assert capsys.readouterr().err == "There is no inventory nowhere.\n"


class Replaced(Exception):
    """The process would have become another program."""
