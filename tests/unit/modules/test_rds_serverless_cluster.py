"""rds_serverless_cluster: what it sends, and runs of it on moto."""

import boto3
import pytest

from plugins.modules import rds_serverless_cluster as module

CLUSTER = {
    "name": "orders",
    "engine_version": "8.0.mysql_aurora.3.10.0",
    "min_capacity": 0.5,
    "max_capacity": 2,
    "backup_days": 7,
    "deletion_protection": True,
    "logs": ["error"],
    "tags": {"Stack": "aws"},
}


@pytest.fixture
def keep(run_on_moto):
    def keep_cluster(**arguments):
        return run_on_moto(module, **CLUSTER | arguments)

    return keep_cluster


def described():
    return boto3.client("rds").describe_db_clusters()["DBClusters"]


def test_it_is_made_once_and_encrypted_and_rds_keeps_the_password(keep):
    assert keep()["changed"]
    second = keep()
    assert not second["changed"], second["diff"]
    (cluster,) = described()
    assert cluster["StorageEncrypted"]
    assert cluster["DeletionProtection"]
    assert (
        cluster["MasterUserSecret"]["SecretArn"]
        == (second["cluster"]["master_user_secret"]["secret_arn"])
    )


@pytest.mark.parametrize(
    "change",
    [
        {"max_capacity": 4},
        {"backup_days": 14},
        {"deletion_protection": False},
        {"min_capacity": 0, "pause_seconds": 600},
        {"tags": {"Stack": "other"}},
    ],
)
def test_one_setting_changes_alone(keep, change):
    keep()
    shown = keep(**change)
    assert shown["changed"]
    assert len(shown["diff"]["after"]) == 1
    assert not keep(**change)["changed"]
    assert keep(check=True)["changed"]


def test_a_version_that_is_newer_already_stays(keep):
    keep(engine_version="8.0.mysql_aurora.3.10.0")
    assert keep(engine_version="8.0.mysql_aurora.3.10.1")["changed"]
    assert not keep(engine_version="8.0.mysql_aurora.3.10.0")["changed"]
    assert not keep(engine_version="8.0.mysql_aurora.3.9.2")["changed"]
    assert described()[0]["EngineVersion"] == "8.0.mysql_aurora.3.10.1"


def test_a_pause_is_only_asked_for_where_the_cluster_may_pause():
    fields = dict.fromkeys(module.ARGUMENTS) | {"max_capacity": 2, "pause_seconds": 600}
    scaling = "ServerlessV2ScalingConfiguration"
    assert module.wanted_fields(fields | {"min_capacity": 0})[scaling] == {
        "MinCapacity": 0,
        "MaxCapacity": 2,
        "SecondsUntilAutoPause": 600,
    }
    assert module.wanted_fields(fields | {"min_capacity": 1})[scaling] == {
        "MinCapacity": 1,
        "MaxCapacity": 2,
    }


def test_logs_are_taken_off_and_put_on():
    sent = module.modification_fields(
        {"EnableCloudwatchLogsExports": ["audit"]}, {"EnableCloudwatchLogsExports": ["error"]}
    )
    assert sent["CloudwatchLogsExportConfiguration"] == {
        "EnableLogTypes": ["audit"],
        "DisableLogTypes": ["error"],
    }


def test_a_check_changes_nothing(keep):
    assert keep(check=True)["changed"]
    assert described() == []


def test_a_protected_cluster_goes_only_when_that_is_said(keep):
    keep()
    refused = keep(state="absent", deletion_protection=True)
    assert refused["failed"]
    assert len(described()) == 1
    gone = keep(state="absent", deletion_protection=False, final_snapshot="last")
    assert gone["changed"]
    assert described() == []
    snapshots = boto3.client("rds").describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert "last" in [one["DBClusterSnapshotIdentifier"] for one in snapshots]
    assert not keep(state="absent")["changed"]
