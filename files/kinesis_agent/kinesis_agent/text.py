"""Decoding, and encoding as JSON, with what went wrong counted."""

from typing import Any

import msgspec

from kinesis_agent.checkpoint import Counters


def encode_json(value: Any, json_format: str) -> bytes:
    """Encode as the flow's options ask."""
    data = msgspec.json.encode(value)
    return data if json_format == "COMPACT" else msgspec.json.format(data, indent=2)


def decode(data: bytes, encoding: str, counters: Counters) -> str:
    """Decode; what does not decode becomes U+FFFD and is counted."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
        counters.undecodable += text.count("\ufffd")
        return text
