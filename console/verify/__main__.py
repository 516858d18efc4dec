"""The steps of playbooks/verify.yml that look at the region; AWS_* say where that is."""

import argparse
import json
import sys
from functools import partial
from typing import Any

import botocore.session

from console import alarms
from console.stack import BUILD
from console.verify import inbox, items, stages
from console.verify.follow import NoAnswerError, follow
from console.verify.ledger import Ledger
from console.verify.run import Run

LEDGER = Ledger(BUILD / "verify.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="console.verify", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--run", type=int, required=True)
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--topic", required=True, help="its ARN")
    parser.add_argument("--tags", type=json.loads, default={}, help="of what a run makes")
    parser.add_argument("--reader", required=True, help="the function that tells alarms")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--prepared", type=json.loads, help="what the step prepare printed")
    options = parser.parse_args()
    return STEPS[options.step](options, Run(options.run, options.lines))


def client(service: str) -> Any:
    return botocore.session.get_session().create_client(service)


def prepare(options: argparse.Namespace, run: Run) -> int:
    """Subscribe a queue, and note where each shard ends now."""
    LEDGER.add(run)
    kinesis = client("kinesis")
    shards = kinesis.list_shards(StreamName=options.stream, ShardFilter={"Type": "AT_LATEST"})
    iterators = {
        shard["ShardId"]: kinesis.get_shard_iterator(
            StreamName=options.stream, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
        )["ShardIterator"]
        for shard in shards["Shards"]
    }
    queue = inbox.subscribe(client("sqs"), client("sns"), options.topic, run, options.tags)
    print(json.dumps({"queue": queue, "iterators": iterators, "rows": run.rows()}))
    return 0


def watch(options: argparse.Namespace, run: Run) -> int:
    """Wait for every stage; each answer is a line."""
    ask = partial(alarms.ask_function, client("lambda"), options.reader)
    watched = [
        stages.Stream(client("kinesis"), options.prepared["iterators"], run),
        stages.Table(client("dynamodb"), options.table, run),
        stages.History(ask, run),
        stages.Notification(client("sqs"), options.prepared["queue"], run),
    ]
    try:
        for name, found in follow(watched, options.seconds):
            print(f"{name}: {found}", flush=True)
    except NoAnswerError as error:
        print(f"No answer within {options.seconds:g} s from: {error}", file=sys.stderr)
        return 1
    return 0


def clean(options: argparse.Namespace, run: Run) -> int:
    """Remove what this run left, and what earlier ones did: items, subscription and queue."""
    dynamodb, sqs, sns = client("dynamodb"), client("sqs"), client("sns")
    for each in (run, *LEDGER.abandoned(run)):
        inbox.remove(sqs, sns, options.topic, each)
        LEDGER.settle(each, items.remove(dynamodb, options.table, each))
    return 0


STEPS = {"prepare": prepare, "follow": watch, "clean": clean}

if __name__ == "__main__":
    sys.exit(main())
