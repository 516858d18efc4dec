"""What is printed: no text from a log styles or steers the terminal."""

import json

import pytest
from rich.text import Text

from console import alarms
from console.commands import alarms as command
from console.terminal import Terminal, line
from tests.unit.console.test_alarms import OPEN, Reader

HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J",
    "[/b]",
    "[red]France",
    "2001:db8:6520:cd::f281",
    ":smiley:",
    "\u202egnp.exe",
    "a\r\n<3>b",
    "\x9b31m",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_printed_as_it_stands_but_for_what_cannot_be_printed(text, capsys):
    Terminal().print(text)
    Terminal().print(Text.assemble((text, "bold")))
    for printed in capsys.readouterr().out.splitlines():
        assert printed.isprintable()
    Terminal().print(line(text))
    (printed,) = capsys.readouterr().out.splitlines()
    assert len(printed) == len(text)
    assert printed == text or not text.isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_an_alarm_is_one_line_whatever_its_scope(text, capsys, monkeypatch):
    assert alarms.sentence(OPEN | {"scope": text}).isprintable()
    rows = [OPEN | {"scope": text}]
    monkeypatch.setattr(command.stacks, "load", lambda: Reader({"rows": rows}))
    parser = command.argparse.ArgumentParser()
    command.arguments(parser)
    command.run(parser.parse_args(["--json"]))
    printed = capsys.readouterr().out
    assert printed.strip().isprintable()
    assert json.loads(printed)["scope"] == text
