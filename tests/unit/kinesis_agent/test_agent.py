"""The agent as a process: faults of one flow, long lines, reload, commands."""

import json
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.endpoint import Endpoint, Faults
from tests.agent.instance import DOCUMENT, InstanceMetadata
from tests.agent.process import COMMAND, AgentProcess


def flow(path: Path, stream: str = "s", **more: Any) -> dict[str, Any]:
    fast = {"minTimeBetweenFilePollsMillis": 20, "initialPosition": "START_OF_FILE"}
    return {"filePattern": str(path), "kinesisStream": stream} | fast | more


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize("form", ["JSON", "CBOR"])
def test_a_backlog_larger_than_may_wait_goes_through_one_thread(tmp_path: Path, form: str) -> None:
    lines = [b"%08d %s" % (n, b"x" * 300) for n in range(30_000)]
    (tmp_path / "app.log").write_bytes(b"\n".join(lines) + b"\n")
    with Endpoint(Faults(refused=0.02)) as endpoint:
        settings = {
            "kinesis.endpoint": endpoint.url,
            "maxSendingThreads": 1,
            "kinesis.wireFormat": form,
        }
        backoff = {"retryInitialBackoffMillis": 10}
        with AgentProcess(tmp_path, [flow(tmp_path / "app.log", **backoff)], **settings) as agent:
            assert endpoint.wait_for(lambda: len(endpoint.records) == 30_000, 60)
            assert agent.stop() == 0
        assert max(endpoint.records.values()) == 1
        assert max(endpoint.requests) == 500
        assert endpoint.records.keys() == {line + b"\n" for line in lines}


def test_a_broken_flow_holds_up_no_other_and_says_so_once(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.log", tmp_path / "bad.log"
    good.write_bytes(b"good\n")
    bad.write_bytes(b"bad\n")
    with Endpoint() as endpoint:
        endpoint.error_of = {"none": (400, "ResourceNotFoundException")}
        settings = {"kinesis.endpoint": endpoint.url, "shutdownTimeoutMillis": 200}
        with AgentProcess(tmp_path, [flow(bad, "none"), flow(good)], **settings) as agent:
            assert endpoint.wait_for(lambda: b"good\n" in endpoint.records)
            wait_for(lambda: "ResourceNotFound" in agent.problems())
            assert agent.ask("status").returncode == 1
            wait_for(lambda: agent.has_shipped(good))
            assert agent.ask("shipped", good, bad).stdout == f"{good}\n"
            assert agent.log.read_text().count("ResourceNotFound") == 1
            endpoint.error_of = {}
            agent.process.send_signal(signal.SIGHUP)  # it would try again by itself, but slowly
            assert endpoint.wait_for(lambda: b"bad\n" in endpoint.records)
            wait_for(lambda: not agent.problems())
            assert agent.ask("status").returncode == 0


def test_memory_is_bounded_while_nothing_is_accepted(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with log.open("wb") as file:
        file.writelines(b"%08d %s\n" % (n, b"x" * 1000) for n in range(40_000))
    with Endpoint(Faults(error=(500, "InternalFailure"))) as endpoint:
        backoff = {"retryInitialBackoffMillis": 10, "retryMaxBackoffMillis": 10}
        with AgentProcess(
            tmp_path, [flow(log, **backoff)], **{"kinesis.endpoint": endpoint.url}
        ) as agent:
            wait_for(lambda: endpoint.failures > 50)
            status = Path(f"/proc/{agent.process.pid}/status").read_text()
            assert int(status.partition("VmHWM:")[2].split()[0]) < 56 * 1024
            endpoint.faults = Faults()
            assert endpoint.wait_for(lambda: len(endpoint.records) == 40_000, 60)


def test_firehose(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"".join(b"%d\n" % n for n in range(1000)))
    delivery = flow(log) | {"kinesisStream": None, "deliveryStream": "d"}
    with Endpoint(Faults(refused=0.05)) as endpoint:
        with AgentProcess(tmp_path, [delivery], **{"firehose.endpoint": endpoint.url}):
            assert endpoint.wait_for(lambda: len(endpoint.records) == 1000)
        assert max(endpoint.records.values()) == 1


def test_long_lines_are_kept_aside_or_cut(tmp_path: Path) -> None:
    kept, cut = tmp_path / "kept.log", tmp_path / "cut.log"
    long = b"x" * 3_000_000 + b"\n"
    for log in (kept, cut):
        log.write_bytes(b"before " + log.name.encode() + b"\n" + long + b"after\n")
    with Endpoint() as endpoint:
        flows = [flow(kept), flow(cut, truncatedRecordTerminator="...\n")]
        with AgentProcess(tmp_path, flows, **{"kinesis.endpoint": endpoint.url}) as agent:
            assert endpoint.wait_for(lambda: len(endpoint.order) == 5)
            wait_for(lambda: agent.has_shipped(kept, cut))
        (path,) = (agent.state_dir / "oversize").iterdir()
        assert path.read_bytes() == long
        (record,) = (each for each in endpoint.records if len(each) > 100)
        assert len(record) == 1_048_560
        assert record.endswith(b"x...\n")


def test_a_pattern_that_would_take_for_ever_holds_up_nothing(tmp_path: Path) -> None:
    slow, split, good = (tmp_path / f"{name}.log" for name in ("slow", "split", "good"))
    for log in (slow, split, good):
        log.write_bytes(b"a" * 5000 + b"b\n")
    option = {"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "matchPattern": "^(a+)+$"}
    option["customFieldNames"] = ["a"]
    flows = [
        flow(slow, "t", dataProcessingOptions=[option]),
        flow(split, "u", multiLineStartPattern="^(a+)+$"),
        flow(good),
    ]
    with (
        Endpoint() as endpoint,
        AgentProcess(tmp_path, flows, **{"kinesis.endpoint": endpoint.url}) as agent,
    ):
        wait_for(lambda: agent.has_shipped(slow, split, good))
        assert endpoint.records[good.read_bytes()] == 2
        assert agent.stop() == 0


def test_braces_in_a_pattern(tmp_path: Path) -> None:
    for name in ("app-a.log", "app-b.log", "app-c.log", "sys.log"):
        (tmp_path / name).write_text(f"{name}\n")
    pattern = flow(tmp_path / "{app-[ab],sys}.log")
    with Endpoint() as endpoint:
        with AgentProcess(tmp_path, [pattern], **{"kinesis.endpoint": endpoint.url}):
            assert endpoint.wait_for(lambda: len(endpoint.records) == 3)
        assert sorted(endpoint.records) == [b"app-a.log\n", b"app-b.log\n", b"sys.log\n"]


def test_reload_takes_up_a_new_configuration_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    first, second = tmp_path / "1.log", tmp_path / "2.log"
    first.write_bytes(b"1\n")
    second.write_bytes(b"2\n")
    with Endpoint() as endpoint:
        with AgentProcess(tmp_path, [flow(first)], **{"kinesis.endpoint": endpoint.url}) as agent:
            assert endpoint.wait_for(lambda: b"1\n" in endpoint.records)
            config = json.loads(agent.config.read_text())
            agent.config.write_text("{")
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "not reloaded" in agent.log.read_text())
            config["flows"].append(flow(second, "t"))
            agent.config.write_text(json.dumps(config))
            agent.process.send_signal(signal.SIGHUP)
            assert endpoint.wait_for(lambda: b"2\n" in endpoint.records)
            append(first, b"3\n")
            assert endpoint.wait_for(lambda: b"3\n" in endpoint.records)
        assert set(endpoint.records.values()) == {1}


def test_check_dry_run_and_replay(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    lines = [b"2026-01-31T12:00:%02dZ %d\n" % (n, n) for n in range(20)]
    log.write_bytes(b"".join(lines))
    with Endpoint() as endpoint:
        agent = AgentProcess(tmp_path, [flow(log)], **{"kinesis.endpoint": endpoint.url})

        def ask(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
            command = [COMMAND, *arguments, "--config", agent.config]
            return subprocess.run(command, capture_output=True, env=agent.environment)

        assert ask("check").stdout.decode() == f"{log} -> KinesisStream:s\n"
        assert json.loads(ask("check", "--show").stdout)["flows"][0]["maxBufferAgeMillis"] == 60000
        assert ask("dry-run", "--lines", "3").stdout == b"".join(lines[:3])
        assert not endpoint.order
        assert ask("replay", "--from", "2026-01-31T12:00:15Z", log).stdout == b"5 records sent\n"
        assert endpoint.order == lines[15:]
        assert ask("replay", "--from", str(len(lines[0]) + 1), log).returncode == 0
        assert sorted(endpoint.order[5:]) == sorted(lines[2:])
        assert ask("replay", "--from", "yesterday", log).returncode == 1


def test_an_instance_lends_its_role_and_tells_of_itself(tmp_path: Path) -> None:
    plain, told = tmp_path / "plain.log", tmp_path / "told.log"
    plain.write_bytes(b"1\n")
    told.write_bytes(b'2\n{"a":3}\n')
    with Endpoint() as endpoint, InstanceMetadata() as instance:
        instance.is_broken = True
        options = [{"optionName": "ADDEC2METADATA"}]
        flows = [flow(told, "t", dataProcessingOptions=options), flow(plain)]
        agent = AgentProcess(tmp_path, flows, **{"kinesis.endpoint": endpoint.url})
        agent.environment |= {"AWS_EC2_METADATA_SERVICE_ENDPOINT": instance.url}
        with agent:
            assert endpoint.wait_for(lambda: b"1\n" in endpoint.records)
            wait_for(lambda: "EC2 instance metadata" in agent.problems())
            instance.is_broken = False
            del agent.environment["AWS_ACCESS_KEY_ID"], agent.environment["AWS_SECRET_ACCESS_KEY"]
            agent.stop()
            agent.start()
            assert endpoint.wait_for(lambda: len(endpoint.order) == 3)
        assert endpoint.access_keys == {"test", "ASIAROLE"}
        first, second = (json.loads(record) for record in endpoint.order[1:])
        identity = {name: value for name, value in DOCUMENT.items() if name != "architecture"}
        assert first == {"metadata": identity, "data": "2"}
        assert second == {"metadata": identity, "data": {"a": 3}}


def test_what_the_disk_does_not_take_holds_nothing_up(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"1\n")
    with (
        Endpoint() as endpoint,
        AgentProcess(tmp_path, [flow(log)], **{"kinesis.endpoint": endpoint.url}) as agent,
    ):
        wait_for(lambda: agent.has_shipped(log))
        before = agent.positions.read_bytes()
        limit = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (0, -1))
        append(log, b"2\n")
        assert endpoint.wait_for(lambda: b"2\n" in endpoint.records)
        wait_for(agent.positions.with_name(".positions.json.new").exists)
        assert agent.positions.read_bytes() == before
        resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, limit)
        wait_for(lambda: agent.has_shipped(log))
        assert agent.positions.read_bytes() != before


def test_what_keeps_it_from_running_is_said_plainly(tmp_path: Path) -> None:
    def error(**settings: Any) -> str:
        agent = AgentProcess(tmp_path, [flow(tmp_path / "app.log")], **settings)
        found = agent.ask("run", "--config", agent.config)
        assert found.returncode == 1
        return found.stderr

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert error(**{"prometheus.port": port}) == (
            f"ERROR prometheus.port {port}: Address already in use\n"
        )
    assert "No such file or directory: '/nowhere/" in error(checkpointFile="/nowhere/positions")
    with AgentProcess(tmp_path, [flow(tmp_path / "app.log")]) as agent:
        agent.wait_until_ready()
        assert error() == f"ERROR another agent runs with {agent.state_dir}\n"


def test_prometheus(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Endpoint() as endpoint:
        settings = {"kinesis.endpoint": endpoint.url, "prometheus.port": port}
        with AgentProcess(tmp_path, [flow(log)], **settings) as agent:
            agent.wait_until_ready()
            append(log, b"x\n")
            assert endpoint.wait_for(lambda: b"x\n" in endpoint.records, 5)

            def metrics() -> str:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    return answer.read().decode()

            labels = f'{{destination="KinesisStream:s",file_pattern="{log}"}}'
            wait_for(lambda: f"kinesis_agent_records_sent_total{labels} 1\n" in metrics())
            assert f"kinesis_agent_bytes_behind{labels} 0\n" in metrics()
