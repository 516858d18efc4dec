"""The functions' surroundings: environment, bucket, table, database with its secrets."""

import base64
import json
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from alarm_recorder import handler
from common import clients, secrets

CONTEXT = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=128,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:function",
    aws_request_id="request",
    get_remaining_time_in_millis=lambda: 60_000,
)
SHARD = "shardId-000000000000"


def kinesis_event(*data: bytes, first: int = 1000) -> dict[str, Any]:
    """The event that a mapping makes of these records; sequence numbers count from `first`."""
    stream = "arn:aws:kinesis:us-east-1:000000000000:stream/website-orders"
    return {
        "Records": [
            {
                "eventID": f"{SHARD}:{sequence}",
                "eventName": "aws:kinesis:record",
                "eventSource": "aws:kinesis",
                "eventSourceARN": stream,
                "kinesis": {
                    "partitionKey": "key",
                    "sequenceNumber": str(sequence),
                    "data": base64.b64encode(one).decode(),
                    "approximateArrivalTimestamp": 1769860800.123,
                },
            }
            for sequence, one in enumerate(data, first)
        ]
    }


def failures(answer: dict[str, Any]) -> list[int]:
    """The sequence numbers that a function reports."""
    return [int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


@pytest.fixture
def aws(region, monkeypatch):
    """The region, with this process's environment pointing at it."""
    for name, value in region.environment.items():
        monkeypatch.setenv(name, value)
    clients.client.cache_clear()
    secrets._cache.clear()
    yield region
    clients.client.cache_clear()


@pytest.fixture
def bucket(aws, monkeypatch):
    """A bucket of the test's own; answers with the rejected records in it, by key."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name)
    monkeypatch.setenv("BUCKET", name)

    def rejected() -> dict[str, dict[str, Any]]:
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=name).get("Contents", [])]
        return {key: json.loads(s3.get_object(Bucket=name, Key=key)["Body"].read()) for key in keys}

    return rejected


@pytest.fixture(scope="session")
def shared_table(region):
    """The name of an order table, made once: dynalite takes half a second for it."""
    name = f"orders-{uuid.uuid4().hex[:8]}"
    client = region.client("dynamodb")
    client.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "CustomerID", "AttributeType": "N"},
            {"AttributeName": "OrderID", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "CustomerID", "KeyType": "HASH"},
            {"AttributeName": "OrderID", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 0.05})
    return name


@pytest.fixture
def orders_table(aws, shared_table, monkeypatch):
    """An empty order table: its name, and what is in it."""
    client = aws.client("dynamodb")
    monkeypatch.setenv("TABLE", shared_table)

    def items() -> dict[str, dict[str, Any]]:
        found = client.scan(TableName=shared_table, ConsistentRead=True).get("Items", [])
        return {item["OrderID"]["S"]: item for item in found}

    for item in items().values():
        key = {name: item[name] for name in ("CustomerID", "OrderID")}
        client.delete_item(TableName=shared_table, Key=key)
    return SimpleNamespace(name=shared_table, client=client, items=items)


@pytest.fixture
def admin(mariadb):
    """A cursor of the administrator, on a server without the database logs and its users."""
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS logs")
        cursor.execute("DROP USER IF EXISTS alarm_recorder, alarm_reader, measure_writer")
        yield cursor


@pytest.fixture
def database_secrets(aws, mariadb, admin, monkeypatch):
    """The secrets in Secrets Manager and the function's environment that names them."""
    store = aws.client("secretsmanager")
    place = {key: mariadb.secret[key] for key in ("host", "port", "dbname", "ca")}
    run = uuid.uuid4().hex[:8]

    def put(name: str, secret: dict[str, Any]) -> str:
        secret_id = f"{run}/database/{name}"
        try:
            store.create_secret(Name=secret_id, SecretString=json.dumps(secret))
        except store.exceptions.ResourceExistsException:
            store.put_secret_value(SecretId=secret_id, SecretString=json.dumps(secret))
        return secret_id

    # As RDS makes it: without the place.
    bare = {key: mariadb.secret[key] for key in ("username", "password")}
    monkeypatch.setenv("ADMIN_SECRET", put("admin", bare))
    ids = {
        name: put(name, place | {"username": name, "password": uuid.uuid4().hex})
        for name in ("alarm_recorder", "alarm_reader", "measure_writer")
    }
    monkeypatch.setenv("USER_SECRETS", json.dumps(ids))

    def read(name: str) -> dict[str, Any]:
        return json.loads(store.get_secret_value(SecretId=ids[name])["SecretString"])

    return SimpleNamespace(ids=ids, put=put, read=read)


@pytest.fixture
def history(database_secrets):
    """The schema and users, as schema_migrator makes them."""
    from schema_migrator.handler import lambda_handler

    lambda_handler({}, CONTEXT)
    return database_secrets


@pytest.fixture
def inbox(aws, history, bucket, monkeypatch):
    """The recorder's surroundings; answers with the notifications that have come since."""
    run = uuid.uuid4().hex[:8]
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name=f"alarms-{run}")["TopicArn"]
    queue = sqs.create_queue(QueueName=f"inbox-{run}")["QueueUrl"]
    (arn,) = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])[
        "Attributes"
    ].values()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("TOPIC", topic)
    monkeypatch.setenv("DATABASE_SECRET", history.ids["alarm_recorder"])
    handler.history.cache_clear()

    def received() -> list[dict]:
        found = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    yield received
    handler.history.cache_clear()


@pytest.fixture
def rows(mariadb):
    def read() -> list[dict]:
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM logs.logs_history ORDER BY id")
            return list(cursor.fetchall())

    return read


def handle(*data: bytes, first: int = 1000) -> list[int]:
    return failures(handler.lambda_handler(kinesis_event(*data, first=first), CONTEXT))
