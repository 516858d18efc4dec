"""The command `backtest`: what it reads, and what it prints."""

import bz2
import gzip
import json
import lzma
import random
from pathlib import Path

import pytest
from analytics_engine.cli import main
from analytics_engine.evaluation.tracker import Tracker
from analytics_engine.offline import order
from analytics_engine.offline.report import amount

from tests.unit.analytics.conftest import ORDERS, time_of

RULES = """
rules:
  - {name: surge, threshold: 30, window_seconds: 5, quiet_seconds: 10}
  - {name: silent, threshold: 1, comparison: below, window_seconds: 60, reminder_seconds: null}
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
    assert "100 lines counted (0 of tests), 0 repeated" in err
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
    odd = lines(",", range(1)).replace(b"Z,", b"z,")  # a moment that is none
    _, err = backtest(lines(",", range(2)) + lines(",", range(1, 2)) + b"nonsense\n" + odd, code=3)
    assert "20 lines counted (0 of tests), 10 repeated, 11 unreadable" in err
    assert "orders.log.0: not all was counted, as line 31 is none" in err


def test_lines_of_tests_are_told(backtest) -> None:
    _, err = backtest(lines(",", range(2)).replace(b"I1", b"V1"))
    assert "20 lines counted (10 of tests)" in err


MIXED = {
    "newest first": lambda whole: reversed(whole),
    "two hosts one after the other": lambda whole: [*whole[::2], *whole[1::2]],
    "files in the shell's order": lambda whole: [*whole[80:], *whole[:40], *whole[40:80]],
    "shuffled": lambda whole: random.Random(1).sample(whole, len(whole)),
}


@pytest.mark.parametrize("run", [7, order.RUN], ids=["from disk", "in memory"])
@pytest.mark.parametrize("mix", MIXED.values(), ids=MIXED)
def test_what_is_not_in_order_is_sorted(backtest, monkeypatch, mix, run) -> None:
    monkeypatch.setattr(order, "RUN", run)
    content = lines(",", range(10))
    whole, _ = backtest(content)
    out, err = backtest(b"\n".join(mix(content.splitlines())))
    assert out == whole
    assert "100 lines counted (0 of tests), 0 repeated, 0 unreadable, 2 alarms" in err
    assert "orders.log.0: not in the order of time; sorted" in err


def test_a_line_from_the_future_costs_no_other(backtest) -> None:
    content = lines(",", range(10))
    ahead = content.splitlines()[0].replace(b"I0", b"X").replace(b"2026-", b"2099-") + b"\n"
    for year in (b"2099-", b"9999-", b"0001-"):
        out, err = backtest(ahead.replace(b"2099-", year) + content, code=3)
        assert out == backtest(content)[0]
        assert "100 lines counted (0 of tests), 0 repeated, 1 unreadable" in err
        assert f"as line 1 has an impossible moment, '{year.decode()}" in err


def test_a_year_without_lines_is_passed_over_at_once(backtest, monkeypatch) -> None:
    content = lines(",", range(10))
    before = lines(",", range(10)).replace(b"I", b"J").replace(b"2026-", b"2025-")
    steps = []
    step = Tracker.step
    monkeypatch.setattr(Tracker, "step", lambda *given: steps.append(0) or step(*given))
    out, _ = backtest(before + content)
    assert out.count("OPEN") == 3  # two surges, and the silence between them
    assert len(steps) < 1_000


def test_a_table_has_a_row_an_incident(backtest) -> None:
    out, _ = backtest(lines(",", range(10)), form="table")
    assert out.count("surge") == 1
    assert "19 s" in out
    assert "France (100)" in out


def test_a_file_without_one_order_line_is_an_error(backtest) -> None:
    _, err = backtest(b"another kind of log\n", code=1)
    assert "its lines are of none of the streams orders (order), access (access)" in err


def test_a_table_shows_values_whole_and_as_text(backtest) -> None:
    address, content = b"2001:db8:6520:cd:aaaa:bbbb:cccc:f281", lines(",", range(10))
    odd = content.replace(b"France", b"[/b]").replace(b"Z,\n", b"Z,%s\n" % address)
    out, _ = backtest(odd, form="table")
    row = out.splitlines()[-1]
    assert "[/b] (100)" in row
    assert f"{address.decode()} (100)" in row


@pytest.mark.parametrize(
    ("value", "written"),
    [(1234363.8, "1,234,363.80"), (1230.0, "1,230"), (30, "30"), (0.0123, "0.0123"), (0.5, "0.5")],
)
def test_numbers_are_as_people_write_them(value: float, written: str) -> None:
    assert amount(value) == written
