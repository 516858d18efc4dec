"""What a backtest reads lines from: packed and damaged files, standard input, pipes."""

import bz2
import gzip
import io
import lzma
import os
import random
import signal
import subprocess
import sys
import zipfile
from codecs import BOM_UTF8
from pathlib import Path

import pytest
from analytics_engine.cli import main
from analytics_engine.errors import InputError
from analytics_engine.offline.files import File
from backports import zstd
from python_service import compression

from tests.unit.analytics.conftest import ORDERS, time_of

COUNT = 1_000
RULES = "rules: [{name: r, threshold: 1, window_seconds: 1}]"


def line(number: int, **given: str) -> str:
    """An order line with an address that does not compress well."""
    given = {
        "InvoiceNo": f"I{number}",
        "LineNo": "1",
        "EventTime": time_of(number * 100),
        "Description": random.Random(number).randbytes(40).hex(),
    } | given
    return ",".join(given.get(column, "") for column in ORDERS.kind.columns) + "\n"


LINES = "".join(map(line, range(COUNT))).encode()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


PACK = {
    "plain": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": lambda data: bz2.compress(data, 1),
    "zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
    "zip": lambda data: zipped(**{"a/orders.log": data, "__MACOSX/a/._orders.log": b"?"}),
}


@pytest.fixture
def start(tmp_path: Path):
    """Start the command with a rule that opens at the first line."""
    (tmp_path / "rules.yml").write_text(RULES)

    def command(*files: str | Path, **options) -> subprocess.Popen:
        arguments = [sys.executable, "-m", "analytics_engine", "backtest", *map(str, files)]
        arguments += ["--rules", str(tmp_path / "rules.yml"), "--as", "json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen(arguments, **pipes)

    return command


@pytest.fixture
def backtest(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Run it over a file of that content; answers code, lines counted, and what was said."""
    (tmp_path / "rules.yml").write_text(RULES)

    def run(content: bytes) -> tuple[int, int, str]:
        (tmp_path / "log").write_bytes(content)
        with pytest.raises(SystemExit) as end:
            main(["backtest", str(tmp_path / "log"), "--rules", str(tmp_path / "rules.yml")])
        return answer(end.value.code, capsys.readouterr().err)

    return run


def ended(process: subprocess.Popen, given: bytes | None = None) -> tuple[int, int, str]:
    err = process.communicate(given, timeout=60)[1].decode()
    return answer(process.returncode, err)


def answer(code: int, err: str) -> tuple[int, int, str]:
    counted = [text.split()[0] for text in err.splitlines() if " lines counted" in text]
    return code, int(counted[0]) if counted else -1, err


@pytest.mark.parametrize("packing", PACK)
def test_all_is_read_however_it_is_packed(backtest, packing: str) -> None:
    code, counted, err = backtest(PACK[packing](LINES))
    assert (code, counted) == (0, COUNT), err


@pytest.mark.parametrize("packing", ["gz", "xz", "bz2", "zst"])
def test_of_a_file_that_was_cut_off_what_is_there_counts(backtest, packing: str) -> None:
    packed = PACK[packing](LINES)
    code, counted, err = backtest(packed[: len(packed) * 9 // 10])
    assert code == 3
    assert 0 <= counted < COUNT
    assert counted or packing == "zst"  # which has it all in one block
    assert "log: not all was counted, as it ends early, its rest is missing" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("packing", ["gz", "xz", "bz2", "zst", "zip"])
def test_of_a_damaged_file_what_is_before_that_counts(backtest, packing: str) -> None:
    packed = bytearray(PACK[packing](LINES))
    place = len(packed) * 2 // 3
    packed[place : place + 200] = b"x" * 200
    code, counted, err = backtest(bytes(packed))
    assert code == 3
    assert 0 <= counted <= COUNT
    assert "log: not all was counted, as it is damaged: " in err
    assert "Traceback" not in err


def test_a_zip_of_several_is_refused(backtest) -> None:
    code, _, err = backtest(zipped(a=LINES, b=LINES))
    assert code == 1
    assert err.endswith("log: the zip holds 2 files, not one: unpack it\n")


def test_without_its_library_zst_is_refused_with_what_to_do(tmp_path, monkeypatch) -> None:
    monkeypatch.delitem(compression._OPENERS, "zst")
    (tmp_path / "log").write_bytes(zstd.compress(LINES))
    with (
        pytest.raises(InputError, match=r"log: zst is read on the control node only.*zstd -d"),
        File(tmp_path / "log").lines(),
    ):
        pass


@pytest.mark.parametrize("packing", ["plain", "zip"])
def test_standard_input_may_be_a_pipe(start, packing: str) -> None:
    process = start("-", stdin=subprocess.PIPE)
    assert ended(process, PACK[packing](LINES))[:2] == (0, COUNT)


def test_standard_input_may_be_a_file(start, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LINES)
    with open(tmp_path / "log") as file:
        assert ended(start("-", stdin=file))[:2] == (0, COUNT)


def test_what_a_shell_substitutes_is_read(start) -> None:
    """`<(zstdcat …)` is the name of a pipe."""
    reading, writing = os.pipe()
    process = start(f"/dev/fd/{reading}", pass_fds=[reading])
    os.close(reading)
    with open(writing, "wb") as pipe:
        pipe.write(LINES)
    assert ended(process)[:2] == (0, COUNT)


@pytest.mark.parametrize(
    "first", [b"# exported by hand\n", LINES[7:].split(b"\n")[0] + b"\n", BOM_UTF8]
)
@pytest.mark.parametrize("separator", [b",", b"\t"])
def test_the_beginning_may_be_something_else(backtest, first: bytes, separator: bytes) -> None:
    code, counted, err = backtest(first + LINES.replace(b",", separator))
    assert counted == COUNT
    if first == BOM_UTF8:
        assert code == 0
    else:
        assert code == 3
        assert "not all was counted, as line 1 is none" in err


def test_an_empty_file_is_read(backtest) -> None:
    assert backtest(b"")[:2] == (0, 0)


@pytest.mark.parametrize("invoice", ["BZ1", "BZh91", "PK1", "(\xb5"])
def test_an_invoice_is_not_taken_for_a_compressed_file(backtest, invoice: str) -> None:
    assert backtest(line(1, InvoiceNo=invoice).encode())[:2] == (0, 1)


def test_a_long_field_and_a_torn_one_end_nothing(backtest) -> None:
    long = line(1, Country=f'"{"x" * 140_000}"')
    torn = line(2, Country='"a"\rb')
    assert backtest((long + torn + line(3)).encode())[1] >= 2


def test_an_interrupted_one_says_nothing_more(start) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    process = start("-", stdin=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    process.stdin.write(LINES)  # more than a pipe holds: it reads
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b""


@pytest.mark.parametrize("count", [1, COUNT])
def test_whoever_reads_may_leave(start, tmp_path: Path, count: int) -> None:
    """Little is written at the end only, and much in between."""
    (tmp_path / "log").write_text("".join(line(number * 1_000) for number in range(count)))
    reading, writing = os.pipe()
    os.close(reading)
    process = start(tmp_path / "log", stdout=writing)
    os.close(writing)
    err = process.communicate(timeout=60)[1].decode()
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert process.returncode == 1


def test_a_torn_moment_is_no_moment(backtest) -> None:
    """Its second is known, and all but one of its digits are."""
    torn = line(3).replace(".300Z", ".e00Z")
    code, counted, err = backtest((line(0) + torn + line(9)).encode())
    assert (code, counted) == (3, 2)
    assert "line 2 has an impossible moment" in err
