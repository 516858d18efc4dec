"""A queue that is subscribed to the notifications while a run lasts.

To all of them: SNS may take 15 minutes until a filter counts.
"""

import json
from typing import Any

from console.verify.run import Run


def name(run: Run) -> str:
    return f"surgewatch-verify-{run.number}"


def subscribe(sqs: Any, sns: Any, topic: str, run: Run, tags: dict[str, str]) -> str:
    """Make the queue and subscribe it; returns its URL."""
    url = sqs.create_queue(QueueName=name(run), tags=tags)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    allow_topic = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = {"Version": "2012-10-17", "Statement": [allow_topic]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
    )
    return url


def remove(sqs: Any, sns: Any, topic: str, run: Run) -> None:
    """Undo it, however much of it was done."""
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
        for subscription in page["Subscriptions"]:
            if subscription["Endpoint"].endswith(f":{name(run)}"):
                sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    for url in sqs.list_queues(QueueNamePrefix=name(run)).get("QueueUrls", ()):
        sqs.delete_queue(QueueUrl=url)
