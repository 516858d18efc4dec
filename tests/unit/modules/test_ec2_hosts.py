"""ec2_hosts and ec2_vcpus_info, on a moto that is as strict as AWS."""

import uuid
from types import SimpleNamespace

import boto3
import pytest

from plugins.modules import ec2_hosts as module
from plugins.modules import ec2_vcpus_info as vcpus


@pytest.fixture
def place(run_strictly):
    """A network and a launch template of the test's own."""
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{z}")[
            "Subnet"
        ]["SubnetId"]
        for n, z in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="hosts", Description="hosts", VpcId=vpc)["GroupId"]
    template = f"template-{uuid.uuid4().hex[:8]}"
    ec2.create_launch_template(
        LaunchTemplateName=template,
        LaunchTemplateData={"InstanceType": "t4g.nano", "ImageId": "ami-12c6146b"},
    )
    found = boto3.client("service-quotas")
    found.request_service_quota_increase(ServiceCode="ec2", QuotaCode="L-1216C47A", DesiredValue=64)
    return SimpleNamespace(
        subnets=subnets, group=group, template=template, tags={"Stack": template}
    )


@pytest.fixture
def keep(run_strictly, place):
    def keep_hosts(*names, check=False):
        hosts = [
            {"name": name, "template": place.template, "tags": {"Group": "g"}} for name in names
        ]
        return run_strictly(
            module,
            check=check,
            hosts=hosts,
            subnets=place.subnets,
            security_groups=[place.group],
            tags=place.tags,
        )

    return keep_hosts


def instances(place):
    mine = [{"Name": "tag:Stack", "Values": [place.template]}]
    found = boto3.client("ec2").describe_instances(Filters=mine)["Reservations"]
    return [one for reservation in found for one in reservation["Instances"]]


def test_hosts_are_started_once_and_spread(keep, place):
    assert keep("a", "b", "c", check=True)["changed"]
    assert instances(place) == []
    made = keep("a", "b", "c")
    assert made["changed"]
    hosts = {one["InstanceId"]: one for one in instances(place)}
    assert {made["instances"][name] for name in "abc"} == set(hosts)
    assert [hosts[made["instances"][name]]["SubnetId"] for name in "abc"] == [
        place.subnets[0], place.subnets[1], place.subnets[0],
    ]  # fmt: skip
    for one in hosts.values():
        assert one["State"]["Name"] == "running"
        (interface,) = one["NetworkInterfaces"]
        assert [group["GroupId"] for group in interface["Groups"]] == [place.group]
    assert not keep("a", "b", "c")["changed"]


def test_a_hundred_hosts_are_one_call_a_subnet(keep, place):
    hosts = [{"name": str(n), "template": "t", "tags": {}} for n in range(100)]
    calls = module.launches(hosts, ["subnet-1", "subnet-2"])
    assert [(key, len(some)) for key, some in calls.items()] == [
        (("t", "subnet-1"), 50),
        (("t", "subnet-2"), 50),
    ]


def test_one_that_is_missing_is_started_and_one_that_sleeps_is_woken(keep, place):
    made = keep("a", "b")["instances"]
    ec2 = boto3.client("ec2")
    ec2.stop_instances(InstanceIds=[made["a"]])
    after = keep("a", "b", "c")
    assert after["diff"]["after"] == {"a": "running", "c": "running"}
    assert after["instances"]["a"] == made["a"]
    assert {one["State"]["Name"] for one in instances(place)} == {"running"}


def test_one_that_an_interrupted_run_could_not_name_is_taken_over(keep, place):
    made = keep("a")["instances"]
    boto3.client("ec2").delete_tags(Resources=[made["a"]], Tags=[{"Key": "Name"}])
    assert keep("a")["instances"] == made
    assert len(instances(place)) == 1


def test_a_group_of_another_network_is_refused(run_strictly, place):
    """AWS takes groups of a template for those of the default network, where no subnet is said."""
    ec2 = boto3.client("ec2")
    with pytest.raises(ec2.exceptions.ClientError) as error:
        ec2.run_instances(
            LaunchTemplate={"LaunchTemplateName": place.template},
            SecurityGroupIds=[place.group],
            MinCount=1,
            MaxCount=1,
        )
    assert error.value.response["Error"]["Code"] == "InvalidParameter"


def test_more_than_the_quota_is_refused(keep, run_strictly):
    quotas = boto3.client("service-quotas")
    said = run_strictly(vcpus, instance_types=["t4g.small", "t4g.small", "c7g.xlarge"])
    assert (said["quota"], said["wanted"]) == (64, 8)
    assert run_strictly(vcpus, instance_types=[])["wanted"] == 0
    quotas.request_service_quota_increase(
        ServiceCode="ec2", QuotaCode="L-1216C47A", DesiredValue=said["used"] + 1
    )
    assert "VcpuLimitExceeded" in keep("a")["msg"]
