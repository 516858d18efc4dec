"""managed_flink_application: runs of it against a service that keeps its rules, and against moto.

The service stands in for AWS: no emulator updates, starts or stops an application. It answers over
HTTP, so botocore checks each request against its service model, and keeps what the API's reference
says: who may be asked what in which state, versions that must be named, snapshots.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session
import pytest
from moto import mock_aws

from plugins.modules import managed_flink_application as module

NAME = "surgewatch-analytics"
WANTED = {
    "name": NAME,
    "runtime": "FLINK-2_2",
    "role": "arn:aws:iam::000000000000:role/analytics",
    "code": {"bucket": "bucket", "key": "analytics/flink-1.zip"},
    "properties": {"surgewatch": {"region": "us-east-1", "shards": "2"}},
    "parallelism": 2,
    "log_stream": "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:s",
    "tags": {"Project": "surgewatch"},
}


class Refused(Exception):
    pass


class Service:
    """Applications by name. What takes time takes one more look."""

    def __init__(self):
        self.applications, self.requests, self.snapshots, self.tags = {}, [], [], {}
        self.start_fails = False

    def call(self, operation, request):
        self.requests.append((operation, request))
        if operation == "CreateApplication":
            return self.create(**request)
        if operation == "ListTagsForResource":
            tags = self.tags[request["ResourceARN"]]
            return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        if operation == "TagResource":
            new = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
            self.tags[request["ResourceARN"]] |= new
            return {}
        if operation == "UntagResource":
            for key in request["TagKeys"]:
                del self.tags[request["ResourceARN"]][key]
            return {}
        application = self.applications.get(request["ApplicationName"])
        if application is None:
            raise Refused("ResourceNotFoundException")
        return getattr(self, operation)(application, request)

    def create(
        self,
        ApplicationName,
        ApplicationConfiguration,
        Tags=(),
        CloudWatchLoggingOptions=(),
        **rest,
    ):
        given = ApplicationConfiguration
        code = given["ApplicationCodeConfiguration"]["CodeContent"]["S3ContentLocation"]
        parallelism = {"Parallelism": 1, "ParallelismPerKPU": 1, "AutoScalingEnabled": True}
        flink = given.get("FlinkApplicationConfiguration", {})
        groups = given.get("EnvironmentProperties", {"PropertyGroups": []})["PropertyGroups"]
        arn = f"arn:aws:kinesisanalytics:us-east-1:000000000000:application/{ApplicationName}"
        self.tags[arn] = {tag["Key"]: tag["Value"] for tag in Tags}
        self.applications[ApplicationName] = {
            "ApplicationARN": arn,
            "ApplicationName": ApplicationName,
            "ApplicationStatus": "READY",
            "ApplicationVersionId": 1,
            "CreateTimestamp": 1769860800,
            **rest,
            "CloudWatchLoggingOptionDescriptions": [
                {"CloudWatchLoggingOptionId": "1.1", **option}
                for option in CloudWatchLoggingOptions
            ],
            "ApplicationConfigurationDescription": {
                "ApplicationCodeConfigurationDescription": {
                    "CodeContentType": "ZIPFILE",
                    "CodeContentDescription": {"S3ApplicationCodeLocationDescription": code},
                },
                "FlinkApplicationConfigurationDescription": {
                    "ParallelismConfigurationDescription": parallelism
                    | flink.get("ParallelismConfiguration", {}),
                    "MonitoringConfigurationDescription": {"LogLevel": "INFO"}
                    | flink.get("MonitoringConfiguration", {}),
                },
                "EnvironmentPropertyDescriptions": {"PropertyGroupDescriptions": groups},
                "ApplicationSnapshotConfigurationDescription": {"SnapshotsEnabled": True}
                | given.get("ApplicationSnapshotConfiguration", {}),
            },
        }
        return {"ApplicationDetail": self.applications[ApplicationName]}

    def DescribeApplication(self, application, _):
        shown = json.loads(json.dumps(application))
        if "next" in application:
            application["ApplicationStatus"] = application.pop("next")
            if application["ApplicationStatus"] == "gone":
                del self.applications[application["ApplicationName"]]
        return {"ApplicationDetail": shown}

    def StartApplication(self, application, request):
        self._must_be(application, "READY")
        application["ApplicationStatus"] = "STARTING"
        application["next"] = "READY" if self.start_fails else "RUNNING"
        return {}

    def StopApplication(self, application, request):
        self._must_be(application, "RUNNING")
        if not request["Force"]:
            self.snapshots.append(application["ApplicationVersionId"])
        application["ApplicationStatus"], application["next"] = "STOPPING", "READY"
        return {}

    def ListApplicationSnapshots(self, application, request):
        return {
            "SnapshotSummaries": [
                {
                    "SnapshotName": f"s{number}",
                    "SnapshotStatus": "READY",
                    "ApplicationVersionId": version,
                    "SnapshotCreationTimestamp": 1769860800 + number,
                }
                for number, version in enumerate(self.snapshots)
            ]
        }

    def DeleteApplication(self, application, request):
        if request["CreateTimestamp"] != application["CreateTimestamp"]:
            raise Refused("InvalidArgumentException")
        application["ApplicationStatus"], application["next"] = "DELETING", "gone"
        return {}

    def AddApplicationCloudWatchLoggingOption(self, application, request):
        self._is_current(application, request)
        application["CloudWatchLoggingOptionDescriptions"] = [
            {"CloudWatchLoggingOptionId": "2.1", **request["CloudWatchLoggingOption"]}
        ]
        return {}

    def UpdateApplication(self, application, request):
        self._is_current(application, request)
        if application["ApplicationStatus"] not in ("READY", "RUNNING"):
            raise Refused("ResourceInUseException")
        if application["ApplicationStatus"] == "READY" and "RunConfigurationUpdate" in request:
            raise Refused("InvalidRequestException")
        described = application["ApplicationConfigurationDescription"]
        change = request.get("ApplicationConfigurationUpdate", {})
        if "ApplicationCodeConfigurationUpdate" in change:
            content = change["ApplicationCodeConfigurationUpdate"]["CodeContentUpdate"]
            code = described["ApplicationCodeConfigurationDescription"]["CodeContentDescription"]
            code["S3ApplicationCodeLocationDescription"] = {
                key.removesuffix("Update"): value
                for key, value in content["S3ContentLocationUpdate"].items()
            }
        for part, some in change.get("FlinkApplicationConfigurationUpdate", {}).items():
            flink = described["FlinkApplicationConfigurationDescription"]
            flink[part.removesuffix("Update") + "Description"] |= {
                key.removesuffix("Update"): value for key, value in some.items()
            }
        if "EnvironmentPropertyUpdates" in change:
            described["EnvironmentPropertyDescriptions"]["PropertyGroupDescriptions"] = change[
                "EnvironmentPropertyUpdates"
            ]["PropertyGroups"]
        for key in ("RuntimeEnvironment", "ServiceExecutionRole"):
            application[key] = request.get(f"{key}Update", application[key])
        for option in request.get("CloudWatchLoggingOptionUpdates", []):
            (mine,) = application["CloudWatchLoggingOptionDescriptions"]
            assert option["CloudWatchLoggingOptionId"] == mine["CloudWatchLoggingOptionId"]
            mine["LogStreamARN"] = option["LogStreamARNUpdate"]
        before = application["ApplicationStatus"]
        if before == "RUNNING":
            application["ApplicationStatus"], application["next"] = "UPDATING", "RUNNING"
        return {"ApplicationDetail": application}

    def _is_current(self, application, request):
        if request["CurrentApplicationVersionId"] != application["ApplicationVersionId"]:
            raise Refused("ConcurrentModificationException")
        application["ApplicationVersionId"] += 1

    def _must_be(self, application, status):
        if application["ApplicationStatus"] != status:
            raise Refused("ResourceInUseException")


@pytest.fixture
def service(monkeypatch):
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, answer = 200, service.call(operation, request)
            except Refused as refused:
                status, answer = 400, {"__type": str(refused), "message": operation}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    service.url = f"http://127.0.0.1:{server.server_port}"
    yield service
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def keep(service, run, monkeypatch):
    """Run the module with WANTED and changes."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)

    def keep_application(*, check=False, **changes):
        return run(module, check=check, **(WANTED | changes))

    return keep_application


def asked(service):
    """The operations that change something since the last call."""
    found = [operation for operation, _ in service.requests]
    service.requests.clear()
    reading = ("DescribeApplication", "ListTagsForResource")
    return [operation for operation in found if operation not in reading]


def test_it_is_made_and_started_once(keep, service):
    assert keep(check=True, state="started")["changed"]
    assert not service.applications
    made = keep(state="started")
    assert made["changed"]
    assert made["application"]["application_status"] == "RUNNING"
    assert asked(service) == [
        "CreateApplication", "ListApplicationSnapshots", "StartApplication",
    ]  # fmt: skip
    for check in (True, False):
        assert not keep(check=check, state="started")["changed"]
    assert asked(service) == []


def test_only_what_differs_is_updated_and_shown(keep, service):
    keep(state="started")
    asked(service)
    new = {"bucket": "bucket", "key": "analytics/flink-2.zip"}
    for check in (True, False):
        result = keep(check=check, state="started", code=new, restore="none")
        assert result["changed"]
        arn = "arn:aws:s3:::bucket"
        assert result["diff"] == {
            "before": {"code": WANTED["code"] | {"bucket": arn}},
            "after": {"code": new | {"bucket": arn}},
        }
    (request,) = [r for operation, r in service.requests if operation == "UpdateApplication"]
    restore = request["RunConfigurationUpdate"]["ApplicationRestoreConfiguration"]
    assert restore == {"ApplicationRestoreType": "SKIP_RESTORE_FROM_SNAPSHOT"}
    assert set(request["ApplicationConfigurationUpdate"]) == {"ApplicationCodeConfigurationUpdate"}
    assert not keep(state="started", code=new)["changed"]


@pytest.mark.parametrize(
    "change",
    [
        {"properties": {"surgewatch": {"region": "us-east-1", "shards": 4}}},
        {"parallelism": 4},
        {"auto_scaling": False},
        {"log_level": "WARN"},
        {"runtime": "FLINK-2_3"},
        {"role": "arn:aws:iam::000000000000:role/other"},
        {"log_stream": "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:t"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_setting_is_updated_once(keep, change):
    keep()
    assert keep(**change)["changed"]
    assert not keep(**change)["changed"]


def test_a_log_stream_is_added_where_there_was_none(keep, service):
    keep(log_stream=None)
    asked(service)
    assert keep()["changed"]
    assert asked(service) == ["AddApplicationCloudWatchLoggingOption"]
    assert not keep()["changed"]


def test_other_code_does_not_take_the_old_snapshot(keep, service):
    keep(state="started")
    keep(state="stopped")
    keep(code={"bucket": "bucket", "key": "analytics/flink-2.zip"})
    service.requests.clear()
    keep(state="started", code={"bucket": "bucket", "key": "analytics/flink-2.zip"})
    (request,) = [r for operation, r in service.requests if operation == "StartApplication"]
    restore = request["RunConfiguration"]["ApplicationRestoreConfiguration"]
    assert restore == {"ApplicationRestoreType": "SKIP_RESTORE_FROM_SNAPSHOT"}


def test_it_is_stopped_with_a_snapshot_and_goes_on_from_it(keep, service):
    keep(state="started")
    assert keep(state="stopped")["changed"]
    assert service.snapshots == [1]
    assert not keep(state="stopped")["changed"]
    service.requests.clear()
    keep(state="started", allow_non_restored_state=True)
    (request,) = [r for operation, r in service.requests if operation == "StartApplication"]
    assert request["RunConfiguration"] == {
        "FlinkRunConfiguration": {"AllowNonRestoredState": True},
        "ApplicationRestoreConfiguration": {
            "ApplicationRestoreType": "RESTORE_FROM_LATEST_SNAPSHOT"
        },
    }
    keep(state="stopped", force_stop=True)
    assert service.snapshots == [1]


def test_present_leaves_it_running(keep, service):
    keep(state="started")
    assert not keep(state="present")["changed"]
    assert service.applications[NAME]["ApplicationStatus"] == "RUNNING"


def test_tags_are_kept_the_same(keep, service):
    keep()
    result = keep(tags={"Stack": "a"})
    assert result["diff"]["after"] == {"tags": {"Stack": "a"}}
    assert not keep(tags={"Stack": "a"})["changed"]
    keep(tags={"Project": "b"}, purge_tags=False)
    assert list(service.tags.values()) == [{"Stack": "a", "Project": "b"}]


def test_it_is_deleted_once(keep, service):
    keep(state="started")
    assert keep(check=True, state="absent")["changed"]
    assert service.applications
    assert keep(state="absent")["changed"]
    assert not service.applications
    assert not keep(state="absent")["changed"]


def test_an_application_that_does_not_stay_up_is_told(keep, service):
    service.start_fails = True
    result = keep(state="started")
    assert result["failed"]
    assert "log stream" in result["msg"]


def test_what_is_needed_to_make_one_is_named(keep):
    result = keep(code=None, role=None)
    assert result["failed"]
    assert "role, code" in result["msg"]


def test_moto_describes_what_was_asked_for(run, monkeypatch):
    """Another's idea of the service: it knows how to create, describe and tag."""
    with mock_aws():
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        wanted = WANTED | {"log_level": "WARN", "snapshots": True}
        fields = module.wanted_fields(dict.fromkeys(module.ARGUMENTS) | wanted)
        client = botocore.session.Session().create_client("kinesisanalyticsv2", "us-east-1")
        client.create_application(**module.creation_request(wanted, fields))
        assert not run(module, **wanted, wait_timeout=0)["changed"]
        assert run(module, **wanted | {"log_level": "INFO"}, wait_timeout=0, check=True)["changed"]
