"""The tests' own region keeps what it is given, and answers on loopback only."""

from tests.region import Region


def test_streams_survive_kill_and_functions_a_stop(tmp_path):
    with Region(tmp_path) as region:
        region.client("kinesis").create_stream(StreamName="kept", ShardCount=1)
        region.client("sqs").create_queue(QueueName="kept")
        region.client("dynamodb").create_table(
            TableName="kept",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        region.kinesis.kill()
        region.dynamodb.kill()
        region.ministack.stop()
        for part in region.parts:
            part.start()
        assert region.client("kinesis").list_streams()["StreamNames"] == ["kept"]
        assert region.client("dynamodb").list_tables()["TableNames"] == ["kept"]
        assert region.client("sqs").get_queue_url(QueueName="kept")["QueueUrl"].endswith("/kept")
