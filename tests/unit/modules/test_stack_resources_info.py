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
    assert module.carries([TAG], {"Stack": "aws"})
    assert module.carries({"Stack": "aws", "Other": "x"}, {"Stack": "aws"})
    assert not module.carries([TAG], {"Stack": "other"})
    assert not module.carries([TAG], {"Stack": "aws", "Region": "x"})
    assert not module.carries({"Stack": "other"}, {"Stack": "aws"})
    assert not module.carries(None, {"Stack": "aws"})


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
    found = run_on_moto(module, tags={"Stack": "aws"}, dashboards=["shop"])
    assert found["resources"] == {
        "stream": ["ours"],
        "vpc": [vpc],
        "role": ["ours"],
        "dashboard": ["shop"],
    }
    assert found["total"] == 4


def test_what_keeps_us_from_its_tags_is_not_ours(run_strictly):
    boto3.client("s3").create_bucket(Bucket="locked-bucket")
    assert run_strictly(module, tags={"Stack": "none"})["resources"] == {}


def test_another_region_of_the_account_is_another_stack(run_on_moto):
    iam = boto3.client("iam")
    for region in ("us-east-1", "eu-west-1"):
        tags = [TAG, {"Key": "Region", "Value": region}]
        iam.create_role(RoleName=region, AssumeRolePolicyDocument="{}", Tags=tags)
    found = run_on_moto(module, tags={"Stack": "aws", "Region": "eu-west-1"})
    assert found["resources"] == {"role": ["eu-west-1"]}
