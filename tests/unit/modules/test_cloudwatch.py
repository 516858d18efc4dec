"""cloudwatch_alarms and cloudwatch_dashboard, on moto."""

import json

import boto3
import pytest

from plugins.modules import cloudwatch_alarms as alarms
from plugins.modules import cloudwatch_dashboard as dashboard

QUIET = {
    "name": "no orders",
    "description": "No order came.",
    "namespace": "AWS/Kinesis",
    "metric": "IncomingRecords",
    "dimensions": {"StreamName": "website-orders"},
    "statistic": "Sum",
    "comparison": "LessThanThreshold",
    "threshold": 1,
    "missing": "breaching",
}
FAILS = {"name": "fails", "description": "It fails.", "namespace": "AWS/Lambda", "metric": "Errors"}
TAGS = {"Stack": "aws"}


@pytest.fixture
def keep(run_on_moto):
    def keep_alarms(*wanted, **arguments):
        given = {"prefix": "shop-", "alarms": list(wanted), "tags": TAGS}
        return run_on_moto(alarms, **given | arguments)

    return keep_alarms


def described():
    found = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {alarm["AlarmName"]: alarm for alarm in found}


def test_alarms_are_made_once(keep):
    assert keep(QUIET, FAILS)["changed"]
    assert not keep(QUIET, FAILS)["changed"]
    assert set(described()) == {"shop-no orders", "shop-fails"}
    quiet = described()["shop-no orders"]
    assert (quiet["Threshold"], quiet["TreatMissingData"]) == (1.0, "breaching")
    assert quiet["Dimensions"] == [{"Name": "StreamName", "Value": "website-orders"}]


def test_one_setting_of_one_alarm_changes_alone(keep):
    keep(QUIET, FAILS)
    shown = keep(QUIET | {"threshold": 2}, FAILS)["diff"]
    assert shown == {
        "before": {"shop-no orders": {"Threshold": 1.0}},
        "after": {"shop-no orders": {"Threshold": 2.0}},
    }


def test_what_is_not_listed_goes_and_others_stay(keep):
    keep(QUIET, FAILS)
    keep(QUIET, prefix="other-")
    assert keep(FAILS, check=True)["changed"]
    assert "shop-no orders" in described()
    assert keep(FAILS)["changed"]
    assert set(described()) == {"shop-fails", "other-no orders"}
    assert keep()["changed"]
    assert set(described()) == {"other-no orders"}


def test_what_an_operator_made_stays_whatever_its_name(keep):
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName="shop-of-an-operator", Namespace="n", MetricName="m", Statistic="Sum", Period=60,
        EvaluationPeriods=1, ComparisonOperator="LessThanThreshold", Threshold=1,
    )  # fmt: skip
    keep(QUIET, FAILS)
    assert keep(FAILS)["changed"]
    assert set(described()) == {"shop-fails", "shop-of-an-operator"}
    assert not keep(FAILS)["changed"]
    keep(prefix="")
    assert set(described()) == {"shop-of-an-operator"}


def test_tags_and_actions_are_kept(keep):
    topic = "arn:aws:sns:us-east-1:123456789012:operations"
    keep(QUIET)
    assert keep(QUIET, actions=[topic])["changed"]
    assert described()["shop-no orders"]["AlarmActions"] == [topic]
    assert keep(QUIET, actions=[topic], tags={"Stack": "other"})["changed"]
    arn = described()["shop-no orders"]["AlarmArn"]
    tags = boto3.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert tags == [{"Key": "Stack", "Value": "other"}]
    assert not keep(QUIET, actions=[topic], tags={"Stack": "other"})["changed"]


def test_a_dashboard_is_compared_as_what_it_says(run_on_moto):
    client = boto3.client("cloudwatch")
    body = {"widgets": [{"type": "text", "properties": {"markdown": "Orders"}}]}
    assert run_on_moto(dashboard, name="shop", body=body, check=True)["changed"]
    assert client.list_dashboards()["DashboardEntries"] == []
    made = run_on_moto(dashboard, name="shop", body=body)
    assert made["arn"].endswith(":dashboard/shop")
    client.put_dashboard(DashboardName="shop", DashboardBody=json.dumps(body, indent=4))
    assert not run_on_moto(dashboard, name="shop", body=body)["changed"]
    assert run_on_moto(dashboard, name="shop", body={"widgets": []})["changed"]
    assert run_on_moto(dashboard, name="shop", state="absent")["changed"]
    assert not run_on_moto(dashboard, name="shop", state="absent")["changed"]
