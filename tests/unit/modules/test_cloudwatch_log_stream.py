"""cloudwatch_log_stream, on moto."""

import boto3

from plugins.modules import cloudwatch_log_stream as module

GROUP = "/aws/kinesis-analytics/surgewatch-analytics"


def test_a_stream_is_made_once(run_on_moto):
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="application-2")
    wanted = {"log_group_name": GROUP, "name": "application"}
    said = run_on_moto(module, check=True, **wanted)
    assert said["changed"]
    assert said["diff"] == {"before": {"stream": None}, "after": {"stream": "application"}}
    assert len(logs.describe_log_streams(logGroupName=GROUP)["logStreams"]) == 1
    assert run_on_moto(module, **wanted)["changed"]
    assert not run_on_moto(module, **wanted)["changed"]
    assert len(logs.describe_log_streams(logGroupName=GROUP)["logStreams"]) == 2


def test_without_its_group_it_would_be_made_and_cannot_be(run_on_moto):
    wanted = {"log_group_name": GROUP, "name": "application"}
    assert run_on_moto(module, check=True, **wanted)["changed"]
    assert "could not be made" in run_on_moto(module, **wanted)["msg"]
