import bz2
import gzip
import io
import lzma
import subprocess
import sys
import zipfile
from datetime import datetime

import openpyxl
import pytest
from backports import zstd
from log_generator import dataset, prepared, table
from log_generator.errors import DatasetError

HEADER = ",".join(dataset.COLUMNS)
ROW = '536365,gift_40,"Voucher, ""big"" £40.00",6,12/1/2010 8:26,2.55,,United Kingdom'
FIELDS = ["536365", "gift_40", 'Voucher, "big" £40.00', "6", "12/1/2010 8:26", "2.55", "",
          "United Kingdom"]  # fmt: skip
PLAIN = "536365,1,X,6,12/1/2010 8:26,2.55,17850,UK"
PLAIN_FIELDS = ["536365", "1", "X", "6", "12/1/2010 8:26", "2.55", "17850", "UK"]


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


PACKERS = {
    "plain": lambda data: data,
    "gz": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": lambda data: bz2.compress(data, 1),
    "zst": zstd.compress,
    "zip": lambda data: zipped({"README.txt": "see there", "Online Retail.csv": data}),
    "zip of a Mac": lambda data: zipped(
        {
            "x/": "",
            "x/Online Retail.csv": data,
            "x/.DS_Store": "?",
            "__MACOSX/x/._Online Retail.csv": "?",
        }
    ),
    "gz in a zip": lambda data: zipped({"Online Retail.csv.gz": gzip.compress(data)}),
}


def written(tmp_path, *lines, end="\n"):
    path = tmp_path / "data"
    path.write_text(end.join([*lines, ""]), encoding="utf-8", newline="")
    return path


def rows(tmp_path, *lines):
    return list(dataset.read(written(tmp_path, *lines)))


def dated(tmp_path, *dates):
    lines = [PLAIN.replace("12/1/2010 8:26", date) for date in dates]
    return dataset.convert(written(tmp_path, HEADER, *lines)), [
        row[4] for row in dataset.read(tmp_path / "data")
    ]


def workbook(path, *sheets):
    book = openpyxl.Workbook(write_only=True)
    for title, content in sheets:
        sheet = book.create_sheet(title)
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_it_is_read_however_it_is_packed(tmp_path, packer, encoding, end):
    path = tmp_path / "data"
    path.write_bytes(PACKERS[packer](end.join([HEADER, ROW, ""]).encode(encoding)))
    assert list(dataset.read(path)) == [FIELDS]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Invoice,Price\n1,2\n", r"the columns are \['Invoice', 'Price'\]"),
        (f"{HEADER},Price\n", "the columns are"),
        ("", "the columns are"),
        (f"{HEADER}\n1,2,3\n", "line 2 is no order line: it has 3 columns, not 8"),
        (f"{HEADER}\n{ROW}\nV12,a,b,1,1/1/2011 8:00,1,,X\n", "line 3 is no order line: InvoiceNo"),
        (f'{HEADER}\n1,"unended\n{PLAIN}\n', "line 2: unexpected end of data; quotes are closed"),
        (f'{HEADER}\n{ROW}\n1,1,"A "B"",6\n', "line 3: ',' expected after '\"'; .* written twice"),
        (f"{HEADER}\n\n1,1,X,6.5,1/1/2011 8:00,1,,X\n", "line 3 .*Quantity '6.5' is not a whole"),
        (f"{HEADER}\n1,1,X,6,1/1/2011 8:00,nan,,X\n", "line 2 .*UnitPrice 'nan' is not a number"),
        (f'{HEADER}\n1,1,X,6,1/1/2011 8:00,"2,55",,X\n', "line 2 .*'2,55' is not a number"),
        (f"{HEADER}\n1,1,X,6,1/1/2011 8:00,1e99,,X\n", "line 2 .*'1e99' is not a number"),
        (f"{HEADER}\n{ROW}\n1,1,X,6,soon,1,,X\n", "line 3: 'soon' is no date; write it as"),
        ("\ufeff".encode("utf-16-le").decode("latin-1"), "UTF-16: save it as"),
    ],
)
def test_what_is_no_data_set_is_refused_with_the_place(tmp_path, text, reason):
    path = tmp_path / "data"
    path.write_text(text, encoding="latin-1" if text[:1] == "ÿ" else "utf-8")
    with pytest.raises(DatasetError, match=reason):
        list(dataset.read(path))


@pytest.mark.parametrize("packer", ["gz", "xz", "bz2", "zst"])
def test_a_damaged_archive_is_refused_with_the_line(tmp_path, packer):
    path = tmp_path / "data"
    path.write_bytes(PACKERS[packer](f"{HEADER}\n{ROW}\n".encode() * 100)[:-12])
    with pytest.raises(DatasetError, match=r"data: line \d+: it (ends early|is damaged)"):
        list(dataset.read(path))


def test_a_header_alone_is_no_data_set(tmp_path):
    with pytest.raises(DatasetError, match="no row"):
        dataset.check_header(written(tmp_path, HEADER))
    with pytest.raises(DatasetError, match="no row"):
        dataset.convert(tmp_path / "data")


# What programs make of it


def test_names_of_online_retail_two_in_any_order_and_beside_others(tmp_path):
    header = ",Country,Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID"
    assert rows(tmp_path, header, "0,UK,536365,1,X,6,12/1/2010 8:26,2.55,17850") == [PLAIN_FIELDS]


def test_semicolons_with_decimal_commas(tmp_path):
    header = HEADER.replace(",", ";")
    assert rows(
        tmp_path,
        header,
        "536365;1;X;6;01.12.2010 08:26;2,55;17850;UK",
        "536366;1;X;6,0;13.12.2010 08:26;1.234,5;17850;UK",
    ) == [
        PLAIN_FIELDS,
        ["536366", "1", "X", "6", "12/13/2010 8:26", "1234.5", "17850", "UK"],
    ]


def test_what_programs_leave_behind(tmp_path):
    """A fraction, NaN, groups of thousands, a header once more, lines of nothing."""
    found = dataset.convert(
        written(
            tmp_path,
            HEADER,
            "536365.0,22423.0,nan,6.0,12/1/2010 8:26,2.55,nan,UK",
            HEADER,
            "",
            ",,,,,,,",
            '536365,1,X,"1,200",12/1/2010 8:26,"-11,062.06",17850.0,UK',
            "",
        ),
        tmp_path / "converted",
    )
    assert list(dataset.read(tmp_path / "converted")) == [
        ["536365", "22423", "", "6", "12/1/2010 8:26", "2.55", "", "UK"],
        ["536365", "1", "X", "1200", "12/1/2010 8:26", "-11062.06", "17850", "UK"],
    ]
    assert "line 3 repeats the columns' names and is left out" in found.notes


# Dates


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2010-12-31 08:26:00", "12/31/2010 8:26"),
        ("2010-12-31T08:26:00Z", "12/31/2010 8:26"),
        ("2010/12/31", "12/31/2010 0:00"),
        ("31-12-2010 08:26", "12/31/2010 8:26"),
        ("31.12.2010 8:26:00", "12/31/2010 8:26"),
        ("12/31/10 8:26", "12/31/2010 8:26"),
        ("12/31/2010 12:26 AM", "12/31/2010 0:26"),
        ("12/31/2010 8:26:00 p.m.", "12/31/2010 20:26"),
        ("31-Dec-2010 08:26", "12/31/2010 8:26"),
        ("12/31/2010 8:26:07", "12/31/2010 8:26:07"),
    ],
)
def test_dates_are_read_as_people_write_them(tmp_path, text, read):
    assert dated(tmp_path, text)[1] == [read]


@pytest.mark.parametrize(
    ("dates", "read", "said"),
    [
        (["1/2/2011 8:00", "13/2/2011 8:00"], "2/1/2011", "day/month/year (line 3 has '13/2/2011"),
        (["1/2/2011 8:00", "1/13/2011 8:00"], "1/2/2011", "month/day/year (line 3 has '1/13/2011"),
        (["12/11/2010 8:00", "1/12/2010 8:00"], "11/12/2010", "day/month/year, in which they go"),
        (["11/12/2010 8:00", "12/1/2010 8:00"], "11/12/2010", "month/day/year, in which they go"),
        (["1/2/2011 8:00"], "1/2/2011", "month/day/year, though nothing in them tells"),
        (["1.2.2011 8:00"], "2/1/2011", "day/month/year, though nothing in them tells"),
    ],
)  # fmt: skip
def test_which_is_the_month_is_decided_by_the_whole_file_and_said(tmp_path, dates, read, said):
    found, texts = dated(tmp_path, *dates)
    assert texts[0].split()[0] == read
    assert said in found.notes[0]


@pytest.mark.parametrize(
    ("dates", "reason"),
    [
        (["13/1/2011 8:00", "1/13/2011 8:00"], "line 3: '1/13/2011 8:00' is no date as those bef"),
        (["1/2/2011 8:00", "2011-01-02 8:00"], "line 3: '2011-01-02 8:00' is no date as those be"),
        (["1/2/2011 8:00", "01-02-2011 8:00"], "line 3: '01-02-2011 8:00' is no date as those be"),
        (["2011-02-29 8:00"], "line 2: '2011-02-29 8:00' is no date"),
        (["1/2/2011 25:00"], "line 2: '1/2/2011 25:00' is no date"),
        (["1/2/2011 13:00 PM"], "line 2: '1/2/2011 13:00 PM' is no date"),
        (["40513.35"], "line 2: '40513.35' is no date"),
        ([""], "line 2: '' is no date"),
    ],
)
def test_what_is_no_date_is_refused_with_its_line(tmp_path, dates, reason):
    with pytest.raises(DatasetError, match=reason):
        dated(tmp_path, *dates)


@pytest.mark.parametrize("later", ["18:26:00", "08:26:30"])
def test_the_recorded_pace_is_that_of_the_dates(tmp_path, later):
    lines = [PLAIN.replace("12/1/2010 8:26", f"2010-12-01 {t}") for t in ("08:26:00", later)]
    found = rows(tmp_path, HEADER, *lines)
    times = [time for _, time in prepared.with_recorded_time(found)]
    assert times == [0, 36_000_000 if later.startswith("18") else 30_000]


def test_what_was_converted_is_read_the_same(tmp_path):
    """Also where dates go back, by which those with the month first could be taken for others."""
    dates = ["2011-02-03 8:00", "2011-01-04 8:00"]
    path = written(tmp_path, HEADER, *(PLAIN.replace("12/1/2010 8:26", date) for date in dates))
    dataset.convert(path, tmp_path / "converted")
    assert list(dataset.read(tmp_path / "converted")) == list(dataset.read(path))
    assert [row[4] for row in dataset.read(path)] == ["2/3/2011 8:00", "1/4/2011 8:00"]


# Workbooks

TWO = [n.replace("InvoiceNo", "Invoice").replace("UnitPrice", "Price") for n in dataset.COLUMNS]
CELLS = [536365, 1, "X", 6, datetime(2010, 12, 1, 8, 26), 2.55, 17850, "UK"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_workbook_is_read_sheet_by_sheet(tmp_path, packed):
    guest = [536365, "85123A", " Y ", -6.0, datetime(2010, 12, 13, 8, 27), 0, None, "UK"]
    path = workbook(
        tmp_path / "book.xlsx",
        ("Year 2009-2010", [TWO, CELLS]),
        ("Notes", [["by", "me"]]),
        ("Year 2010-2011", [TWO, [], guest]),
    )
    if packed:
        path.write_bytes(zipped({"Online Retail.xlsx": path.read_bytes(), "__MACOSX/._O.xlsx": ""}))
    found = dataset.convert(path, tmp_path / "converted")
    assert list(dataset.read(tmp_path / "converted")) == [
        PLAIN_FIELDS,
        ["536365", "85123A", " Y ", "-6", "12/13/2010 8:27", "0", "", "UK"],
    ]
    assert "sheet 'Notes' has other columns and is left out" in found.notes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({4: "soon"}, "sheet 'S', row 3: 'soon' is no date"),
        ({4: 40513.35}, "sheet 'S', row 3: '40513.35' is no date"),
        ({3: 6.5}, "sheet 'S', row 3 is no order line: Quantity '6.5'"),
        ({8: "more"}, "sheet 'S', row 3 is no order line: it has 9 columns"),
    ],
)
def test_a_workbook_is_refused_with_sheet_and_row(tmp_path, change, reason):
    wrong = [change.get(place, cell) for place, cell in enumerate([*CELLS, None])]
    path = workbook(tmp_path / "book.xlsx", ("S", [dataset.COLUMNS, CELLS, wrong]))
    with pytest.raises(DatasetError, match=reason):
        list(dataset.read(path))


def test_a_damaged_workbook_is_refused(tmp_path):
    path = workbook(tmp_path / "book.xlsx", ("S", [dataset.COLUMNS, *[CELLS] * 5000]))
    data = bytearray(path.read_bytes())
    middle = data.find(b"PK\x03\x04", 100) - 2000
    data[middle : middle + 500] = b"x" * 500
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"book.xlsx: .* cannot be read .*: save it anew"):
        list(dataset.read(path))


def test_without_its_library_a_workbook_is_refused_with_what_to_do(tmp_path, monkeypatch):
    path = workbook(tmp_path / "book.xlsx", ("S", [dataset.COLUMNS, CELLS]))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DatasetError, match="on the control node only: save it as csv"):
        list(dataset.read(path))


# Bounds

PEAK = """
import re, sys
from log_generator import cli
code = cli.main(["dataset", sys.argv[1]])
status = open("/proc/self/status").read()
print(int(re.search("VmHWM:.*?([0-9]+)", status)[1]) // 1024, file=sys.stderr)
sys.exit(code)
"""


def peak_of(path):
    """The command's exit code, what it says, and the MiB that it took at most."""
    run = subprocess.run(
        [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=False
    )
    *said, peak = run.stderr.splitlines()
    return run.returncode, "".join(said), int(peak)


@pytest.mark.parametrize("packer", ["gz", "xz", "bz2", "zst", "zip"])
def test_a_line_that_never_ends_is_refused_in_little_memory(tmp_path, packer):
    """150 MB of one line, in less than 150 kB."""
    path = tmp_path / "data"
    path.write_bytes(PACKERS[packer](HEADER.encode() + b"\n" + b"1" * 150_000_000))
    assert path.stat().st_size < 150_000
    code, said, peak = peak_of(path)
    assert code == 1
    assert "line 2 is too long: at most 1 MiB of a line is read, and 1024 MiB of all" in said
    assert peak < 100


def test_more_than_the_bound_of_all_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "TOTAL_MIB", 1)
    with pytest.raises(DatasetError, match=r"line \d+ is too much: .*; take a part of it"):
        rows(tmp_path, HEADER, *[PLAIN] * 30_000)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"])
def test_a_cell_that_never_ends_is_refused_in_little_memory(tmp_path, part):
    path = workbook(tmp_path / "book.xlsx", ("S", [dataset.COLUMNS, CELLS]))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    cell = b"<v>17850</v>"
    assert cell in parts["xl/worksheets/sheet1.xml"]
    parts[part] = parts.get(part, cell).replace(cell, b"<v>%s</v>" % (b"5" * 100_000_000))
    path.write_bytes(zipped(parts))
    code, said, peak = peak_of(path)
    assert code == 1
    assert "at most 1 MiB of a line is read" in said or "more than 64 MiB" in said
    assert peak < 100


def test_a_workbook_is_read_in_constant_memory(tmp_path):
    peaks = []
    for count in (100, 8_000):
        path = workbook(tmp_path / f"{count}.xlsx", ("S", [dataset.COLUMNS, *[CELLS] * count]))
        code, said, peak = peak_of(path)
        assert code == 0, said
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 8
