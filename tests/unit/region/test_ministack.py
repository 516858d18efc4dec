"""What ministack has answered is there again after kill -9, and nothing of it grows without end."""

import io
import json
import zipfile

import pytest
from botocore.client import BaseClient

from tests.region import Region

HANDLER = """
import os
calls = 0
def handler(event, context):
    global calls
    calls += 1
    print("call", calls)
    return {"calls": calls, "greeting": os.environ["GREETING"]}
"""
MAPPING = {
    "BatchSize": 500,
    "MaximumBatchingWindowInSeconds": 1,
    "StartingPosition": "AT_TIMESTAMP",
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": 604800,
    "ParallelizationFactor": 2,
    "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::any"}},
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}


def archive(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("app.py", source)
    return buffer.getvalue()


def create_function(client: BaseClient, name: str) -> None:
    client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="app.handler",
        Code={"ZipFile": archive(HANDLER)},
        Environment={"Variables": {"GREETING": "hello"}},
    )


def invoke(client: BaseClient, name: str) -> dict:
    return json.loads(client.invoke(FunctionName=name, Payload=b"{}")["Payload"].read())


@pytest.fixture(scope="module")
def own_region(tmp_path_factory: pytest.TempPathFactory):
    with Region(tmp_path_factory.mktemp("own")) as running:
        yield running


def kill(region: Region) -> None:
    region.ministack.kill()
    region.ministack.start()


def test_functions_and_their_code_outlive_kill_9(own_region):
    client = own_region.client("lambda")
    create_function(client, "code")
    kill(own_region)
    assert invoke(client, "code") == {"calls": 1, "greeting": "hello"}
    changed = HANDLER.replace('"calls": calls', '"calls": -calls')
    client.update_function_code(FunctionName="code", ZipFile=archive(changed))
    kill(own_region)
    assert invoke(client, "code")["calls"] == -1


def test_mappings_outlive_kill_9_with_every_field(own_region):
    client = own_region.client("lambda")
    create_function(client, "mapped")
    made = client.create_event_source_mapping(
        FunctionName="mapped",
        EventSourceArn="arn:aws:kinesis:us-east-1:000000000000:stream/any",
        StartingPositionTimestamp=1700000000,
        **MAPPING,
    )
    kill(own_region)
    (listed,) = client.list_event_source_mappings(FunctionName="mapped")["EventSourceMappings"]
    assert {key: listed[key] for key in MAPPING} == MAPPING
    assert listed["StartingPositionTimestamp"].timestamp() == 1700000000
    client.update_event_source_mapping(UUID=made["UUID"], BatchSize=100, Enabled=False)
    kill(own_region)
    got = client.get_event_source_mapping(UUID=made["UUID"])
    assert (got["BatchSize"], got["State"]) == (100, "Disabled")


def test_subscriptions_filters_and_messages_outlive_kill_9(own_region):
    sns, sqs = own_region.client("sns"), own_region.client("sqs")
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
        Attributes={"FilterPolicy": '{"test": ["false"]}'},
    )
    kill(own_region)
    for test in ("true", "false"):
        attribute = {"DataType": "String", "StringValue": test}
        sns.publish(TopicArn=topic, Message=test, MessageAttributes={"test": attribute})
    kill(own_region)
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(message["Body"])["Message"] for message in messages] == ["false"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=messages[0]["ReceiptHandle"])
    kill(own_region)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_secrets_and_objects_outlive_kill_9(own_region):
    secrets, s3 = own_region.client("secretsmanager"), own_region.client("s3")
    secrets.create_secret(Name="stored", SecretString="first")
    secrets.put_secret_value(SecretId="stored", SecretString="second")
    s3.create_bucket(Bucket="stored")
    s3.put_object(Bucket="stored", Key="a/1", Body=b"one", Metadata={"reason": "kept"})
    s3.put_object(Bucket="stored", Key="a/2", Body=b"two")
    s3.delete_object(Bucket="stored", Key="a/2")
    kill(own_region)
    assert secrets.get_secret_value(SecretId="stored")["SecretString"] == "second"
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="stored")["Contents"]] == ["a/1"]
    found = s3.get_object(Bucket="stored", Key="a/1")
    assert (found["Body"].read(), found["Metadata"]) == (b"one", {"reason": "kept"})


def test_a_function_is_kept_warm_and_its_logs_are_bounded(own_region):
    client = own_region.client("lambda")
    create_function(client, "warm")
    calls = [invoke(client, "warm")["calls"] for _ in range(110)]
    assert calls == list(range(1, 111))
    logs = own_region.client("logs")
    group = "/aws/lambda/warm"
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
    assert sum(len(page["logStreams"]) for page in pages) == 100
    assert "warm: call 110\n" in (own_region.ministack.data / "log").read_text()
