"""The local region on its host: its units, what listens, and what is there again after kill -9."""

import json
import ssl
import time

import pymysql
import pytest
from testinfra.host import Host

from tests.host.test_services import check_service, exposure

PARTS = ["kinesalite", "dynalite", "ministack", "mariadb", "nginx"]
LISTENERS = {
    "0.0.0.0:3306",
    "0.0.0.0:4566",
    "127.0.0.1:4567",
    "127.0.0.1:4568",
    "127.0.0.1:4569",
}


@pytest.fixture
def secret(client) -> dict:
    found = client("secretsmanager").get_secret_value(SecretId="surgewatch/database/admin")
    return json.loads(found["SecretString"])


def connect(secret: dict, **options) -> pymysql.Connection:
    return pymysql.connect(
        host=secret["host"],
        port=secret["port"],
        user=secret["username"],
        password=secret["password"],
        database=secret["dbname"],
        autocommit=True,
        **options,
    )


def connect_as_the_secret_says(secret: dict) -> pymysql.Connection:
    return connect(secret, ssl=ssl.create_default_context(cadata=secret["ca"]))


@pytest.mark.parametrize("part", PARTS)
def test_parts_run_as_users_of_their_own(region_host, part):
    check_service(region_host, f"surgewatch-{part}")


@pytest.mark.parametrize("part", PARTS)
def test_parts_are_hardened(region_host, part):
    assert exposure(region_host, f"surgewatch-{part}") <= 1.5


@pytest.mark.parametrize("part", ["kinesalite", "dynalite", "ministack", "mariadb"])
def test_nobody_else_reads_the_state_of_a_part(region_host, part):
    state = f"/var/lib/surgewatch/{part}"
    assert region_host.file(state).user == f"surgewatch-{part}"
    anyone = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    assert region_host.run(f"{anyone} find {state} -type f -readable").stdout == ""


def test_nothing_listens_but_the_endpoint_and_the_database(region_host):
    listening = region_host.check_output("ss --no-header --listening --tcp --udp --numeric")
    assert {line.split()[4] for line in listening.splitlines()} == LISTENERS


def test_the_distributions_nginx_does_not_run(region_host):
    assert region_host.run("systemctl is-enabled nginx").stdout.strip() == "masked"


def test_the_endpoint_keeps_ministacks_own_controls_to_itself(region_host):
    url, headers = "http://127.0.0.1:4566/_ministack/reset", {"Authorization": "any"}
    request = f"urllib.request.Request({url!r}, b'', {headers})"
    said = region_host.run(
        "python3 -c %s", f"import urllib.request; urllib.request.urlopen({request})"
    )
    assert "403" in said.stderr


def test_the_endpoint_refuses_cbor_which_would_be_stored_wrong(region_host):
    headers = {
        "Authorization": "any",
        "Content-Type": "application/x-amz-cbor-1.1",
        "X-Amz-Target": "Kinesis_20131202.ListStreams",
    }
    request = f"urllib.request.Request('http://127.0.0.1:4566', b'', {headers})"
    said = region_host.run(
        "python3 -c %s", f"import urllib.request; urllib.request.urlopen({request})"
    )
    assert "415" in said.stderr


def test_the_database_takes_tls_alone_and_proves_its_name(secret, region_host):
    with connect_as_the_secret_says(secret) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
        assert cursor.fetchone()[1] == "TLSv1.3"
    with pytest.raises(pymysql.OperationalError):
        connect(secret, ssl_disabled=True)
    with pytest.raises(pymysql.OperationalError, match="certificate verify failed"):
        connect(secret, ssl=ssl.create_default_context())


def test_the_administrators_password_is_in_no_process_list_and_no_journal(secret, region_host):
    for command in ("ps -ww ax -o args", "journalctl --no-pager --unit 'surgewatch-*'"):
        said = region_host.check_output(command)
        assert said
        assert secret["password"] not in said


def main_pid(host: Host, part: str) -> str:
    return host.check_output(f"systemctl show --property MainPID --value surgewatch-{part}")


def kill(host: Host, part: str) -> None:
    """Kill a part as hard as can be, and wait until systemd runs it again."""
    before = main_pid(host, part)
    host.check_output(f"systemctl kill --signal KILL surgewatch-{part}")
    deadline = time.monotonic() + 30
    while main_pid(host, part) in (before, "0"):
        assert time.monotonic() < deadline, f"surgewatch-{part} did not come back"
        time.sleep(0.1)


def test_what_was_stored_is_there_after_kill_9_of_every_part(region_host, client, secret):
    kinesis, dynamodb, s3 = client("kinesis"), client("dynamodb"), client("s3")
    name = f"probe-{time.time_ns()}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    s3.create_bucket(Bucket=name)
    table = name.replace("-", "_")
    try:
        with connect_as_the_secret_says(secret) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)")
            cursor.execute(f"INSERT INTO {table} VALUES (1)")
        kinesis.put_record(StreamName=name, Data=b"kept", PartitionKey="1")
        dynamodb.put_item(TableName=name, Item={"id": {"N": "1"}})
        s3.put_object(Bucket=name, Key="kept", Body=b"kept")
        for part in PARTS:
            kill(region_host, part)
        assert read(kinesis, name) == [b"kept"]
        assert dynamodb.get_item(TableName=name, Key={"id": {"N": "1"}})["Item"]
        assert s3.get_object(Bucket=name, Key="kept")["Body"].read() == b"kept"
        with connect_as_the_secret_says(secret) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {table}")
            assert cursor.fetchall() == ((1,),)
    finally:
        with connect_as_the_secret_says(secret) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        s3.delete_object(Bucket=name, Key="kept")
        s3.delete_bucket(Bucket=name)
        dynamodb.delete_table(TableName=name)
        kinesis.delete_stream(StreamName=name)


def read(kinesis, stream: str) -> list[bytes]:
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return [record["Data"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]]
