"""stack_resources_info: its calls against botocore's service models, and a run on moto."""

import boto3
import botocore.session
import pytest

from plugins.modules import stack_resources_info as module

TAG = {"Key": "Stack", "Value": "aws"}


def shape(service, call):
    """The output of a call, by its name in Python."""
    model = botocore.session.Session().get_service_model(service)
    (name,) = [one for one in model.operation_names if botocore.xform_name(one) == call]
    return model.operation_model(name)


@pytest.mark.parametrize(
    ("service", "call", "path"),
    [("ec2", call, path) for call, path, _, _ in module.EC2.values()]
    + [(service, call, path) for service, call, path, _ in module.OTHERS.values()],
)
def test_the_list_is_in_the_answer(service, call, path):
    first = path.split("[")[0]
    assert first in shape(service, call).output_shape.members


def test_tags_are_read_in_both_forms():
    assert module.carries([TAG], "Stack", "aws")
    assert module.carries({"Stack": "aws"}, "Stack", "aws")
    assert not module.carries([TAG], "Stack", "other")
    assert not module.carries({"Stack": "other"}, "Stack", "aws")
    assert not module.carries(None, "Stack", "aws")


def test_what_carries_the_tag_is_listed_and_nothing_else(run_on_moto):
    kinesis, ec2 = boto3.client("kinesis"), boto3.client("ec2")
    for name, tags in (("ours", {"Stack": "aws"}), ("theirs", {"Stack": "other"}), ("bare", {})):
        kinesis.create_stream(StreamName=name, ShardCount=1)
        if tags:
            kinesis.add_tags_to_stream(StreamName=name, Tags=tags)
    vpc = ec2.create_vpc(
        CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": [TAG]}]
    )["Vpc"]["VpcId"]
    ec2.create_vpc(CidrBlock="10.1.0.0/16")
    boto3.client("iam").create_role(RoleName="ours", AssumeRolePolicyDocument="{}", Tags=[TAG])
    boto3.client("s3").create_bucket(Bucket="bare")
    boto3.client("cloudwatch").put_dashboard(DashboardName="shop", DashboardBody="{}")
    found = run_on_moto(module, key="Stack", value="aws", dashboards=["shop"])
    assert found["resources"] == {
        "stream": ["ours"],
        "vpc": [vpc],
        "role": ["ours"],
        "dashboard": ["shop"],
    }
    assert found["total"] == 4
