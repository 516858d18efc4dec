"""Reads requests as AWS does, by botocore's models, and records what AWS would find wrong in them.

The models say more than clients check: what may be there at all, how long it may be, and which
values and forms are allowed.
"""

import json
import re
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model

# What a request is signed for, where botocore calls the service otherwise.
SERVICES = {
    "kinesisanalytics": "kinesisanalyticsv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
}
NUMBERS = ("integer", "long", "float", "double")
SIGNED = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")


class Call(NamedTuple):
    """A request as it was read."""

    service: str
    operation: str
    region: str
    parameters: dict[str, Any]
    faults: list[str]


@cache
def service_model(name: str) -> ServiceModel:
    return botocore.session.Session().get_service_model(name)


def read(request: Request) -> Call | None:
    """The call that a request makes; None for one that is not signed."""
    signed = SIGNED.search(request.headers.get("Authorization", ""))
    if not signed:
        return None
    body = request.get_data()  # first: to read the form leaves nothing of it
    region, service = signed[1], SERVICES.get(signed[2], signed[2])
    operation, path_parameters = get_service_router(service).match(request)
    model = service_model(service).operation_model(operation.name)
    protocol = determine_request_protocol(model.service_model, request.content_type)
    place = {
        "method": request.method,
        "values": request.values,
        "headers": request.headers,
        "body": body,
        "url_path": request.path,
        "url_params": path_parameters,
    }
    # Moto's parsers want models of its own kind.
    parser = PROTOCOL_PARSERS[protocol](get_service_model(service).operation_model(operation.name))
    parameters = parser.parse(place)
    faults = [*_missing(model, parameters), *_unknown(model, protocol, request, parameters)]
    if model.input_shape:
        faults += _forms(model.input_shape, parameters, "")
    return Call(service, operation.name, region, parameters, faults)


def _missing(model: OperationModel, parameters: dict[str, Any]) -> Iterator[str]:
    """What a client would refuse as well."""
    if model.input_shape:
        report = ParamValidator().validate(parameters, model.input_shape)
        if report.has_errors():
            yield report.generate_report()


def _unknown(
    model: OperationModel, protocol: str, request: Request, parameters: dict[str, Any]
) -> Iterator[str]:
    """What was sent and is in no model: it is lost when the parameters are written anew."""
    if protocol == "rest-xml":
        return
    written = create_serializer(protocol, include_validation=False).serialize_to_request(
        parameters, model
    )
    if protocol in ("ec2", "query"):
        sent = {name for name, _ in parse_qsl(request.get_data(as_text=True), True)}
        known = set(written["body"])
    else:
        sent = set(_names(json.loads(request.get_data() or b"{}")))
        known = set(_names(json.loads(written["body"] or b"{}")))
    yield from (f"{name} is no parameter" for name in sorted(sent - known))


def _names(value: Any, path: str = "") -> Iterator[str]:
    """The names in JSON, each with those it is within."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield f"{path}.{name}"
            yield from _names(one, f"{path}.{name}")
    elif isinstance(value, list):
        for one in value:
            yield from _names(one, path)


def _forms(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Values that are too long, have a wrong form or are not among those allowed."""
    if shape.type_name == "structure":
        for name, one in value.items():
            if name in shape.members:
                yield from _forms(shape.members[name], one, f"{path}.{name}")
    elif shape.type_name == "list":
        for one in value:
            yield from _forms(shape.member, one, path)
    elif shape.type_name == "map":
        for name, one in value.items():
            yield from _forms(shape.key, name, path)
            yield from _forms(shape.value, one, f"{path}.{name}")
    elif shape.type_name == "string":
        yield from _string(shape, value, path)
    elif shape.type_name in NUMBERS and value > shape.metadata.get("max", value):
        yield f"{path} is more than {shape.metadata['max']}: {value}"


def _string(shape: Shape, value: str, path: str) -> Iterator[str]:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield f"{path} is none of {', '.join(allowed)}: {value}"
    if len(value) > shape.metadata.get("max", len(value)):
        yield f"{path} is longer than {shape.metadata['max']}"
    if pattern := shape.metadata.get("pattern"):
        try:
            matches = re.fullmatch(pattern, value)
        except re.error:  # Java's expressions are not all Python's
            return
        if not matches:
            yield f"{path} is not of the form {pattern}: {value}"


class Record:
    """A file with a line of JSON for each call: service, operation, agent, what is wrong."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")
        self._busy = threading.Lock()

    def add(self, call: Call, agent: str) -> None:
        line = {
            "service": call.service,
            "operation": call.operation,
            "agent": agent,
            "faults": call.faults,
        }
        with self._busy:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
