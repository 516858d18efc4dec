"""JSON of what may hold names of files that are not UTF-8."""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def encode(value: Any) -> bytes:
    """Encode; a byte of a name that is not UTF-8 becomes half a surrogate pair, escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        import json  # Only here, since few need it.

        return json.dumps(msgspec.to_builtins(value)).encode()


def decode(data: bytes, type: type[T]) -> T:
    """Decode what encode() returned; raise msgspec.DecodeError where it is something else."""
    try:
        return msgspec.json.decode(data, type=type)
    except msgspec.DecodeError:
        if b"\\ud" not in data:
            raise
    import json

    try:
        value = json.loads(data)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from None
    return msgspec.convert(value, type)
