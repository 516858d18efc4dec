"""kinesalite and dynalite as the role serves them."""

import time

from tests.region import Region

# Node as of the day after, with hardly a pause from one trim to the next.
TOMORROW = """
const { now } = Date
const { setInterval } = global
Date.now = () => now() + 25 * 60 * 60 * 1000
global.setInterval = (action) => setInterval(async () => {
  await action()
  require('node:fs').writeFileSync(process.env.TRIMMED, '')
}, 50)
"""


def test_a_new_table_has_its_tags(region):
    dynamodb = region.client("dynamodb")
    made = dynamodb.create_table(
        TableName="tagged",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "project", "Value": "surgewatch"}],
    )
    tags = dynamodb.list_tags_of_resource(ResourceArn=made["TableDescription"]["TableArn"])["Tags"]
    assert tags == [{"Key": "project", "Value": "surgewatch"}]


def test_shards_split_and_their_records_stay(region):
    kinesis = region.client("kinesis")
    kinesis.create_stream(StreamName="split", ShardCount=1)
    kinesis.put_record(StreamName="split", Data=b"before", PartitionKey="a")
    kinesis.split_shard(
        StreamName="split", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127)
    )
    kinesis.get_waiter("stream_exists").wait(StreamName="split")
    kinesis.put_record(StreamName="split", Data=b"after", PartitionKey="a")
    shards = kinesis.list_shards(StreamName="split")["Shards"]
    assert [shard.get("ParentShardId") for shard in shards] == [None, *["shardId-000000000000"] * 2]
    assert sorted(read(kinesis, "split")) == [b"after", b"before"]


def test_records_past_their_retention_are_trimmed_though_nobody_reads_them(tmp_path):
    with Region(tmp_path) as region:
        kinesis, part = region.client("kinesis"), region.kinesis
        kinesis.create_stream(StreamName="short", ShardCount=2)
        kinesis.create_stream(StreamName="long", ShardCount=1)
        kinesis.increase_stream_retention_period(StreamName="long", RetentionPeriodHours=48)
        for stream in ("short", "long"):
            records = [{"Data": b"old", "PartitionKey": str(n)} for n in range(10)]
            kinesis.put_records(StreamName=stream, Records=records)
        (tmp_path / "tomorrow.js").write_text(TOMORROW)
        today, trimmed = part.environment, tmp_path / "trimmed"
        part.environment = today | {
            "NODE_OPTIONS": f"--require={tmp_path}/tomorrow.js",
            "TRIMMED": str(trimmed),
        }
        part.kill()
        part.start()
        deadline = time.monotonic() + 30
        while not trimmed.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        part.environment = today
        part.kill()
        part.start()
        assert read(kinesis, "short") == []
        assert read(kinesis, "long") == [b"old"] * 10


def read(kinesis, stream: str) -> list[bytes]:
    records = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records += [each["Data"] for each in kinesis.get_records(ShardIterator=iterator)["Records"]]
    return records


def test_a_stream_can_be_called_by_its_arn(region):
    """As Flink's connector does."""
    kinesis = region.client("kinesis")
    kinesis.create_stream(StreamName="by-arn", ShardCount=2)
    arn = kinesis.describe_stream_summary(StreamName="by-arn")["StreamDescriptionSummary"][
        "StreamARN"
    ]
    summary = kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]
    assert summary["StreamName"] == "by-arn"
    first, second = (shard["ShardId"] for shard in kinesis.list_shards(StreamARN=arn)["Shards"])
    after = {"Type": "AFTER_SHARD_ID", "ShardId": first}
    shards = kinesis.list_shards(StreamARN=arn, ShardFilter=after)["Shards"]
    assert [shard["ShardId"] for shard in shards] == [second]
    kinesis.put_records(StreamARN=arn, Records=[{"Data": b"order", "PartitionKey": "a"}])
    assert list(read(kinesis, "by-arn")) == [b"order"]
