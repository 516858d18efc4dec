"""From the text of whole records to the data of the records to be sent, as a flow's options say."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from kinesis_agent import metadata
from kinesis_agent.checkpoint import Counters
from kinesis_agent.config import (
    AddBrackets,
    AddEc2Metadata,
    AddMetadata,
    CsvToJson,
    Flow,
    LogToJson,
    Option,
    SingleLine,
)
from kinesis_agent.csv_json import CsvConverter
from kinesis_agent.frame import Framer, Lines, MultiLine
from kinesis_agent.log_json import LogConverter
from kinesis_agent.tail import Piece
from kinesis_agent.text import decode, encode_json

Step = Callable[[list[bytes]], list[bytes]]

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


class Conversion:
    """What a flow does to whole records."""

    def __init__(self, flow: Flow, counters: Counters) -> None:
        self._flow, self._counters = flow, counters
        self.framer: Framer = Lines("\n".encode(flow.encoding))
        self._split: Callable[[bytes], list[bytes]] = _LINE.findall
        options = list(flow.data_processing_options)
        if flow.multi_line_start_pattern:
            self.framer = MultiLine(flow.multi_line_start_pattern)
            self._split = self.framer.split
        elif options and isinstance(options[0], CsvToJson):
            csv = CsvConverter(options.pop(0), counters)  # type: ignore[arg-type]
            self.framer, self._split = csv.framer or self.framer, csv.convert
        self._ec2: metadata.Ec2 | None = None
        self._steps = [self._step(option) for option in options]
        self._is_utf8 = flow.encoding.lower().replace("_", "-") in ("utf-8", "utf8")

    @property
    def is_ready(self) -> bool:
        """Whether convert() may be called; if not, prepare() has to be."""
        return self._ec2 is None or bool(self._ec2.value)

    def prepare(self) -> None:
        """Learn what a conversion needs to know; raise MetadataError where that cannot be."""
        if self._ec2:
            self._ec2.ask()

    def convert(self, piece: Piece) -> list[bytes]:
        """Return the data of the records to send."""
        text = piece.data
        if not self._is_utf8:
            text = decode(text, self._flow.encoding, self._counters).encode()
        if piece.start == 0:
            text = text.removeprefix(b"\xef\xbb\xbf").lstrip(b"\0")
            if self._flow.skip_header_lines:
                text = text.split(b"\n", self._flow.skip_header_lines)[-1]
        records = self._split(text)
        for step in self._steps:
            records = step(records)
        return records

    def _step(self, option: Option) -> Step:
        match option:
            case SingleLine():
                return _single_line
            case CsvToJson():
                csv = CsvConverter(option, self._counters)
                return lambda records: [out for each in records for out in csv.convert(each)]
            case LogToJson():
                return LogConverter(option, self._counters).convert
            case AddMetadata():
                return lambda records: self._wrap(records, metadata.of(option), option.json_format)
            case AddEc2Metadata():
                ec2 = self._ec2 = self._ec2 or metadata.Ec2()
                return lambda records: self._wrap(records, ec2.value, option.json_format)
            case AddBrackets():
                return lambda records: [b"{%b}\n" % each.removesuffix(b"\n") for each in records]

    def _wrap(self, records: list[bytes], value: dict[str, Any], form: str) -> list[bytes]:
        return [
            encode_json(value | {"data": self._data(record)}, form) + b"\n" for record in records
        ]

    def _data(self, record: bytes) -> Any:
        """Return the record as JSON where it is that, else as a string."""
        if record.startswith(b"{"):
            try:
                return msgspec.json.decode(record)
            except msgspec.DecodeError:
                pass
        return decode(record.removesuffix(b"\n"), "utf-8", self._counters)


def _single_line(records: list[bytes]) -> list[bytes]:
    return [b"".join(line.strip() for line in each.splitlines()) + b"\n" for each in records]
