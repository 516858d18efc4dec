"""Run a module in this process, against the local region."""

import io
import json
import uuid
import zipfile
from types import ModuleType
from typing import Any

import boto3
import pytest
from ansible.module_utils.testing import patch_module_args
from moto import mock_aws

from tests.strict_moto import strict_moto


@pytest.fixture
def run(region, monkeypatch, capsys):
    """Run a module with arguments; answer with its result."""
    for name, value in region.environment.items():
        monkeypatch.setenv(name, value)
    return _runner(capsys)


@pytest.fixture
def run_on_moto(monkeypatch, capsys):
    """The same on moto, for what the local region lacks; botocore checks what is sent."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield _runner(capsys)


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory):
    with strict_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def run_strictly(moto_server, monkeypatch, capsys):
    """The same on a moto that is as strict as AWS, for what AWS refuses or does late."""
    for name, value in moto_server.environment.items():
        monkeypatch.setenv(name, value)
    return _runner(capsys)


def _runner(capsys):
    def run_module(module: ModuleType, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        arguments |= {"_ansible_check_mode": check, "_ansible_diff": True}
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def make_function(client: Any, code: str, role: str = "arn:aws:iam::123456789012:role/any") -> str:
    """The name of a new function with this code, whose handler is `handler`."""
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


@pytest.fixture
def idle_function(run_strictly):
    """The name of a function that was idle for weeks: on that moto, one that has answered once."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = boto3.client("iam").create_role(
        RoleName=f"any-{uuid.uuid4().hex[:8]}",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    client = boto3.client("lambda")
    name = make_function(client, "def handler(event, context): pass", role)
    client.invoke(FunctionName=name)
    return name
