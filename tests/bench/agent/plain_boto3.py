"""What one would write in an afternoon: csv, json.dumps, boto3's put_records of 500."""

import csv
import json
import sys

import boto3

path, endpoint, names = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
kinesis = boto3.client("kinesis", endpoint_url=endpoint)
records = []


def put() -> None:
    kinesis.put_records(StreamName="s", Records=records)
    records.clear()


with open(path, encoding="utf-8", newline="") as file:
    for row in csv.reader(file):
        data = json.dumps(dict(zip(names, row, strict=True))).encode() + b"\n"
        records.append({"Data": data, "PartitionKey": str(len(records))})
        if len(records) == 500:
            put()
put()
