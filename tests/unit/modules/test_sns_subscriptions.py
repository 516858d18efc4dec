"""sns_subscriptions: on the local region, and with a topic that has unconfirmed addresses."""

import json
import uuid

import boto3
import pytest

from plugins.modules import sns_subscriptions as module

TESTS_APART = {"test": ["false"]}
QUEUE = {"protocol": "sqs", "endpoint": "arn:aws:sqs:us-east-1:000000000000:inbox"}
PERSON = {"protocol": "email", "endpoint": "someone@example.com"}


def filters(sns, topic):
    """The filter of each subscription that has an ARN."""
    found = {}
    for one in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        arn = one["SubscriptionArn"]
        if arn.startswith("arn:"):
            attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
            found[one["Endpoint"]] = json.loads(attributes.get("FilterPolicy") or "{}")
    return found


@pytest.fixture
def place(region):
    sns = region.client("sns")
    return sns, sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]


def test_a_subscription_is_made_once_with_its_filter(run, place):
    sns, topic = place
    wanted = {"topic": topic, "subscriptions": [QUEUE], "filter_policy": TESTS_APART}
    assert run(module, check=True, **wanted)["changed"]
    assert filters(sns, topic) == {}
    assert run(module, **wanted)["changed"]
    assert filters(sns, topic) == {QUEUE["endpoint"]: TESTS_APART}
    assert not run(module, **wanted)["changed"]


def test_a_filter_is_changed(run, place):
    sns, topic = place
    run(module, topic=topic, subscriptions=[QUEUE])
    shown = run(module, topic=topic, subscriptions=[QUEUE], filter_policy=TESTS_APART)["diff"]
    name = QUEUE["endpoint"]
    assert shown == {"before": {name: {}}, "after": {name: TESTS_APART}}
    assert filters(sns, topic) == {name: TESTS_APART}


def test_an_address_that_is_not_confirmed_is_left_in_peace(run_strictly):
    sns = boto3.client("sns")
    topic = sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
    wanted = {"topic": topic, "subscriptions": [PERSON, QUEUE], "filter_policy": TESTS_APART}
    assert run_strictly(module, **wanted)["changed"]
    second = run_strictly(module, **wanted)
    assert not second["changed"]
    assert second["unconfirmed"] == [PERSON["endpoint"]]
    assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 2


def test_a_topic_that_is_not_there_is_told(run_on_moto):
    topic = "arn:aws:sns:us-east-1:123456789012:none"
    assert run_on_moto(module, check=True, topic=topic, subscriptions=[QUEUE])["changed"]
    assert run_on_moto(module, topic=topic, subscriptions=[QUEUE])["failed"]
