"""The recorder of the scenario `aws` finds in a request what botocore's models do not know."""

import importlib
import sys
from pathlib import Path

import pytest
from moto.core.request import Request
from werkzeug.test import EnvironBuilder

SCENARIO = Path(__file__).parents[3] / "molecule" / "aws"


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(SCENARIO))
    yield importlib.import_module("record")
    sys.modules.pop("record")


def request(service: str, body: str, content_type: str, **headers: str) -> Request:
    scope = f"AKID/20260131/us-east-1/{service}/aws4_request"
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host"
    headers["Host"] = f"{service}.us-east-1.amazonaws.com"
    builder = EnvironBuilder(method="POST", data=body, content_type=content_type, headers=headers)
    return Request(builder.get_environ())


FORM, JSON = "application/x-www-form-urlencoded; charset=utf-8", "application/x-amz-json-1.1"
SUBSCRIBE = "Action=Subscribe&Version=2010-03-31&TopicArn=arn:aws:sns:us-east-1:1:t&Protocol=sqs"
SUBNETS = "Action=DescribeSubnets&Version=2016-11-15&Filter.1.Name=a&Filter.1.Value.1=b"
CREATE = '{"StreamName": "s", "ShardCount": 1}'


@pytest.mark.parametrize(
    ("service", "body", "faults"),
    [
        ("sns", SUBSCRIBE, []),
        ("sns", f"{SUBSCRIBE}&FilterPolicy=x", ["FilterPolicy is no parameter"]),
        ("ec2", SUBNETS, []),
        ("ec2", f"{SUBNETS}&Vpc=x", ["Vpc is no parameter"]),
        ("kinesis", CREATE, []),
        ("kinesis", CREATE.replace("}", ', "Shards": 1}'), [".Shards is no parameter"]),
    ],
)
def test_what_no_model_knows_is_named(record, service: str, body: str, faults: list[str]) -> None:
    if service == "kinesis":
        sent = request(service, body, JSON, **{"X-Amz-Target": "Kinesis_20131202.CreateStream"})
    else:
        sent = request(service, body, FORM)
    assert record.read(sent).faults == faults
