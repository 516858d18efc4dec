"""The service as a process, between a real kinesalite and a real ministack."""

import io
import json
import os
import subprocess
import sys
import time
import uuid
import zipfile
from pathlib import Path

import pytest
from event_source import status

ROLE = "arn:aws:iam::000000000000:role/reader"
COMMAND = Path(sys.executable).with_name("event-source")

# It notes what it has done in $FOLDER/calls; $FOLDER/behaviour says how, at which text, it fails.
FUNCTION = """
import base64, json, os, time

folder = os.environ["FOLDER"]

def handler(event, context):
    texts = [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]
    how, poison, seconds = json.load(open(folder + "/behaviour"))
    failed = [
        record["kinesis"]["sequenceNumber"]
        for record, text in zip(event["Records"], texts)
        if poison and poison in text
    ]
    if failed and how == "raise":
        raise ValueError("poison")
    open(folder + "/called", "w").close()
    time.sleep(seconds)
    handled = texts[: texts.index(next(t for t in texts if poison in t))] if failed else texts
    with open(folder + "/events", "w") as out:
        json.dump(event, out)
    # Whole or not at all: it may be killed, and is read meanwhile.
    with open(folder + "/calls", "ab", buffering=0) as out:
        out.write(json.dumps(handled).encode() + b"\\n")
    print("handled", len(handled))
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
"""


def wait_for(condition, seconds=30):
    """Wait until the condition holds, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return result


class Stack:
    """A stream, a function, a mapping between them, and the service that serves it."""

    def __init__(self, region, folder):
        self.region, self.folder = region, folder
        self.name = f"s-{uuid.uuid4().hex[:8]}"
        self.stream_arn = f"arn:aws:kinesis:us-east-1:000000000000:stream/{self.name}"
        self.kinesis, self.functions = region.client("kinesis"), region.client("lambda")
        self.config = folder / "event_source.json"
        self.config.write_text(
            json.dumps(
                {
                    "state_directory": str(folder),
                    "polls_per_second": 20,
                    "refresh_seconds": 0.2,
                }
            )
        )
        self.behave()
        self.services = []
        self.mapping = None

    def behave(self, how="report", poison="", seconds=0):
        """How the function takes what it gets from now on."""
        new = self.folder / "behaviour.new"
        new.write_text(json.dumps([how, poison, seconds]))
        os.replace(new, self.folder / "behaviour")

    def create(self, shards=1):
        self.create_stream(shards)
        self.create_function()

    def create_stream(self, shards=1):
        self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)
        self.wait_for_stream()

    def wait_for_stream(self):
        describe = self.kinesis.describe_stream_summary
        wait_for(
            lambda: (
                describe(StreamName=self.name)["StreamDescriptionSummary"]["StreamStatus"]
                == "ACTIVE"
            )
        )

    def create_function(self):
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", FUNCTION)
        self.functions.create_function(
            FunctionName=self.name,
            Runtime="python3.11",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"FOLDER": str(self.folder)}},
            Timeout=30,
        )

    def map(self, **settings):
        made = self.functions.create_event_source_mapping(
            **{
                "FunctionName": self.name,
                "EventSourceArn": self.stream_arn,
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 100,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                **settings,
            }
        )
        self.mapping = made["UUID"]

    def put(self, texts, key=None):
        for start in range(0, len(texts), 500):
            self.kinesis.put_records(
                StreamName=self.name,
                Records=[
                    {"Data": text.encode(), "PartitionKey": key or text}
                    for text in texts[start : start + 500]
                ],
            )

    def start(self, **environment):
        """Start the service."""
        with (self.folder / "log").open("ab") as log:
            service = subprocess.Popen(
                [COMMAND, "run", "--config", self.config],
                env=os.environ | self.region.environment | environment,
                stderr=log,
            )
        self.services.append(service)
        return service

    def handled(self):
        """The texts that the function has done, in order, repeats and all."""
        try:
            lines = (self.folder / "calls").read_text().rpartition("\n")[0].splitlines()
        except FileNotFoundError:
            return []
        return [text for line in lines for text in json.loads(line)]

    def wait_until_handled(self, texts, seconds=30):
        wanted = set(texts)
        wait_for(lambda: wanted <= set(self.handled()), seconds)

    def status(self):
        """What the service says of this mapping; None if it does not (yet)."""
        try:
            told = status.read(self.folder).mappings
        except FileNotFoundError:
            return None
        return next((each for each in told if each.function == self.name), None)

    def close(self):
        for service in self.services:
            if service.poll() is None:
                service.kill()
                service.wait()
        if self.mapping:
            self.functions.delete_event_source_mapping(UUID=self.mapping)


@pytest.fixture
def stack(region, tmp_path):
    made = Stack(region, tmp_path)
    yield made
    made.close()


@pytest.fixture
def bucket(region):
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    s3 = region.client("s3")
    s3.create_bucket(Bucket=name)

    def objects():
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=name).get("Contents", [])]
        return {key: json.load(s3.get_object(Bucket=name, Key=key)["Body"]) for key in keys}

    objects.arn = f"arn:aws:s3:::{name}"
    return objects
