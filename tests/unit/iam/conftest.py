"""The rendered policies, and a record of the calls that are really made."""

from typing import Any

import botocore.client
import pytest

from tests.unit.iam import policies as rendered
from tests.unit.lambdas.conftest import (  # noqa: F401
    admin,
    aws,
    bucket,
    database_secrets,
    history,
    orders_table,
    shared_table,
)


@pytest.fixture(scope="session")
def policies() -> dict[str, dict[str, Any]]:
    return rendered.render()


@pytest.fixture
def calls(monkeypatch):
    """The calls that botocore makes in this process: service, operation, parameters."""
    made: list[tuple[str, str, dict[str, Any]]] = []
    iterators: dict[str, str] = {}
    send = botocore.client.BaseClient._make_api_call

    def record(client, operation, parameters):
        # Whoever reads by an iterator names the stream that it is of.
        iterator = parameters.get("ShardIterator")
        named = {"StreamName": iterators[iterator]} if iterator in iterators else {}
        service = client.meta.service_model.service_name
        made.append((service, operation, parameters | named))
        answer = send(client, operation, parameters)
        stream = parameters.get("StreamName") or named.get("StreamName")
        # The engine parses the records, and with them the next iterator, by itself.
        following = answer.get("ShardIterator") or getattr(answer.get("Answer"), "next", None)
        if following and stream:
            iterators[following] = stream
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", record)
    return made
