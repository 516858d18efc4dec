"""dynamodb_table_protection, on moto."""

import boto3
import pytest

from plugins.modules import dynamodb_table_protection as module

ALL = {"point_in_time_recovery": True, "deletion_protection": True, "ttl_attribute": "ExpiresAt"}


def make():
    boto3.client("dynamodb").create_table(
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def keep(run_on_moto):
    make()

    def keep_table(**arguments):
        return run_on_moto(module, **{"name": "orders"} | arguments)

    return keep_table


def test_a_table_is_protected_once(keep):
    assert keep(**ALL)["protection"] == ALL
    assert not keep(**ALL)["changed"]
    client = boto3.client("dynamodb")
    assert client.describe_table(TableName="orders")["Table"]["DeletionProtectionEnabled"]


@pytest.mark.parametrize("name", ALL)
def test_one_setting_changes_alone(keep, name):
    keep(**ALL)
    off = {name: "" if name == "ttl_attribute" else False}
    assert keep(check=True, **off)["changed"]
    assert keep(**off)["diff"] == {"before": {name: ALL[name]}, "after": off}
    assert not keep(**off)["changed"]
    assert keep(**ALL)["changed"]


def test_a_table_that_is_not_there_is_told(keep):
    assert keep(name="other", **ALL)["failed"]
    assert keep(name="other", check=True, **ALL)["changed"]


def test_a_table_that_was_just_made_is_waited_for(run_strictly):
    """AWS has no backups for it yet, for seconds or minutes."""
    make()
    assert run_strictly(module, name="orders", point_in_time_recovery=True)["changed"]
