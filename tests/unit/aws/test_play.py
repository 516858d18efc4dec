"""The short form of the scenario aws: site.yml against moto, on an account that is empty."""

import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml

from tests.strict_moto import strict_moto

ROOT = Path(__file__).parents[3]
MARK = {"Key": "surgewatch-stack", "Value": "aws"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """The environment that points at a moto of the tests' own."""
    with strict_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server.environment


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


def test_more_hosts_than_the_account_may_have_are_refused_before_anything_is_made(play, client):
    code, output = play("playbooks/hosts.yml")
    assert code != 0
    text = " ".join(output.split())
    assert "need 6 vCPUs, 0 are in use, and the account may have 5 in us-east-1" in text
    assert "L-1216C47A" in text
    assert made(client) == []


def test_a_check_of_everything_makes_nothing_and_shows_no_secret(play, client):
    client("service-quotas").request_service_quota_increase(
        ServiceCode="ec2", QuotaCode="L-1216C47A", DesiredValue=64
    )
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


def test_a_session_lasts_as_long_as_the_longest_task():
    """The connection counts from a command's start; its default of 60 s is too short."""
    instances = yaml.safe_load((ROOT / "inventory/aws/group_vars/instances.yml").read_text())
    fleet = yaml.safe_load((ROOT / "roles/fleet/defaults/main.yml").read_text())
    waits = [value for name, value in fleet.items() if name.endswith("_seconds")]
    assert instances["ansible_aws_ssm_timeout"] >= 2 * max(waits)


def test_an_account_must_be_named(play):
    code, output = play("playbooks/hosts.yml", "-e", "surgewatch_account=")
    assert code != 0
    assert "surgewatch_account must be the 12 digits" in output


@pytest.mark.parametrize("name", ["site", "playbooks/analytics"])
def test_an_engine_without_a_host_is_refused(play, client, name):
    code, output = play(f"{name}.yml", "-e", "analytics_engine=flink", "-e", "analytics_hosts=0")
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


NETWORK = """
- name: Make the network alone
  hosts: aws_account
  environment: "{{ surgewatch_aws_environment }}"
  tasks:
    - name: Make it
      ansible.builtin.import_role:
        name: network
"""


def test_a_way_out_by_nat_is_bought_once(play, client, tmp_path, full):
    if not full:
        pytest.skip("the long form")
    playbook = tmp_path / "network.yml"
    playbook.write_text(NETWORK)
    settings = ("-e", "network_outlet=nat", "-e", "surgewatch_prefix=nat-")
    code, output = play(str(playbook), *settings)
    assert code == 0, output
    code, output = play(str(playbook), *settings)
    assert code == 0, output
    assert re.search(r"localhost\s+: ok=\d+\s+changed=0 ", output), output
    ec2 = client("ec2")
    assert len(ec2.describe_addresses()["Addresses"]) == 1
    assert len(ec2.describe_nat_gateways()["NatGateways"]) == 1
