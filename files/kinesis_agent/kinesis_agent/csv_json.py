"""CSVTOJSON: from separated values to JSON objects."""

import re

import msgspec

from kinesis_agent.checkpoint import Counters
from kinesis_agent.config import CsvToJson
from kinesis_agent.frame import QuotedLines
from kinesis_agent.regex import Pattern
from kinesis_agent.text import decode, encode_json

# What JSON wants escaped in a string, but for the quote and the line end.
_ESCAPED = bytes(byte for byte in range(32) if byte != 10) + b"\\"


class CsvConverter:
    """CSVTOJSON: an object a line, its values strings, or null where the line has no such field.

    Without quoting, trailing empty fields are null too, as the official agent has it; with
    quoting an empty field is an empty string wherever it stands.
    """

    def __init__(self, option: CsvToJson, counters: Counters) -> None:
        self._option, self._counters = option, counters
        self._quoting = option.csv_quoting == "rfc4180"
        self.framer = QuotedLines(option.plain_delimiter or ",") if self._quoting else None
        names = b",".join(
            msgspec.json.encode(name).replace(b"%", b"%%") + b':"%b"'
            for name in option.custom_field_names
        )
        self._template = b"{" + names + b"}\n"
        self._pattern = Pattern(option.delimiter) if option.plain_delimiter is None else None
        self._delimiter = (option.plain_delimiter or "").encode()
        self._escaped = _ESCAPED.replace(self._delimiter, b"") if self._delimiter else _ESCAPED
        self._quoted_field = re.compile(
            r'(?:"((?:[^"]|"")*+)"(?=\Z|{0})|([^{0}]*))(\Z|{0})'.format(
                re.escape(option.plain_delimiter or ",")
            )
        )

    def convert(self, text: bytes) -> list[bytes]:
        """Convert whole lines; a fast path takes those that need no escaping."""
        if self.framer is None:
            return self._stretch(text)
        if b'"' not in text:
            return self._stretch(text)
        records: list[bytes] = []
        for quoted, start, end in self.framer.stretches(text):
            if quoted:
                records.append(self._object(self._split_quoted(self._decode(text[start:end]))))
            else:
                records += self._stretch(text[start:end])
        return records

    def _stretch(self, text: bytes) -> list[bytes]:
        """Convert lines that have no quoted fields."""
        if self._is_plain(text):
            try:
                template, delimiter = self._template, self._delimiter
                return [template % tuple(line.split(delimiter)) for line in text.splitlines()]
            except TypeError:
                pass  # a line has too few or too many fields
        lines = (text.replace(b"\r\n", b"\n") if self._quoting else text).split(b"\n")
        if not lines[-1]:
            lines.pop()
        return [self._line(line) for line in lines]

    def _is_plain(self, text: bytes) -> bool:
        if self._option.json_format != "COMPACT" or not self._delimiter or b'"' in text:
            return False
        if not self._quoting and self._delimiter + b"\n" in text:
            return False
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                return False
        odd = len(text) - len(text.translate(None, self._escaped))
        return not odd or (self._quoting and odd == text.count(b"\r\n"))

    def _line(self, line: bytes) -> bytes:
        fields: list[str | None]
        if self._delimiter and self._is_plain(line + b"\n"):
            values = line.split(self._delimiter)
            if len(values) == len(self._option.custom_field_names):
                return self._template % tuple(values)
        text = self._decode(line)
        if self._pattern:
            fields = [*self._pattern.split(text)]
        else:
            fields = [*text.split(self._option.plain_delimiter)]
        if not self._quoting:
            while fields and not fields[-1]:
                fields.pop()
        return self._object(fields)

    def _split_quoted(self, text: str) -> list[str | None]:
        fields: list[str | None] = []
        line = text.removesuffix("\n").removesuffix("\r")
        for quoted, bare, end in self._quoted_field.findall(line):
            fields.append(quoted.replace('""', '"') or bare)
            if not end:
                break
        return fields

    def _object(self, fields: list[str | None]) -> bytes:
        names = self._option.custom_field_names
        fields += [None] * (len(names) - len(fields))
        value = dict(zip(names, fields, strict=False))
        return encode_json(value, self._option.json_format) + b"\n"

    def _decode(self, data: bytes) -> str:
        return decode(data, "utf-8", self._counters)
