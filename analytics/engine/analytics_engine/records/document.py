"""YAML documents whose errors name the line and the key, and say what to write instead.

YAML takes some words for other things than people mean by them: NO for a truth value, 010 for 8,
1e3 for text. And where a key stands twice, the first is lost without a word.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
import yaml

from analytics_engine.errors import InputError

Struct = TypeVar("Struct", bound=msgspec.Struct)
Problem = tuple[str, str]
"""A key (`where`, `columns.Price`, or `lines.0`), and what is wrong there."""

GREATEST = 2**63
DEEPEST = 100
"""Levels of nesting. What is made of a document calls itself at each."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_READ_AS = {"bool": "a truth value", "int": "a number", "float": "a number", "timestamp": "a date"}
_INTEGER = re.compile(r"[-+]?(0|[1-9]\d*)")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
"""Of a path in an error of msgspec's."""


class Wrong(NamedTuple):
    """What is wrong at a line of a file."""

    line: int
    message: str


def mapping(text: str, name: str) -> yaml.MappingNode:
    """The document, a mapping; InputError where it is none."""
    try:
        _see_how_deep(text, name)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{name}:{min(line, text.count(chr(10)) + 1)}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise InputError(f"{name}:1: {' '.join(str(error).split())}") from error
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{name}:1: expected keys and values")
    return root


def pairs(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    """Keys and the nodes of their values, in the order of the file."""
    for key, value in node.value:
        yield str(key.value) if isinstance(key, yaml.ScalarNode) else "?", value


def entries(root: yaml.MappingNode, key: str, name: str) -> list[yaml.Node]:
    """The list under a key of the document; InputError where there is none, or more than one."""
    found = [value for own, value in pairs(root) if own == key]
    if len(found) > 1:
        raise InputError(f"{name}:{found[1].start_mark.line + 1}: {key}: given twice")
    if not found or not isinstance(found[0], yaml.SequenceNode):
        raise InputError(f"{name}:1: {key}: expected a list of {key}")
    return found[0].value


def convert(
    node: yaml.Node,
    kind: type[Struct],
    problems: Callable[[Struct], Iterator[Problem]] = lambda _: iter(()),
    required: Collection[str] = (),
) -> tuple[Struct | None, list[Wrong]]:
    """A mapping as a struct, or None and all that is wrong with it.

    `required` keys may not be missing though the struct has a default. `problems` finds what is
    wrong with one whose values are each valid.
    """
    here = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        return None, [Wrong(here, "expected keys and values")]
    fields = _fields(kind)
    given = dict(pairs(node))
    values: dict[str, Any] = {}
    wrong = [*_misreadings(node, "", set())]
    for key, value in given.items():
        line = value.start_mark.line + 1
        if key not in fields:
            wrong.append(Wrong(line, f"{key}: unknown key (known: {', '.join(fields)})"))
        try:
            values[key] = _construct(value)
        except (yaml.YAMLError, ValueError) as error:
            message = getattr(error, "problem", None) or str(error)
            wrong.append(Wrong(line, f"{key}: {message}"))
    broken = {key for key in fields if key in given and key not in values}
    for key, field in fields.items():
        if key not in values:
            if (field.required or key in required) and key not in broken:
                wrong.append(Wrong(here, f"{key}: missing"))
                broken.add(key)
            continue
        try:
            msgspec.convert(values[key], field.type)
        except msgspec.ValidationError as error:
            wrong.append(_invalid(given[key], key, str(error)))
    # A key that is unknown or stands there twice leaves something to look at, what is invalid not.
    known = {key: value for key, value in values.items() if key in fields}
    try:
        if broken:
            return None, sorted(wrong)
        made = msgspec.convert(known, kind)
    except msgspec.ValidationError:
        return None, sorted(wrong)
    for key, message in problems(made):
        wrong.append(Wrong(_at(node, key.split("."))[0].start_mark.line + 1, f"{key}: {message}"))
    return (None if wrong else made), sorted(wrong)


def _see_how_deep(text: str, name: str) -> None:
    """Before anything calls itself at each level."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            raise InputError(f"{name}:{event.start_mark.line + 1}: <<: write the keys themselves")
        if depth > DEEPEST:
            raise InputError(f"{name}:{event.start_mark.line + 1}: nested too deeply")


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field for field in msgspec.structs.fields(kind)}


def _construct(node: yaml.Node) -> Any:
    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:  # odd tags
        raise ValueError(f"cannot be read: {error!r}") from error


def _misreadings(node: yaml.Node, path: str, seen: set[int]) -> Iterator[Wrong]:
    """Keys that stand there twice, and numbers that YAML reads otherwise than people."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in pairs(node):
            place = f"{path}.{key}" if path else key
            if key in keys:
                yield Wrong(value.start_mark.line + 1, f"{place}: given twice")
            keys.add(key)
            yield from _misreadings(value, place, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _misreadings(value, f"{path}.{index}", seen)
    elif (message := _number(node)) is not None:
        yield Wrong(node.start_mark.line + 1, f"{path}: {message}")


def _number(node: yaml.ScalarNode) -> str | None:
    text, tag = node.value, node.tag.removeprefix(_TAG)
    if tag not in ("int", "float") or (_INTEGER if tag == "int" else _NUMBER).fullmatch(text):
        if tag == "float" and math.isinf(float(text)):
            return f"{text} is too large a number"
        return None
    try:
        value = _construct(node)
    except (yaml.YAMLError, ValueError):
        return None  # whoever reads the value says so
    if type(value) is int and abs(value) > GREATEST:
        return f"{text[:40]} is too large a number"
    if not math.isfinite(value):
        return f"expected a number, not {text}"
    return f"{text} is {value} to YAML: write that, or {text!r} if it is text"


def _invalid(node: yaml.Node, key: str, error: str) -> Wrong:
    """Words for msgspec's error, which has a path behind `$` if it is within the value."""
    message, _, path = error.partition(" - at `$")
    found, steps = _at(node, [name or index for name, index in _STEP.findall(path)])
    place = ".".join([key, *steps])
    wanted = message.partition(", got ")[0]
    read_as = found.tag.removeprefix(_TAG)
    if isinstance(found, yaml.ScalarNode):
        if "str" in wanted and read_as in _READ_AS:
            message = f"{found.value} is {_READ_AS[read_as]} to YAML; text stands in quotes"
        elif wanted.startswith(("Expected `int", "Expected `float")) and read_as == "str":
            message = misread(found.value) or message
    return Wrong(found.start_mark.line + 1, f"{place}: {message}")


def misread(text: str) -> str | None:
    """What is said of a text that people take for a number, and YAML does not."""
    if not _NUMBER.fullmatch(text) or math.isinf(number := float(text)):
        return None
    written = int(number) if number.is_integer() else number
    return f"'{text}' is text to YAML: write the number {written}"


def _at(node: yaml.Node, path: list[str]) -> tuple[yaml.Node, list[str]]:
    """The node at a path of keys and indices, or the last that is there, and the path to it."""
    found: list[str] = []
    for step in path:
        if isinstance(node, yaml.MappingNode):
            within = dict(pairs(node))
        elif isinstance(node, yaml.SequenceNode):
            within = {str(index): value for index, value in enumerate(node.value)}
        else:
            break
        if step not in within:
            break
        node = within[step]
        found.append(step)
    return node, found
