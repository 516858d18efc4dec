"""vpc_endpoint_access, on a moto that is as strict as AWS."""

import json

import boto3
import pytest

from plugins.modules import vpc_endpoint_access as module

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}


@pytest.fixture
def vpc(run_strictly):
    return boto3.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def keep(run_strictly, vpc):
    ec2 = boto3.client("ec2")
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{name: {"Value": True}})
    made = ec2.create_vpc_endpoint(
        VpcId=vpc, VpcEndpointType="Interface", ServiceName="com.amazonaws.us-east-1.sns"
    )["VpcEndpoint"]
    assert not described(made["VpcEndpointId"])["PrivateDnsEnabled"]

    def keep_access(**arguments):
        given = {"vpc_endpoint_id": made["VpcEndpointId"], "policy": POLICY, "private_dns": True}
        return run_strictly(module, **given | arguments)

    keep_access.id = made["VpcEndpointId"]
    return keep_access


def described(identifier):
    (found,) = boto3.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[identifier])[
        "VpcEndpoints"
    ]
    return found


def test_both_are_set_once(keep):
    assert keep(check=True)["changed"]
    assert not described(keep.id)["PrivateDnsEnabled"]
    assert keep()["changed"]
    found = described(keep.id)
    assert found["PrivateDnsEnabled"]
    assert json.loads(found["PolicyDocument"]) == POLICY
    assert not keep()["changed"]


def test_one_changes_alone(keep):
    keep()
    assert keep(private_dns=False)["diff"] == {
        "before": {"private_dns": True},
        "after": {"private_dns": False},
    }
    assert keep(private_dns=None, policy=POLICY | {"Statement": []})["diff"]["after"] == {
        "policy": POLICY | {"Statement": []}
    }


def test_a_network_without_names_refuses(keep, vpc):
    boto3.client("ec2").modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    assert "enableDnsHostnames" in keep()["msg"]
