"""After the teardown: what another API than the teardown's own lists."""

import os
import sys
from pathlib import Path

import boto3
import pytest

sys.path.append(str(Path(__file__).parents[3] / "molecule/aws"))
import account

pytestmark = pytest.mark.skipif("SURGEWATCH_FULL" not in os.environ, reason="the long form")


def test_no_resource_carries_the_tag():
    tagging = boto3.client("resourcegroupstaggingapi")
    pages = tagging.get_paginator("get_resources").paginate(
        TagFilters=[
            {"Key": "surgewatch-stack", "Values": ["aws"]},
            {"Key": "surgewatch-region", "Values": ["us-east-1"]},
        ]
    )
    left = [one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"]]
    # Terminated instances are listed for an hour. The database's own snapshots go with it on AWS;
    # moto keeps them.
    harmless = (":instance/", ":cluster-snapshot:rds:")
    assert [arn for arn in left if not any(part in arn for part in harmless)] == []


def test_nothing_is_left_but_what_is_others():
    left = {
        "roles": [one["RoleName"] for one in boto3.client("iam").list_roles()["Roles"]],
        "functions": boto3.client("lambda").list_functions()["Functions"],
        "streams": boto3.client("kinesis").list_streams()["StreamNames"],
        "tables": boto3.client("dynamodb").list_tables()["TableNames"],
        "buckets": [one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]],
        "topics": boto3.client("sns").list_topics()["Topics"],
        "secrets": boto3.client("secretsmanager").list_secrets()["SecretList"],
        "logs": boto3.client("logs").describe_log_groups()["logGroups"],
        "alarms": [
            one["AlarmName"] for one in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
        "dashboards": [
            one["DashboardName"]
            for one in boto3.client("cloudwatch").list_dashboards()["DashboardEntries"]
        ],
        "databases": boto3.client("rds").describe_db_clusters()["DBClusters"],
        "mappings": boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"],
    }
    assert {kind: sorted(found) for kind, found in left.items() if found} == {
        "roles": [account.OTHER_ROLE],
        "buckets": sorted([account.LOCKED_BUCKET, account.OTHER_BUCKET]),
        "alarms": [account.OWN_ALARM],
        "dashboards": [account.OTHER_DASHBOARD],
    }
