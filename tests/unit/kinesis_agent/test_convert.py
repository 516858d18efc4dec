"""What each option makes of lines; where the official agent gives something else, it is said."""

import json
import re
from typing import Any

import pytest
from kinesis_agent.checkpoint import Counters
from kinesis_agent.config_file import parse
from kinesis_agent.convert import Conversion
from kinesis_agent.tail import Piece


def convert(
    text: bytes, *options: dict[str, Any], counters: Counters | None = None, **flow: Any
) -> list[bytes]:
    flow |= {"filePattern": "/x", "kinesisStream": "s", "dataProcessingOptions": options}
    config = parse({"agent.json": json.dumps({"flows": [flow]})})
    conversion = Conversion(config.flows[0], counters or Counters())
    end = conversion.framer.cut(text, settled=True)
    return conversion.convert(Piece(None, text[:end], 0, []))


def csv(text: bytes, **option: Any) -> list[dict[str, Any]]:
    names = {"optionName": "CSVTOJSON", "customFieldNames": ["a", "b", "c"]}
    return [json.loads(record) for record in convert(text, names | option)]


def abc(a: str | None, b: str | None, c: str | None) -> dict[str, str | None]:
    return {"a": a, "b": b, "c": c}


# A line; what the official agent makes of it, and we too without csvQuoting; what we make of it
# with csvQuoting rfc4180, which the official agent does not have.
CSV = [
    (b"1,2,3\n", abc("1", "2", "3"), abc("1", "2", "3")),
    (b"1,,3\n", abc("1", "", "3"), abc("1", "", "3")),
    (b"1,,\n", abc("1", None, None), abc("1", "", "")),
    (b"1\n", abc("1", None, None), abc("1", None, None)),
    (b"1,2,3,4\n", abc("1", "2", "3"), abc("1", "2", "3")),
    (b"1,2,3\r\n", abc("1", "2", "3\r"), abc("1", "2", "3")),
    (b'"1,2",3\n', abc('"1', '2"', "3"), abc("1,2", "3", None)),
    (b'"1,2",3,4\r\n', abc('"1', '2"', "3"), abc("1,2", "3", "4")),
    (b'"a ""b""",,"c"\r\n', abc('"a ""b"""', "", '"c"\r'), abc('a "b"', "", "c")),
    (b'"",5" pipe,"x"\n', abc('""', '5" pipe', '"x"'), abc("", '5" pipe', "x")),
    (b'"never closed,2,3\n', abc('"never closed', "2", "3"), abc('"never closed', "2", "3")),
    (b'"a"b,2,3\n', abc('"a"b', "2", "3"), abc('"a"b', "2", "3")),
    (b"\\,\t,\x01\n", abc("\\", "\t", "\x01"), abc("\\", "\t", "\x01")),
    ("£,é,%s\n".encode(), abc("£", "é", "%s"), abc("£", "é", "%s")),
    (b"\xa3,2,3\n", abc("\ufffd", "2", "3"), abc("\ufffd", "2", "3")),
]


@pytest.mark.parametrize(("line", "official", "quoted"), CSV)
def test_csv(line: bytes, official: dict[str, str | None], quoted: dict[str, str | None]) -> None:
    plain = abc("x", "y", "z")
    assert csv(line + b"x,y,z\n") == [official, plain]
    found = csv(b"x,y,z\n" + line + b'x,"y",z\nx,y,z\n', csvQuoting="rfc4180")
    assert found == [plain, quoted, plain, plain]


def test_csv_with_a_line_end_in_a_field() -> None:
    """The official agent makes two records of it."""
    text = b'1,"c\r\nd",3\n'
    assert csv(text) == [abc("1", '"c\r', None), abc('d"', "3", None)]
    assert csv(text, csvQuoting="rfc4180") == [abc("1", "c\r\nd", "3")]


def test_csv_delimiters() -> None:
    assert csv(b"1\t2\t3\n", delimiter="\t") == [abc("1", "2", "3")]
    assert csv(b"1|2|3\n", delimiter="\\|") == [abc("1", "2", "3")]
    assert csv(b"1 ; 2;3\n", delimiter=" *; *") == [abc("1", "2", "3")]
    assert csv("é ; 2,3\n".encode(), delimiter=" *(;|,) *") == [abc("é", "2", "3")]


def test_json_is_compact_or_pretty() -> None:
    option = {"optionName": "CSVTOJSON", "customFieldNames": ["a"]}
    assert convert(b"1\n", option) == [b'{"a":"1"}\n']
    assert convert(b"1\n", option | {"jsonFormat": "PRETTYPRINT"}) == [b'{\n  "a": "1"\n}\n']


# Of the official agent it is known that "-" is null and that what does not match is dropped; its
# patterns and the names of its keys are not known in full, so what it gives is not said here.
LOGS = [
    (
        "COMMONAPACHELOG",
        b'192.0.2.1 - bob [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326',
        {
            "host": "192.0.2.1",
            "ident": None,
            "authuser": "bob",
            "datetime": "10/Oct/2000:13:55:36 -0700",
            "request": "GET /a HTTP/1.0",
            "response": "200",
            "bytes": "2326",
        },
    ),
    (
        "COMBINEDAPACHELOG",
        b'2001:db8::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 304 - "-" "a \\"b\\""',
        {
            "host": "2001:db8::1",
            "ident": None,
            "authuser": None,
            "datetime": "10/Oct/2000:13:55:36 -0700",
            "request": "GET / HTTP/1.0",
            "response": "304",
            "bytes": None,
            "referer": None,
            "agent": 'a \\"b\\"',
        },
    ),
    (
        "APACHEERRORLOG",
        b"[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] "
        b"[client 192.0.2.7] File does not exist: /x",
        {
            "timestamp": "Fri Sep 09 10:42:29.902022 2011",
            "module": "core",
            "severity": "error",
            "processid": "35708",
            "threadid": "4328636416",
            "client": "192.0.2.7",
            "message": "File does not exist: /x",
        },
    ),
    (
        "SYSLOG",
        b"Mar 12 12:00:08 server2 rcd[308]: Loaded 12 packages",
        {
            "timestamp": "Mar 12 12:00:08",
            "hostname": "server2",
            "program": "rcd",
            "processid": "308",
            "message": "Loaded 12 packages",
        },
    ),
    (
        "RFC3339SYSLOG",
        b"2026-01-31T12:00:00.123+01:00 host kernel: up",
        {
            "timestamp": "2026-01-31T12:00:00.123+01:00",
            "hostname": "host",
            "program": "kernel",
            "processid": None,
            "message": "up",
        },
    ),
]


@pytest.mark.parametrize(("log_format", "line", "expected"), LOGS)
def test_log_formats(log_format: str, line: bytes, expected: dict[str, str | None]) -> None:
    counters = Counters()
    option = {"optionName": "LOGTOJSON", "logFormat": log_format}
    (record,) = convert(line + b"\nsomething else\n", option, counters=counters)
    assert json.loads(record) == expected
    assert counters.unmatched == 1


COMMON = LOGS[0][1], LOGS[0][2]
SYSLOG = LOGS[3][2]


@pytest.mark.parametrize(
    ("log_format", "line", "expected"),
    [
        ("COMMONAPACHELOG", COMMON[0] + b' "-" "curl/7"', COMMON[1]),
        ("COMMONAPACHELOG", COMMON[0].replace(b"/a HTTP", b'/" 7 8 HTTP'), None),
        ("COMBINEDAPACHELOG", LOGS[1][1] + b' "192.0.2.1" 0.004', LOGS[1][2]),
        ("SYSLOG", b"Mar 12 12:00:08 <4.6> server2 rcd[308]: Loaded 12 packages", SYSLOG),
        ("SYSLOG", b"Mar 12 12:00:08 server2 rcd[308] - Loaded 12 packages", SYSLOG),
        (
            "SYSLOG",
            b"Mar 12 12:00:08 - rcd[-]: Loaded 12 packages",
            SYSLOG | {"hostname": None, "processid": None},
        ),
    ],
)
def test_lines_with_more_or_less_than_the_format(
    log_format: str, line: bytes, expected: dict[str, str | None] | None
) -> None:
    (record,) = convert(line + b"\n", {"optionName": "LOGTOJSON", "logFormat": log_format})
    assert json.loads(record) == (expected or COMMON[1] | {"request": 'GET /" 7 8 HTTP/1.0'})


def test_log_with_names_of_ones_own() -> None:
    option = {"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "customFieldNames": [*"abcde"]}
    assert convert(LOGS[3][1] + b"\n", option) == [
        b'{"a":"Mar 12 12:00:08","b":"server2","c":"rcd","d":"308","e":"Loaded 12 packages"}\n'
    ]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"^(a+)+$", []),
        (r"(.)(é)?(.*)\Z", ["é", None, "x"]),
        (r"^(?!DEBUG)(?!\w+:)(.*)$", ["éx"]),
        (r"(?=\w+:)(.*)", []),
        (r"\u00E9(x)", ["x"]),
    ],
)
def test_patterns_of_ones_own(pattern: str, found: list[str | None]) -> None:
    names = [*"abc"[: len(found) or 1]]
    option = {"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "matchPattern": pattern}
    records = convert("éx\n".encode(), option | {"customFieldNames": names})
    assert [[*json.loads(record).values()] for record in records] == ([found] if found else [])


def test_a_start_pattern_that_says_what_is_no_start() -> None:
    text = b"one\n at a\n\tat b\n\xa3 two\n at c\n"
    assert convert(text, multiLineStartPattern=r"^(?!\s)") == [
        b"one\n at a\n\tat b\n",
        b"\xa3 two\n at c\n",
    ]


def test_log_with_a_pattern_of_ones_own() -> None:
    option = {
        "optionName": "LOGTOJSON",
        "logFormat": "SYSLOG",
        "matchPattern": r"(?<level>\w+): (.*)",
        "customFieldNames": ["level", "text"],
    }
    assert convert(b"WARN: hot\n", option) == [b'{"level":"WARN","text":"hot"}\n']


def test_metadata_brackets_and_records_of_several_lines() -> None:
    metadata = {"optionName": "ADDMETADATA", "metadata": {"shop": 1}}
    assert convert(b"x\n", metadata) == [b'{"metadata":{"shop":1},"data":"x"}\n']
    (timed,) = convert(b"x\n", metadata | {"timestamp": True})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", json.loads(timed)["ts"])
    assert convert(b"x\n", {"optionName": "ADDBRACKETS"}) == [b"{x}\n"]
    text = b"2026 a\n  b\n2026 c\n"
    assert convert(text, multiLineStartPattern=r"\d{4}") == [b"2026 a\n  b\n", b"2026 c\n"]
    single = {"optionName": "SINGLELINE"}
    assert convert(text, single, multiLineStartPattern=r"\d{4}") == [b"2026 ab\n", b"2026 c\n"]


def test_header_and_encoding() -> None:
    counters = Counters()
    assert convert(b"head\nx\n", skipHeaderLines=1) == [b"x\n"]
    assert convert(b"\xa3\n", encoding="latin-1") == ["£\n".encode()]
    assert convert("\ufeffé\nx\n".encode("utf-16-le"), encoding="utf-16-le") == [
        "é\n".encode(),
        b"x\n",
    ]
    assert convert(b"a\x80b\n", encoding="ascii", counters=counters) == ["a\ufffdb\n".encode()]
    assert counters.undecodable == 1


def test_lines_pass_as_they_are_where_nothing_is_asked() -> None:
    assert convert(b"a\x80\r\n\n") == [b"a\x80\r\n", b"\n"]
