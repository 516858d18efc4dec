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
    send = botocore.client.BaseClient._make_api_call

    def record(client, operation, parameters):
        made.append((client.meta.service_model.service_name, operation, parameters))
        return send(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", record)
    return made
