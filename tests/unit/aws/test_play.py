"""The short form of the scenario aws: site.yml against moto, on an account that is empty."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
import pytest

from tests.region import free_port

ROOT = Path(__file__).parents[3]
MARK = {"Key": "surgewatch-stack", "Value": "aws"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """The environment that points at a moto of the tests' own."""
    port, log = free_port(), tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, ROOT / "molecule" / "aws" / "serve_moto.py", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=2).close()
            break
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
    yield {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test-secret-key",
    }
    process.kill()
    process.wait()


@pytest.fixture
def play(moto, tmp_path):
    """Run a playbook of the project on the scenario's inventory; answer with code and output."""

    def run(name: str, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                "-i",
                "molecule/aws/inventory",
                name,
                *arguments,
            ],
            cwd=ROOT,
            env=os.environ
            | moto
            | {
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture
def client(moto):
    return lambda service: boto3.client(
        service,
        endpoint_url=moto["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def made(client):
    """What a play would make first, and last."""
    vpcs = client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])
    return [
        *vpcs["Vpcs"],
        *client("iam").list_roles()["Roles"],
        *client("kinesis").list_streams()["StreamNames"],
        *client("lambda").list_functions()["Functions"],
        *client("cloudwatch").describe_alarms()["MetricAlarms"],
    ]


def test_a_check_of_everything_makes_nothing_and_shows_no_secret(play, client):
    code, output = play("site.yml", "--check", "--diff")
    assert code == 0, output
    assert made(client) == []
    assert "website-orders" in output or "shards: 2" in output
    assert re.findall(r"password: (?!\(not shown\)).*", output) == []
    assert "test-secret-key" not in output


@pytest.mark.parametrize("name", ["hosts", "teardown"])
def test_another_account_is_refused(play, client, name):
    code, output = play(f"playbooks/{name}.yml", "-e", "surgewatch_account=999999999999")
    assert code != 0
    assert "These credentials are of the account 123456789012" in output
    assert made(client) == []


def test_an_account_must_be_named(play):
    code, output = play("playbooks/hosts.yml", "-e", "surgewatch_account=")
    assert code != 0
    assert "surgewatch_account must be the 12 digits" in output


@pytest.mark.parametrize("name", ["site", "playbooks/analytics"])
def test_an_engine_without_a_host_is_refused(play, client, name):
    code, output = play(f"{name}.yml", "-e", "analytics_engine=flink")
    assert code != 0
    assert "analytics_engine is flink, which runs on hosts of the group analytics" in output
    assert made(client) == []


def test_hosts_of_another_region_are_refused(play, client):
    ec2 = client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tags = [MARK, {"Key": "surgewatch-group", "Value": "generators"},
            {"Key": "Name", "Value": "stranger"}]  # fmt: skip
    (instance,) = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"]
    try:
        code, output = play("playbooks/hosts.yml", "-e", "surgewatch_region=eu-west-1")
        assert code != 0
        assert re.search(r"aws_ec2.yml found\s+stranger", output)
    finally:
        ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
