"""The command `backtest`: what it reads, and what it prints."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest
from analytics_engine.cli import main

from tests.unit.analytics.conftest import ORDERS, time_of

RULES = """
rules:
  - {name: surge, threshold: 30, window_seconds: 5, quiet_seconds: 10}
  - {name: silent, threshold: 1, comparison: below, window_seconds: 60}
"""


def lines(separator: str, seconds: range) -> bytes:
    """Ten orders a second; a description holds the separator."""
    made = []
    for second in seconds:
        for number in range(10):
            given = {"InvoiceNo": f"I{second}", "LineNo": str(number), "Country": "France"}
            given |= {"EventTime": time_of(second * 1000 + number * 100), "Description": "A B"}
            if separator == ",":
                given["Description"] = '"A, ""B"""'
            made.append(separator.join(given.get(column, "") for column in ORDERS.kind.columns))
    return "".join(f"{line}\n" for line in made).encode()


@pytest.fixture
def backtest(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "rules.yml").write_text(RULES)

    def run(*contents: bytes, form: str = "json", code: int = 0) -> tuple[str, str]:
        files = []
        for number, content in enumerate(contents):
            files.append(tmp_path / f"orders.log.{number}")
            files[-1].write_bytes(content)
        arguments = ["backtest", *map(str, files), "--rules", str(tmp_path / "rules.yml")]
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--as", form])
        assert ended.value.code == code
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


def test_alarms_are_printed_as_they_stand_on_the_stream(backtest) -> None:
    out, err = backtest(lines(",", range(10)))
    alarms = [json.loads(line) for line in out.splitlines()]
    said = [(a["rule"], a["kind"], a["event_time"], a["order_count"]) for a in alarms]
    # The last hot tick is 9.9 + 0.1 + 5 - 3 s: 30 orders before it. Time goes on until the close;
    # that nothing follows the file is no silence.
    assert said == [
        ("surge", "OPEN", time_of(3_000), 30),
        ("surge", "CLOSE", time_of(22_000), 0),
    ]
    assert "100 lines counted, 0 repeated" in err
    assert "2 alarms" in err


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_what_the_log_generator_writes_is_read_plain_or_compressed(
    backtest, pack, separator
) -> None:
    plain, _ = backtest(lines(",", range(10)))
    assert backtest(pack(lines(separator, range(10))))[0] == plain


def test_files_are_read_together(backtest) -> None:
    whole, _ = backtest(lines(",", range(10)))
    parts = lines(",", range(0, 10, 2)), lines(",", range(1, 10, 2))
    assert backtest(*parts)[0] == whole


def test_repeats_and_what_is_no_line_are_counted(backtest) -> None:
    _, err = backtest(lines(",", range(2)) + lines(",", range(1, 2)) + b"nonsense\n")
    assert "20 lines counted, 10 repeated, 0 late, 1 unreadable" in err


def test_a_table_has_a_row_an_incident(backtest) -> None:
    out, _ = backtest(lines(",", range(10)), form="table")
    assert out.count("surge") == 1
    assert "19 s" in out
    assert "France (100)" in out


def test_a_file_without_one_order_line_is_an_error(backtest) -> None:
    _, err = backtest(b"another kind of log\n", code=1)
    assert "No line is an order line" in err
