#!/usr/bin/python
"""Ansible module: everything in an account and region that carries given tags."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_resources_info
short_description: List everything of a stack by its tags
description:
  - Asks each service for its resources that carry tags, so that a stack can be removed and the
    removal proven. The Resource Groups Tagging API would do it in one call, but it names resources
    for a while that are gone, and knows no IAM roles.
  - What is on its way out (terminated instances, deleted gateways) is not listed.
options:
  tags:
    description: The tags. What has all of them is listed.
    type: dict
    required: true
  dashboards:
    description: Names of dashboards, which cannot have tags, to look for.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: See what there is of a stack
  stack_resources_info:
    tags: {surgewatch-stack: aws, surgewatch-region: us-east-1}
  register: found

- name: Prove that nothing is left
  ansible.builtin.assert:
    that: found.total == 0
"""

RETURN = r"""
resources:
  description: For each kind of resource, what the service calls those that carry the tags.
  returned: always
  type: dict
  sample: {function: [order_writer], vpc: [vpc-0123456789abcdef0]}
total:
  description: Their number.
  returned: always
  type: int
  sample: 2
"""

from collections.abc import Callable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

# EC2 filters by tags itself: the call, the list in its answer, the identifier, and more filters.
EC2 = {
    "instance": (
        "describe_instances",
        "Reservations[].Instances[]",
        "InstanceId",
        {"instance-state-name": ["pending", "running", "stopping", "stopped"]},
    ),
    "launch_template": ("describe_launch_templates", "LaunchTemplates[]", "LaunchTemplateId", {}),
    "volume": ("describe_volumes", "Volumes[]", "VolumeId", {}),
    "endpoint": (
        "describe_vpc_endpoints",
        "VpcEndpoints[]",
        "VpcEndpointId",
        {"vpc-endpoint-state": ["pendingAcceptance", "pending", "available", "rejected", "failed"]},
    ),
    "nat_gateway": (
        "describe_nat_gateways",
        "NatGateways[]",
        "NatGatewayId",
        {"state": ["pending", "failed", "available"]},
    ),
    "internet_gateway": (
        "describe_internet_gateways",
        "InternetGateways[]",
        "InternetGatewayId",
        {},
    ),
    "route_table": ("describe_route_tables", "RouteTables[]", "RouteTableId", {}),
    "security_group": ("describe_security_groups", "SecurityGroups[]", "GroupId", {}),
    "subnet": ("describe_subnets", "Subnets[]", "SubnetId", {}),
    "vpc": ("describe_vpcs", "Vpcs[]", "VpcId", {}),
}

# The others list everything, and are asked for the tags of each: the service, the call and the
# list in its answer, what identifies one, and the call that answers with its tags.
OTHERS = {
    "function": (
        "lambda",
        "list_functions",
        "Functions[].[FunctionName, FunctionArn]",
        lambda lambda_, arn: lambda_.list_tags(Resource=arn)["Tags"],
    ),
    "stream": (
        "kinesis",
        "list_streams",
        "StreamNames[].[@, @]",
        lambda kinesis, name: kinesis.list_tags_for_stream(StreamName=name)["Tags"],
    ),
    "bucket": (
        "s3",
        "list_buckets",
        "Buckets[].[Name, Name]",
        lambda s3, name: s3.get_bucket_tagging(Bucket=name)["TagSet"],
    ),
    "topic": (
        "sns",
        "list_topics",
        "Topics[].[TopicArn, TopicArn]",
        lambda sns, arn: sns.list_tags_for_resource(ResourceArn=arn)["Tags"],
    ),
    "queue": (
        "sqs",
        "list_queues",
        "QueueUrls[].[@, @]",
        lambda sqs, url: sqs.list_queue_tags(QueueUrl=url).get("Tags", {}),
    ),
    "secret": ("secretsmanager", "list_secrets", "SecretList[].[ARN, Tags]", None),
    "log_group": (
        "logs",
        "describe_log_groups",
        "logGroups[].[logGroupName, arn]",
        lambda logs, arn: logs.list_tags_for_resource(resourceArn=arn.removesuffix(":*"))["tags"],
    ),
    "alarm": (
        "cloudwatch",
        "describe_alarms",
        "MetricAlarms[].[AlarmName, AlarmArn]",
        lambda cloudwatch, arn: cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"],
    ),
    "database_instance": (
        "rds",
        "describe_db_instances",
        "DBInstances[].[DBInstanceIdentifier, TagList]",
        None,
    ),
    "database_cluster": (
        "rds",
        "describe_db_clusters",
        "DBClusters[].[DBClusterIdentifier, TagList]",
        None,
    ),
    "database_subnet_group": (
        "rds",
        "describe_db_subnet_groups",
        "DBSubnetGroups[].[DBSubnetGroupName, DBSubnetGroupArn]",
        lambda rds, arn: rds.list_tags_for_resource(ResourceName=arn)["TagList"],
    ),
    "database_parameter_group": (
        "rds",
        "describe_db_cluster_parameter_groups",
        "DBClusterParameterGroups[].[DBClusterParameterGroupName, DBClusterParameterGroupArn]",
        lambda rds, arn: rds.list_tags_for_resource(ResourceName=arn)["TagList"],
    ),
    "role": (
        "iam",
        "list_roles",
        "Roles[].[RoleName, RoleName]",
        lambda iam, name: iam.list_role_tags(RoleName=name)["Tags"],
    ),
    "instance_profile": (
        "iam",
        "list_instance_profiles",
        "InstanceProfiles[].[InstanceProfileName, InstanceProfileName]",
        lambda iam, name: iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"].get(
            "Tags"
        ),
    ),
}
GONE = ("NoSuchTagSet", "NoSuchEntity", "NoSuchBucket", "ResourceNotFoundException", "NotFound")
# Whoever made a stack may read its tags: one that keeps us from them is somebody else's.
NOT_OURS = ("AccessDenied", "AccessDeniedException", "AuthorizationError")


def carries(tags: Any, wanted: dict[str, str]) -> bool:
    """Whether tags, as a service gives them (a dict, or a list of keys and values), have these."""
    if not isinstance(tags, dict):
        tags = {tag["Key"]: tag["Value"] for tag in tags or ()}
    return wanted.items() <= tags.items()


class Region:
    """The services of a region, as far as they have resources of a stack."""

    def __init__(self, client: Callable[[str], Any], tags: dict[str, str]) -> None:
        self._client, self._tags = client, tags

    def resources(self, dashboards: list[str]) -> dict[str, list[str]]:
        """What carries the tags, by kind; kinds without any are left out."""
        found = {kind: list(self._ec2(*how)) for kind, how in EC2.items()}
        found["address"] = list(self._addresses())
        found |= {kind: list(self._other(*how)) for kind, how in OTHERS.items()}
        found["table"] = list(self._tables())
        found["mapping"] = list(self._mappings(found["function"]))
        found["application"] = list(self._applications())
        found["dashboard"] = list(self._dashboards(dashboards))
        return {kind: sorted(names) for kind, names in found.items() if names}

    def _search(self, service: str, call: str, path: str, **arguments: Any) -> Iterator[Any]:
        client = self._client(service)
        if client.can_paginate(call):
            found = client.get_paginator(call).paginate(**arguments).search(path)
            yield from (one for one in found if one is not None)  # a page may lack the list
        else:
            import jmespath

            yield from jmespath.search(path, getattr(client, call)(**arguments)) or ()

    def _ec2(self, call: str, path: str, name: str, filters: dict[str, list[str]]) -> Iterator[str]:
        wanted = {**self._filters(), **filters}
        # One call of EC2 names its filters otherwise than all others.
        argument = "Filter" if call == "describe_nat_gateways" else "Filters"
        filters_ = [{"Name": key, "Values": values} for key, values in wanted.items()]
        for one in self._search("ec2", call, path, **{argument: filters_}):
            yield one[name]

    def _filters(self) -> dict[str, list[str]]:
        return {f"tag:{key}": [value] for key, value in self._tags.items()}

    def _addresses(self) -> Iterator[str]:
        wanted = [{"Name": name, "Values": values} for name, values in self._filters().items()]
        for one in self._client("ec2").describe_addresses(Filters=wanted)["Addresses"]:
            yield one["AllocationId"]

    def _other(self, service: str, call: str, path: str, tags_of: Any) -> Iterator[str]:
        client = self._client(service)
        for name, of in self._search(service, call, path):
            try:
                tags = tags_of(client, of) if tags_of else of
            except ClientError as error:
                if error.response["Error"]["Code"] not in GONE + NOT_OURS:
                    raise
                continue
            if carries(tags, self._tags):
                yield name

    def _tables(self) -> Iterator[str]:
        client = self._client("dynamodb")
        for name in self._search("dynamodb", "list_tables", "TableNames[]"):
            arn = client.describe_table(TableName=name)["Table"]["TableArn"]
            tags = client.list_tags_of_resource(ResourceArn=arn)["Tags"]
            if carries(tags, self._tags):
                yield name

    def _mappings(self, functions: list[str]) -> Iterator[str]:
        for function in functions:
            call = {"FunctionName": function}
            path = "EventSourceMappings[].EventSourceArn"
            for stream in self._search("lambda", "list_event_source_mappings", path, **call):
                yield f"{function} {stream}"

    def _applications(self) -> Iterator[str]:
        client = self._client("kinesisanalyticsv2")
        for one in client.list_applications()["ApplicationSummaries"]:
            tags = client.list_tags_for_resource(ResourceARN=one["ApplicationARN"])["Tags"]
            if carries(tags, self._tags):
                yield one["ApplicationName"]

    def _dashboards(self, names: list[str]) -> Iterator[str]:
        for name in self._search(
            "cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"
        ):
            if name in names:
                yield name


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "tags": {"type": "dict", "required": True},
            "dashboards": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = module.client(service)
        return clients[service]

    try:
        region = Region(client, module.params["tags"])
        found = AWSRetry.jittered_backoff()(region.resources)(module.params["dashboards"])
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the resources could not be listed")
    module.exit_json(
        changed=False, resources=found, total=sum(len(names) for names in found.values())
    )


if __name__ == "__main__":
    main()
