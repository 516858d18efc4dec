"""The region's parts, as the role runs them, keep what they were given and bear rude clients."""

import socket

from tests.region import Region


def test_what_was_answered_is_there_after_kill_9(tmp_path):
    with Region(tmp_path) as region:
        region.client("kinesis").create_stream(StreamName="kept", ShardCount=1)
        region.client("sqs").create_queue(QueueName="kept")
        region.client("dynamodb").create_table(
            TableName="kept",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for part in region.parts:
            part.kill()
            part.start()
        assert region.client("kinesis").list_streams()["StreamNames"] == ["kept"]
        assert region.client("dynamodb").list_tables()["TableNames"] == ["kept"]
        assert region.client("sqs").get_queue_url(QueueName="kept")["QueueUrl"].endswith("/kept")


def test_a_client_that_goes_away_within_a_request_harms_no_other(region):
    for part in region.parts:
        with socket.create_connection(("127.0.0.1", part.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
    assert region.client("kinesis").list_streams()
    assert region.client("dynamodb").list_tables()
    assert region.client("sqs").list_queues()
