"""From the text of whole records, in UTF-8, to the data of the records to be sent."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from kinesis_agent.config import CsvToJson, Flow
from kinesis_agent.frame import Framer, Lines, QuotedLines
from kinesis_agent.tail import Piece

# What JSON wants escaped in a string, but for the quote and the line end.
_ESCAPED = bytes(byte for byte in range(32) if byte != 10) + b"\\"


class Counts(msgspec.Struct):
    """What conversion has seen."""

    undecodable: int = 0
    unmatched: int = 0


def encode_json(value: Any, json_format: str) -> bytes:
    """Encode as the flow's options ask."""
    data = msgspec.json.encode(value)
    return data if json_format == "COMPACT" else msgspec.json.format(data, indent=2)


class CsvConverter:
    """CSVTOJSON: an object a line, its values strings, or null where the line has no such field.

    Without quoting, trailing empty fields are null too, as the official agent has it; with
    quoting an empty field is an empty string wherever it stands.
    """

    def __init__(self, option: CsvToJson, counts: Counts) -> None:
        self._option, self._counts = option, counts
        self._quoting = option.csv_quoting == "rfc4180"
        self.framer = QuotedLines(option.plain_delimiter or ",") if self._quoting else None
        names = b",".join(
            msgspec.json.encode(name).replace(b"%", b"%%") + b':"%b"'
            for name in option.custom_field_names
        )
        self._template = b"{" + names + b"}\n"
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
            return self._stretch(text.replace(b"\r\n", b"\n"))
        records: list[bytes] = []
        for quoted, start, end in self.framer.stretches(text):
            if quoted:
                records.append(self._object(self._split_quoted(self._decode(text[start:end]))))
            else:
                records += self._stretch(text[start:end].replace(b"\r\n", b"\n"))
        return records

    def _stretch(self, text: bytes) -> list[bytes]:
        """Convert lines that have no quoted fields."""
        lines = text.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if self._is_plain(text):
            try:
                template, delimiter = self._template, self._delimiter
                return [template % tuple(line.split(delimiter)) for line in lines]
            except TypeError:
                pass  # a line has too few or too many fields
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
        return len(text.translate(None, self._escaped)) == len(text)

    def _line(self, line: bytes) -> bytes:
        fields: list[str | None]
        if self._delimiter and self._is_plain(line + b"\n"):
            values = line.split(self._delimiter)
            if len(values) == len(self._option.custom_field_names):
                return self._template % tuple(values)
        text = self._decode(line)
        if self._option.plain_delimiter:
            fields = [*text.split(self._option.plain_delimiter)]
        else:
            fields = [*re.split(self._option.delimiter, text)]
        if not self._quoting:
            while fields and not fields[-1]:
                fields.pop()
        return self._object(fields)

    def _split_quoted(self, text: str) -> list[str | None]:
        fields: list[str | None] = []
        for match in self._quoted_field.finditer(text.removesuffix("\n").removesuffix("\r")):
            quoted, bare, end = match.groups()
            fields.append(bare if quoted is None else quoted.replace('""', '"'))
            if not end:
                break
        return fields

    def _object(self, fields: list[str | None]) -> bytes:
        names = self._option.custom_field_names
        fields += [None] * (len(names) - len(fields))
        value = dict(zip(names, fields, strict=False))
        return encode_json(value, self._option.json_format) + b"\n"

    def _decode(self, data: bytes) -> str:
        return decode(data, "utf-8", self._counts)


def decode(data: bytes, encoding: str, counts: Counts) -> str:
    """Decode; what does not decode becomes U+FFFD and is counted."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
        counts.undecodable += text.count("\ufffd")
        return text


Converter = Callable[[bytes], list[bytes]]


def keep(text: bytes) -> list[bytes]:
    """Make each line a record as it is."""
    return (
        text.splitlines(keepends=True)
        if b"\r" not in text
        else re.findall(rb"[^\n]*\n|[^\n]+\Z", text)
    )


class Conversion:
    """What a flow does to whole records."""

    def __init__(self, framer: Framer, steps: list[Converter], flow: Flow, counts: Counts) -> None:
        self.framer = framer
        self._steps, self._counts = steps, counts
        self._skip, self._encoding = flow.skip_header_lines, flow.encoding

    def convert(self, piece: Piece) -> list[bytes]:
        """Return the data of the records to send."""
        text = piece.data
        if self._skip and piece.start == 0:
            text = text.split(b"\n", self._skip)[-1]
        return self._steps[0](text)


def of_flow(flow: Flow, counts: Counts) -> Conversion:
    """Make the conversion that the flow's options describe."""
    option = flow.data_processing_options[0] if flow.data_processing_options else None
    if isinstance(option, CsvToJson):
        converter = CsvConverter(option, counts)
        return Conversion(converter.framer or Lines(), [converter.convert], flow, counts)
    return Conversion(Lines(), [keep], flow, counts)
