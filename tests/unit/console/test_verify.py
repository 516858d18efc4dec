"""The follower of a verification run: what each stage needs to see, and what is left after it."""

import csv
import json
from datetime import UTC, datetime

import pytest

from console.verify import inbox, items
from console.verify.follow import NoAnswerError, follow
from console.verify.ledger import Ledger
from console.verify.run import Run
from console.verify.stages import History, Notification, Stream, Table

RUN = Run(1700000000123, 3)
OTHER = Run(170000000012, 3)


class After:
    """A stage that answers at its nth look."""

    def __init__(self, name, looks):
        self.name, self.looks = name, looks

    def look(self):
        self.looks -= 1
        return None if self.looks else "found"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_stages_are_told_as_they_answer():
    clock = Clock()
    stages = [After("slow", 3), After("quick", 1)]
    assert list(follow(stages, 60, clock, clock.sleep)) == [("quick", "found"), ("slow", "found")]


def test_the_first_stage_without_an_answer_is_named():
    clock = Clock()
    stages = [After("stream", 1), After("table", 1000), After("alarm", 1000)]
    with pytest.raises(NoAnswerError, match="table"):
        list(follow(stages, 10, clock, clock.sleep))
    assert 10 < clock.now < 12


def test_orders_are_rows_of_the_data_set():
    rows = list(csv.reader(RUN.rows().splitlines()))
    assert {row[0] for row in rows} == {"V1700000000123"}
    assert {len(row) for row in rows} == {8}
    assert len({row[1] for row in rows}) == 3


def order(run, number, time="2026-01-31T12:00:00.000Z"):
    return {
        "InvoiceNo": run.invoice,
        "LineNo": str(number),
        "EventTime": time,
        "Description": f"about {RUN.invoice}",
    }


def test_the_stream_has_answered_when_each_line_is_there_once(region):
    kinesis = region.client("kinesis")
    kinesis.create_stream(StreamName="console-verify", ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName="console-verify", WaiterConfig={"Delay": 1})
    iterators = {
        shard["ShardId"]: kinesis.get_shard_iterator(
            StreamName="console-verify", ShardId=shard["ShardId"], ShardIteratorType="LATEST"
        )["ShardIterator"]
        for shard in kinesis.list_shards(StreamName="console-verify")["Shards"]
    }
    stage = Stream(kinesis, iterators, RUN)

    def put(*orders):
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        for order_ in orders:
            data = json.dumps(order_ | {"EventTime": time}) + "\n"
            key = order_["LineNo"]
            kinesis.put_record(StreamName="console-verify", PartitionKey=key, Data=data)

    assert stage.look() is None
    put(order(RUN, 1), order(RUN, 2), order(RUN, 2), order(OTHER, 3))
    assert stage.look() is None
    put(order(RUN, 3))
    assert stage.look().startswith("3 records, each within ")


@pytest.fixture(scope="module")
def table(region):
    dynamodb = region.client("dynamodb")
    dynamodb.create_table(
        TableName="console-verify",
        KeySchema=[
            {"AttributeName": "CustomerID", "KeyType": "HASH"},
            {"AttributeName": "OrderID", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "CustomerID", "AttributeType": "N"},
            {"AttributeName": "OrderID", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    waiter = dynamodb.get_waiter("table_exists")
    waiter.wait(TableName="console-verify", WaiterConfig={"Delay": 1})
    return "console-verify"


def item(run, number):
    return {
        "CustomerID": {"N": run.customer},
        "OrderID": {"S": f"{run.invoice}-VERIFY{number}-{number}"},
        "EventTime": {"S": "2026-01-31T12:00:00.000Z"},
    }


def test_the_table_is_left_without_the_runs_items(region, table):
    dynamodb = region.client("dynamodb")
    stage = Table(dynamodb, table, RUN)
    for number in (1, 2):
        dynamodb.put_item(TableName=table, Item=item(RUN, number))
    dynamodb.put_item(TableName=table, Item=item(OTHER, 1))
    assert stage.look() is None
    dynamodb.put_item(TableName=table, Item=item(RUN, 3))
    assert stage.look().startswith("3 items")
    items.remove(dynamodb, table, RUN)
    left = dynamodb.scan(TableName=table)["Items"]
    assert left == [item(OTHER, 1)]


def test_the_alarm_is_the_runs_own_opening():
    opening = {
        "kind": "OPEN",
        "Number_of_orders": 30,
        "window_seconds": 15,
        "alarm_creation_time": "2026-01-31T12:00:00.100Z",
        "recorded_at": "2026-01-31T12:00:01.350Z",
    }
    asked = []
    answers = [[], [{"kind": "CLOSE"}], [opening]]

    def ask(query, **arguments):
        asked.append((query, arguments))
        return answers.pop(0)

    stage = History(ask, RUN)
    assert stage.look() is None
    assert stage.look() is None
    assert stage.look() == "30 orders in 15 s, recorded 1.25 s later"
    assert asked[0] == ("list", {"scope": "1700000000123", "test": True})


def test_the_notification_comes_to_a_queue_that_does_not_stay(region):
    sqs, sns = region.client("sqs"), region.client("sns")
    topic = sns.create_topic(Name="console-verify")["TopicArn"]
    stage = Notification(
        sqs, inbox.subscribe(sqs, sns, topic, RUN, {"surgewatch-stack": "aws"}), RUN
    )

    def publish(run, test):
        alarm = {"scope": run.scope, "kind": "OPEN", "event_time": "2026-01-31T12:00:00.100Z"}
        attribute = {"test": {"DataType": "String", "StringValue": test}}
        sns.publish(TopicArn=topic, Message=json.dumps(alarm), MessageAttributes=attribute)

    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])
    assert "FilterPolicy" not in attributes["Attributes"]  # SNS may take 15 minutes to apply it
    assert sqs.list_queue_tags(QueueUrl=stage._queue)["Tags"] == {"surgewatch-stack": "aws"}
    publish(OTHER, "true")
    assert stage.look() is None
    publish(RUN, "true")
    assert stage.look().startswith("sent ")

    inbox.remove(sqs, sns, topic, RUN)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    assert not sqs.list_queues(QueueNamePrefix="surgewatch-verify").get("QueueUrls")
    inbox.remove(sqs, sns, topic, RUN)


DAY = 24 * 3600 * 1000


def test_a_run_is_forgotten_when_all_its_items_were_removed(tmp_path):
    ledger = Ledger(tmp_path / "build" / "verify.json")
    later = Run(RUN.number + DAY, 3)
    ledger.add(RUN)
    assert list(ledger.abandoned(later)) == [RUN]
    ledger.settle(RUN, 0)
    ledger.settle(RUN, 1)
    assert list(ledger.abandoned(later)) == [Run(RUN.number, 2)]
    ledger.settle(RUN, 2)
    assert list(ledger.abandoned(later)) == []


def test_a_run_that_may_go_on_elsewhere_is_left_alone(tmp_path):
    ledger = Ledger(tmp_path / "verify.json")
    ledger.add(RUN)
    assert list(ledger.abandoned(Run(RUN.number + 60_000, 3))) == []
    ledger.add(Run(RUN.number + 8 * DAY, 3))
    assert list(ledger.abandoned(Run(RUN.number + 9 * DAY, 3))) == [Run(RUN.number + 8 * DAY, 3)]
