"""What stands on the account after the play, where the play itself would not notice."""

import json
import os
from collections import Counter
from pathlib import Path

import boto3
import pytest

MINE = [{"Name": "tag:surgewatch-stack", "Values": ["aws"]}]


@pytest.fixture(scope="module")
def ec2():
    return boto3.client("ec2")


def subnets(ec2, kind):
    filters = [*MINE, {"Name": "tag:surgewatch-net", "Values": [kind]}]
    return {one["SubnetId"] for one in ec2.describe_subnets(Filters=filters)["Subnets"]}


def test_hosts_are_spread_over_the_private_subnets_and_have_the_group(ec2):
    found = ec2.describe_instances(Filters=MINE)["Reservations"]
    hosts = [one for reservation in found for one in reservation["Instances"]]
    private = subnets(ec2, "private")
    assert {one["SubnetId"] for one in hosts} == private
    names = [tag["Value"] for one in hosts for tag in one["Tags"] if tag["Key"] == "Name"]
    assert sorted(names) == ["analytics-01", "generator-01", "generator-02"]
    groups = [one["NetworkInterfaces"][0]["Groups"] for one in hosts]
    assert {group["GroupName"] for some in groups for group in some} == {"surgewatch-hosts"}


def test_endpoints_answer_to_the_services_names_and_lead_to_this_account(ec2):
    endpoints = ec2.describe_vpc_endpoints(Filters=MINE)["VpcEndpoints"]
    assert len(endpoints) == (7 if "SURGEWATCH_FULL" in os.environ else 2)
    for one in endpoints:
        if one["VpcEndpointType"] == "Interface":
            assert one["PrivateDnsEnabled"], one["ServiceName"]
        for statement in json.loads(one["PolicyDocument"])["Statement"]:
            own = statement.get("Condition", {}).get("StringEquals", {})
            packages = statement["Resource"] == "arn:aws:s3:::al2023-repos-us-east-1-de612dc2/*"
            assert own == {"aws:ResourceAccount": "123456789012"} or packages, one["ServiceName"]


def test_the_functions_alone_reach_the_database(ec2):
    groups = {
        one["GroupName"]: one
        for one in ec2.describe_security_groups(Filters=MINE)["SecurityGroups"]
    }
    (rule,) = groups["surgewatch-database"]["IpPermissions"]
    assert rule["IpRanges"] == []
    admitted = [pair["GroupId"] for pair in rule["UserIdGroupPairs"]]
    assert admitted == [groups["surgewatch-functions"]["GroupId"]]


def test_a_record_does_not_hold_up_its_shard_for_ever():
    mappings = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mappings
    for one in mappings:
        assert 0 < one["MaximumRecordAgeInSeconds"] <= 24 * 3600
        assert one["DestinationConfig"]["OnFailure"]["Destination"].startswith("arn:aws:s3:::")


def test_no_request_of_the_play_is_other_than_the_services_take():
    """Ours, and those of the collections: the models know more than their clients check."""
    record = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "requests.jsonl"
    calls = [json.loads(line) for line in record.read_text().splitlines()]
    faults = {
        f"{one['service']} {one['operation']}: {fault}" for one in calls for fault in one["faults"]
    }
    assert faults == set()
    services = Counter(one["service"] for one in calls)
    assert {"ec2", "iam", "kinesis", "lambda", "rds", "s3", "sns"} <= set(services)
