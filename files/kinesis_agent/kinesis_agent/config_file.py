"""Reads agent.json and agent.d, and says of every error where it is and what would be right."""

import difflib
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from kinesis_agent import endpoints
from kinesis_agent.config import (
    IDLE,
    OPTIONS,
    Config,
    CsvToJson,
    Flow,
    LogToJson,
    Name,
    Option,
    Word,
)
from kinesis_agent.java_glob import expand
from kinesis_agent.json_places import Place, places, without_comments
from kinesis_agent.log_json import FORMATS
from kinesis_agent.regex import Pattern, PatternError

log = logging.getLogger(__name__)


class ConfigError(Exception):
    """What is wrong with a configuration, a line for each error."""


def load(path: Path) -> Config:
    """Read agent.json and the flows of agent.d beside it; raise ConfigError with all errors."""
    files = [path, *sorted((path.parent / "agent.d").glob("*.json"))]
    texts = {}
    for file in files:
        try:
            data = file.read_bytes()
            texts[str(file)] = data.decode("utf-8-sig")
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            if data.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise ConfigError(f"{file}: is UTF-16: save it as UTF-8") from None
            line = data.count(b"\n", 0, error.start) + 1
            raise ConfigError(f"{file}:{line}: not UTF-8") from None
    return parse(texts)


def parse(texts: Mapping[str, str]) -> Config:
    """Make one configuration of the first text and the flows of the others."""
    errors: list[str] = []
    configs = [
        _parse_one(name, text, errors, whole=n == 0) for n, (name, text) in enumerate(texts.items())
    ]
    if errors:
        raise ConfigError("\n".join(dict.fromkeys(errors)))
    parts = [config for config in configs if config]
    config = msgspec.structs.replace(parts[0], flows=[f for part in parts for f in part.flows])
    if not config.flows:
        errors.append(f"{next(iter(texts))}: flows is empty")
    seen: set[str] = set()
    for flow in config.flows:
        if flow.key in seen:
            errors.append(f"two flows take {flow.file_pattern} to {flow.destination}")
        seen.add(flow.key)
    if errors:
        raise ConfigError("\n".join(errors))
    return config


def _parse_one(name: str, text: str, errors: list[str], whole: bool) -> Config | None:
    try:
        plain = without_comments(text)
        value = msgspec.json.decode(plain)
        if not isinstance(value, dict):
            raise ValueError("must be an object")
    except (ValueError, RecursionError) as error:
        text, _, byte = str(error).partition(" (byte ")
        before = plain.encode()[: int(byte.rstrip(")"))] if byte else b""
        line = before.count(b"\n") + 1
        errors.append(f"{name}:{line}: {text}")
        return None
    found, again = places(plain)
    reader = _Reader(name, found, errors)
    for place, line in again:
        reader.given_again(place, line)
    return reader.read_config(value, whole)


def _choices(kind: Any) -> list[str]:
    """Return the names that a value of this type may have, where they are few."""
    parts = [kind, *get_args(kind)]
    return [name for part in parts if get_origin(part) is Literal for name in get_args(part)]


class _Reader:
    """Turns decoded JSON into structs and collects every error with its place."""

    def __init__(self, name: str, places: dict[Place, int], errors: list[str]) -> None:
        self._name, self._places, self._errors = name, places, errors

    def read_config(self, value: dict[str, Any], whole: bool) -> Config | None:
        for key in value.keys() - {"flows"} if not whole else ():
            self._error((key,), "belongs into agent.json: only flows are read here")
        flows = value.get("flows")
        if isinstance(flows, list):
            read = [self._flow(flow, ("flows", i)) for i, flow in enumerate(flows)]
            value = value | {"flows": [flow for flow in read if flow] if any(read) else read}
        config = self._struct(Config, value, (), ready=("flows",) if flows else ())
        if config is None:
            return None
        if (config.aws_access_key_id is None) != (config.aws_secret_access_key is None):
            self._error((), "awsAccessKeyId and awsSecretAccessKey go together")
        if config.checkpoint_file:
            self._check_path(config.checkpoint_file, ("checkpointFile",))
        for service in endpoints.SERVICES if whole else ():
            try:
                endpoints.endpoint(config, service)
            except ValueError as error:
                key = f"{service}.endpoint"
                self._error((key,) if value.get(key) else (), str(error))
        return config

    def given_again(self, place: Place, line: int) -> None:
        """Note that a key is given twice."""
        self._errors.append(
            f"{self._name}:{line}: {_path(place)}: given twice, before on line "
            f"{self._places[place]}"
        )

    def _check_path(self, path: str, place: Place) -> None:
        if path.startswith("~"):
            self._error(place, f"{path!r}: ~ is no directory to a service: write it out")
        elif not path.startswith("/"):
            self._error(place, f"{path!r} does not start with /, and a service has no directory")
        elif path.endswith("/"):
            self._error(place, f"{path!r} is a directory; say which file")
        elif not path.isprintable():
            self._error(place, f"{path!r} holds characters that are none of a name")
        elif path != path.strip():
            self._error(place, f"{path!r} ends in a blank")

    def _flow(self, value: Any, place: Place) -> Flow | None:
        if not isinstance(value, dict):
            self._error(place, "must be an object")
            return None
        options = value.get("dataProcessingOptions")
        if isinstance(options, list):
            here = (*place, "dataProcessingOptions")
            read = [self._option(option, (*here, i)) for i, option in enumerate(options)]
            value = value | {"dataProcessingOptions": [option for option in read if option]}
        elif options is not None:
            self._error((*place, "dataProcessingOptions"), "must be a list: put it in [ ]")
        flow = self._struct(Flow, value, place, ready=("dataProcessingOptions",))
        if flow is None:
            return None
        if (flow.kinesis_stream is None) == (flow.delivery_stream is None):
            self._error(place, "needs kinesisStream or deliveryStream, one of them")
        self._check_stream(flow.kinesis_stream, (*place, "kinesisStream"), 128)
        self._check_stream(flow.delivery_stream, (*place, "deliveryStream"), 64)
        self._check_path(flow.file_pattern, (*place, "filePattern"))
        try:
            expand(flow.file_pattern)
        except ValueError as error:
            self._error((*place, "filePattern"), f"{flow.file_pattern!r}: {error}")
        self._compiles(flow.multi_line_start_pattern, (*place, "multiLineStartPattern"))
        self._check_encoding(flow, place)
        return flow

    def _check_stream(self, name: str | None, place: Place, longest: int) -> None:
        if name is None:
            return
        if name.startswith("arn:"):
            self._error(place, f"is an ARN; the stream's name is {name.rpartition('/')[2]!r}")
        elif not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or len(name) > longest:
            allowed = f"1 to {longest} letters, digits and any of . _ -"
            self._error(place, f"{name!r} is no stream's name, which is {allowed}")

    def _check_encoding(self, flow: Flow, place: Place) -> None:
        ascii_text = "".join(map(chr, range(128)))
        try:
            keeps_ascii = ascii_text.encode(flow.encoding) == ascii_text.encode()
            whole = "\n\n".encode(flow.encoding) == 2 * "\n".encode(flow.encoding)
        except (LookupError, ValueError, TypeError, UnicodeError):
            self._error((*place, "encoding"), f"{flow.encoding!r} is no encoding of text")
            return
        if not whole and flow.encoding.lower().replace("_", "-") != "utf-8-sig":
            self._error(
                (*place, "encoding"),
                f"{flow.encoding!r} depends on the file's start: say which, utf-16-le for instance",
            )
        quoted = any(
            isinstance(option, CsvToJson) and option.csv_quoting == "rfc4180"
            for option in flow.data_processing_options
        )
        if not keeps_ascii and (quoted or flow.multi_line_start_pattern):
            self._error(
                (*place, "encoding"),
                f"records of several lines cannot be found in {flow.encoding!r}",
            )

    def _option(self, value: Any, place: Place) -> Option | None:
        if not isinstance(value, dict):
            self._error(place, "must be an object")
            return None
        name = value.get("optionName")
        if name == "USINGPLUGGIN":
            self._error(place, "USINGPLUGGIN loads Java classes, which this agent has no Java for")
            return None
        if not isinstance(name, str) or name not in OPTIONS:
            self._error(place, f"optionName {name!r} is not one of {', '.join(sorted(OPTIONS))}")
            return None
        rest = {key: each for key, each in value.items() if key != "optionName"}
        option = self._struct(OPTIONS[name], rest, place)
        if isinstance(option, CsvToJson):
            self._compiles(
                option.delimiter if len(option.delimiter) > 1 else None, (*place, "delimiter")
            )
            plain = option.plain_delimiter or ""
            if option.csv_quoting == "rfc4180" and not re.fullmatch(r"[^\"\r\n\x80-\uffff]", plain):
                self._error(place, "csvQuoting needs a delimiter of one ASCII character")
        if isinstance(option, LogToJson):
            names = option.custom_field_names or FORMATS[option.log_format].names
            groups = self._compiles(option.match_pattern, (*place, "matchPattern"))
            if option.match_pattern is None and len(names) != len(FORMATS[option.log_format].names):
                fields = ", ".join(FORMATS[option.log_format].names)
                self._error(place, f"customFieldNames has {len(names)} names for {fields}")
            if groups is not None and len(names) != groups:
                self._error(place, f"matchPattern has {groups} groups for {len(names)} names")
        if isinstance(option, CsvToJson | LogToJson):
            names = option.custom_field_names or []
            for name in dict.fromkeys(each for each in names if names.count(each) > 1):
                self._error(place, f"customFieldNames has {name!r} twice")
        return option

    def _compiles(self, pattern: str | None, place: Place) -> int | None:
        if pattern is None:
            return None
        try:
            return Pattern(pattern).groups
        except PatternError as error:
            self._error(place, f"cannot be used as a regular expression: {error}")
            return None

    def _struct(
        self, kind: type[Any], value: dict[str, Any], place: Place, ready: Iterable[str] = ()
    ) -> Any:
        """Make the struct, or None; a field named in ready has been read already."""
        before = len(self._errors)
        fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
        arguments = {}
        for key, each in value.items():
            if key not in fields:
                if kind in (Config, Flow) and self._is_idle(key, place):
                    continue
                near = difflib.get_close_matches(key, fields, 1, 0.6) or [
                    name for name in fields if name.lower() == key.lower()
                ]
                hint = f"; did you mean {near[0]!r}?" if near else ""
                self._error((*place, key), f"unknown key{hint}")
            elif each == "" and {Name, Word} & {*get_args(fields[key].type)}:
                continue  # as in the file that the official package installs
            elif key in ready:
                arguments[fields[key].name] = each
            else:
                try:
                    arguments[fields[key].name] = msgspec.convert(
                        each, fields[key].type, strict=False
                    )
                except (msgspec.ValidationError, OverflowError) as error:
                    names = _choices(fields[key].type)
                    hint = f"; it is one of {', '.join(names)}" if names else ""
                    self._error((*place, key), f"{error}{hint}")
        for key, each in fields.items():
            if each.required and key not in value:
                self._error(place, f"{key!r} is missing")
        return kind(**arguments) if len(self._errors) == before else None

    def _is_idle(self, key: str, place: Place) -> bool:
        """Whether it is a key of the official agent that does nothing here; that is said."""
        for name, text in IDLE.items():
            if key == name or (name.endswith("*") and key.startswith(name[:-1])):
                where = self._where((*place, key))
                log.warning("%s%s: does nothing here: %s", where, _path((*place, key)), text)
                return True
        return False

    def _error(self, place: Place, text: str) -> None:
        path = _path(place)
        self._errors.append(f"{self._where(place)}{f'{path}: ' if path else ''}{text}")

    def _where(self, place: Place) -> str:
        line = next(
            (
                self._places[place[:n]]
                for n in range(len(place), 0, -1)
                if place[:n] in self._places
            ),
            1,
        )
        return f"{self._name}:{line}: "


def _path(place: Place) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).lstrip(".")
