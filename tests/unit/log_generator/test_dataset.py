import gzip
import lzma
import zipfile

import pytest
from log_generator import dataset
from log_generator.errors import DatasetError

HEADER = ",".join(dataset.COLUMNS)
ROW = '536365,gift_40,"Voucher, ""big"" £40.00",6,12/1/2010 8:26,2.55,,United Kingdom'
FIELDS = ["536365", "gift_40", 'Voucher, "big" £40.00', "6", "12/1/2010 8:26", "2.55", "",
          "United Kingdom"]  # fmt: skip


def pack_zip(path, data):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.txt", "see there")
        archive.writestr("Online Retail.csv", data)


PACKERS = {
    "plain": lambda path, data: path.write_bytes(data),
    "gz": lambda path, data: path.write_bytes(gzip.compress(data)),
    "xz": lambda path, data: path.write_bytes(lzma.compress(data)),
    "zip": pack_zip,
}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_it_is_read_however_it_is_packed(tmp_path, packer, encoding, end):
    path = tmp_path / "data"
    PACKERS[packer](path, end.join([HEADER, ROW, ""]).encode(encoding))
    assert list(dataset.read(path)) == [FIELDS]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Invoice,Price\n1,2\n", r"the columns are \['Invoice', 'Price'\]"),
        ("", "the columns are"),
        (f"{HEADER}\n1,2,3\n", "line 2 is no order line"),
        (f"{HEADER}\n{ROW}\nV12,a,b,1,1/1/2011 8:00,1,,X\n", "line 3 is no order line"),
        (f'{HEADER}\n1,"unended\n', "unexpected end of data"),
    ],
)
def test_what_is_no_data_set_is_refused_with_the_place(tmp_path, text, reason):
    path = tmp_path / "data"
    path.write_text(text)
    with pytest.raises(DatasetError, match=reason):
        list(dataset.read(path))


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(lzma.compress(f"{HEADER}\n{ROW}\n".encode() * 100)[:-20])
    with pytest.raises(DatasetError, match="data: "):
        list(dataset.read(path))


def test_a_header_alone_is_no_data_set(tmp_path):
    path = tmp_path / "data"
    path.write_text(HEADER + "\n")
    with pytest.raises(DatasetError, match="no row"):
        dataset.check_header(path)
