"""lambda_call: a function that fell asleep, one that fails, one that is not there."""

import io
import json
import uuid
import zipfile

import boto3
import pytest

from plugins.modules import lambda_call as module

FAILS = "def handler(event, context):\n    raise ValueError('no such table')\n"
ANSWERS = "def handler(event, context):\n    return {'was': event}\n"


def make(client, code, role="arn:aws:iam::123456789012:role/any"):
    """The name of a function with this code."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", code)
    name = f"function-{uuid.uuid4().hex[:8]}"
    client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": content.getvalue()},
    )
    return name


def test_a_function_answers(run, region):
    name = make(region.client("lambda"), ANSWERS)
    assert run(module, name=name, payload={"check": True})["output"] == {"was": {"check": True}}


def test_a_function_that_fails_is_told(run, region):
    failed = run(module, name=make(region.client("lambda"), FAILS))
    assert failed["failed"]
    assert "no such table" in failed["msg"]


def test_one_that_is_not_there_is_told(run, region):
    assert "could not be called" in run(module, name="no-such-function")["msg"]


def test_one_that_is_inactive_is_called_until_it_is_awake(run_strictly, monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.1)
    role = f"any-{uuid.uuid4().hex[:8]}"
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    arn = boto3.client("iam").create_role(
        RoleName=role,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    name = make(boto3.client("lambda"), ANSWERS, arn)
    first = run_strictly(module, name=name)
    assert first.get("output", {}).get("changed"), first
    second = run_strictly(module, name=name)
    assert second.get("output") == {"changed": False, "migrations": [], "users": []}, second


@pytest.mark.parametrize("code", ["ResourceConflictException", "ResourceNotReadyException"])
def test_it_does_not_try_for_ever(code):
    from botocore.exceptions import ClientError

    class Client:
        def invoke(self, **_):
            raise ClientError({"Error": {"Code": code}}, "Invoke")

    with pytest.raises(ClientError):
        module.call(Client(), "any", {}, 0)
