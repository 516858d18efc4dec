"""YAML documents whose errors name the line and the key."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec
import yaml

from analytics_engine.errors import InputError

Struct = TypeVar("Struct", bound=msgspec.Struct)
Problem = tuple[str, str]
"""A key (`where`, or `columns.Price`), and what is wrong there."""


class Wrong(NamedTuple):
    """What is wrong at a line of a file."""

    line: int
    message: str


def mapping(text: str, name: str) -> yaml.MappingNode:
    """The document, a mapping; InputError where it is none."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{name}:{line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{name}:1: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise InputError(f"{name}:1: nested too deeply") from error
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{name}:1: expected keys and values")
    return root


def pairs(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    """Keys and the nodes of their values, in the order of the file."""
    for key, value in node.value:
        yield str(key.value), value


def convert(
    node: yaml.Node,
    kind: type[Struct],
    problems: Callable[[Struct], Iterator[Problem]] = lambda _: iter(()),
) -> tuple[Struct | None, list[Wrong]]:
    """A mapping as a struct, or None and all that is wrong with it.

    `problems` finds what is wrong with one whose values are each valid.
    """
    here = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        return None, [Wrong(here, "expected keys and values")]
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    lines = dict(_lines(node))
    values: dict[str, Any] = {}
    wrong: list[Wrong] = []
    for key, value in pairs(node):
        line = value.start_mark.line + 1
        if key not in fields:
            wrong.append(Wrong(line, f"{key}: unknown key (known: {', '.join(fields)})"))
        elif key in values:
            wrong.append(Wrong(line, f"{key}: given twice"))
        try:
            values[key] = _construct(value)
        except (yaml.YAMLError, ValueError) as error:
            message = getattr(error, "problem", None) or str(error)
            wrong.append(Wrong(line, f"{key}: {message}"))
    broken = {key for key in fields if key in lines and key not in values}
    for key, field in fields.items():
        if key not in values:
            if field.required and key not in broken:
                wrong.append(Wrong(here, f"{key}: missing"))
            continue
        try:
            msgspec.convert(values[key], field.type)
        except msgspec.ValidationError as error:
            wrong.append(Wrong(lines[key], f"{key}: {error}"))
    # A key that is unknown or stands there twice leaves something to look at, what is invalid not.
    known = {key: value for key, value in values.items() if key in fields}
    try:
        if broken:
            return None, sorted(wrong)
        made = msgspec.convert(known, kind)
    except msgspec.ValidationError:
        return None, sorted(wrong)
    for key, message in problems(made):
        wrong.append(Wrong(_line_of(key, lines, here), f"{key}: {message}"))
    return (None if wrong else made), sorted(wrong)


def _construct(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _lines(node: yaml.MappingNode, prefix: str = "") -> Iterator[tuple[str, int]]:
    """The line of each key, those of nested mappings too, as `columns.Price`."""
    for key, value in pairs(node):
        yield f"{prefix}{key}", value.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            yield from _lines(value, f"{prefix}{key}.")


def _line_of(key: str, lines: Mapping[str, int], default: int) -> int:
    """Of a key that is not there, the line of the one around it."""
    while key not in lines and "." in key:
        key = key.rpartition(".")[0]
    return lines.get(key, default)
