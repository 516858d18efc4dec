"""Secrets, read once and again only when they no longer open the door."""

import json
from typing import Any

from common.clients import client

_cache: dict[str, dict[str, Any]] = {}


def read_secret(secret_id: str, *, fresh: bool = False) -> dict[str, Any]:
    """The JSON of a secret; `fresh` reads it again, as after a rotation."""
    if fresh or secret_id not in _cache:
        answer = client("secretsmanager").get_secret_value(SecretId=secret_id)
        _cache[secret_id] = json.loads(answer["SecretString"])
    return _cache[secret_id]
