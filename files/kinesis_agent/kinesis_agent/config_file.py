"""Reads agent.json and agent.d, and says of every error where it is and what would be right."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from kinesis_agent.config import (
    OPTIONS,
    Config,
    CsvToJson,
    Flow,
    LogToJson,
    Option,
    java_pattern,
)
from kinesis_agent.json_places import Place, places, without_comments


class ConfigError(Exception):
    """What is wrong with a configuration, a line for each error."""


def load(path: Path) -> Config:
    """Read agent.json and the flows of agent.d beside it; raise ConfigError with all errors."""
    files = [path, *sorted((path.parent / "agent.d").glob("*.json"))]
    texts = {}
    for file in files:
        try:
            texts[str(file)] = file.read_bytes().decode()
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file}: not UTF-8 at byte {error.start}") from None
    return parse(texts)


def parse(texts: Mapping[str, str]) -> Config:
    """Make one configuration of the first text and the flows of the others."""
    errors: list[str] = []
    configs = [
        _parse_one(name, text, errors, whole=n == 0) for n, (name, text) in enumerate(texts.items())
    ]
    if errors:
        raise ConfigError("\n".join(errors))
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
        errors.append(f"{name}: {error}")
        return None
    return _Reader(name, places(plain), errors).read_config(value, whole)


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
        if config and (config.aws_access_key_id is None) != (config.aws_secret_access_key is None):
            self._error((), "awsAccessKeyId and awsSecretAccessKey go together")
        return config

    def _flow(self, value: Any, place: Place) -> Flow | None:
        if not isinstance(value, dict):
            self._error(place, "must be an object")
            return None
        options = value.get("dataProcessingOptions")
        if isinstance(options, list):
            here = (*place, "dataProcessingOptions")
            read = [self._option(option, (*here, i)) for i, option in enumerate(options)]
            value = value | {"dataProcessingOptions": [option for option in read if option]}
        flow = self._struct(Flow, value, place, ready=("dataProcessingOptions",))
        if flow is None:
            return None
        if (flow.kinesis_stream is None) == (flow.delivery_stream is None):
            self._error(place, "needs kinesisStream or deliveryStream, one of them")
        self._compiles(flow.multi_line_start_pattern, (*place, "multiLineStartPattern"))
        self._check_encoding(flow, place)
        return flow

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
            groups = self._compiles(option.match_pattern, (*place, "matchPattern"))
            names = option.custom_field_names
            if groups is not None and names is not None and len(names) != groups:
                self._error(place, f"matchPattern has {groups} groups for {len(names)} names")
            if groups is None and names is not None and option.match_pattern is None:
                self._error(place, "customFieldNames needs a matchPattern")
        return option

    def _compiles(self, pattern: str | None, place: Place) -> int | None:
        if pattern is None:
            return None
        try:
            return re.compile(java_pattern(pattern)).groups
        except (re.error, RecursionError, OverflowError) as error:
            self._error(place, f"is no regular expression: {error}")
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
                near = difflib.get_close_matches(key, fields, 1, 0.6) or [
                    name for name in fields if name.lower() == key.lower()
                ]
                hint = f"; did you mean {near[0]!r}?" if near else ""
                self._error((*place, key), f"unknown key{hint}")
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

    def _error(self, place: Place, text: str) -> None:
        line = next(
            (
                self._places[place[:n]]
                for n in range(len(place), 0, -1)
                if place[:n] in self._places
            ),
            1,
        )
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).lstrip(".")
        self._errors.append(f"{self._name}:{line}: {f'{path}: ' if path else ''}{text}")
