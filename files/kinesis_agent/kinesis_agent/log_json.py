"""LOGTOJSON: from lines of well-known log formats to JSON objects."""

import re
from collections.abc import Callable

from msgspec import Struct

from kinesis_agent.checkpoint import Counters
from kinesis_agent.config import LogToJson
from kinesis_agent.regex import Pattern
from kinesis_agent.text import decode, encode_json


class Format(Struct):
    """A pattern that a line has to begin with, and the names of its groups."""

    pattern: str
    names: list[str]

    def matcher(self) -> Callable[[str], tuple[str | None, ...] | None]:
        """Return what gives the groups of a line, or None where it does not match."""
        match = re.compile(self.pattern, re.DOTALL).match
        return lambda line: found.groups() if (found := match(line)) else None


_COMMON = r'(\S+) (\S+) (\S+) \[([^\]]+)\] "(.*?)" (\d{3}|-) (\d+|-)(?!\S)'
_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
# FreeBSD puts facility and level before the host; - is what is not known.
_SYSLOG = r" (?:<\w+\.\w+> )?(\S+) ([^\s\[:]+)(?:\[(\d+|-)\])?(?::| -) ?(.*)"
_COMMON_NAMES = ["host", "ident", "authuser", "datetime", "request", "response", "bytes"]
_SYSLOG_NAMES = ["timestamp", "hostname", "program", "processid", "message"]

FORMATS = {
    "COMMONAPACHELOG": Format(_COMMON, _COMMON_NAMES),
    "COMBINEDAPACHELOG": Format(
        rf"{_COMMON} {_QUOTED} {_QUOTED}",
        [*_COMMON_NAMES, "referer", "agent"],
    ),
    "APACHEERRORLOG": Format(
        r"\[([^\]]+)\] \[(?:(\w*):)?(\w+)\](?: \[pid (\d+)(?::tid (\d+))?\])?"
        r"(?: \[client:? ([^\]]+)\])? (.*)",
        ["timestamp", "module", "severity", "processid", "threadid", "client", "message"],
    ),
    "SYSLOG": Format(r"(?:<\d+>)?(\w{3} +\d+ \d\d:\d\d:\d\d)" + _SYSLOG, _SYSLOG_NAMES),
    "RFC3339SYSLOG": Format(
        r"(?:<\d+>)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))" + _SYSLOG,
        _SYSLOG_NAMES,
    ),
}


class LogConverter:
    """An object a line; a line that does not match is dropped and counted; "-" is null."""

    def __init__(self, option: LogToJson, counters: Counters) -> None:
        form = FORMATS[option.log_format]
        self._match = (
            Pattern(option.match_pattern).fullmatch if option.match_pattern else form.matcher()
        )
        self._names = option.custom_field_names or form.names
        self._format, self._counters = option.json_format, counters

    def convert(self, records: list[bytes]) -> list[bytes]:
        """Convert lines."""
        found = []
        for record in records:
            text = decode(record, "utf-8", self._counters).rstrip("\r\n")
            groups = self._match(text)
            if groups is None:
                self._counters.unmatched += 1
                continue
            values = [None if value == "-" else value for value in groups]
            value = dict(zip(self._names, values, strict=False))
            found.append(encode_json(value, self._format) + b"\n")
        return found
