"""The agent as a process: faults of one flow, long lines, reload, commands."""

import gzip
import json
import os
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
from kinesis_agent.config_file import parse
from kinesis_agent.replay import ReplayError, replay
from kinesis_agent.tail import Tailer

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


@pytest.mark.parametrize(
    ("text", "start", "found"),
    [
        (
            b'::1 - - [31/Jan/2026:12:00:0%d +0100] "GET /2026-01-31T23:00:00Z HTTP/1.1" 200 1\n',
            "2026-01-31T11:00:05Z",
            5,
        ),
        (b"[31/Jan/2026:12:00:0%d +0000]\n", "31/Jan/2026:12:00:07 +0000", 3),
        (b"[Sat Jan 31 12:00:0%d.5 2026] [core:error] x\n", "2026-01-31 12:00:08", 2),
        (b"2026-02-31T12:00:00Z 2026-01-31 12:00:0%d,123 x\n", "2026-01-31", 10),
        (b"2026-01-31T12:00:0%dZ\n", "2026-01-31T12:00:10Z", "the last is of 2026-01-31T12:00:09"),
        (b"no time %d\n", "2026-01-31T12:00:10Z", "no line of"),
        (b"%d\n", "21", "ends before 21"),
        (b"%d\n", "20", 0),
    ],
)
@pytest.mark.parametrize("opener", [open, gzip.open])
def test_replay_from(
    tmp_path: Path, opener: Any, text: bytes, start: str, found: int | str
) -> None:
    log = tmp_path / ("app.log.gz" if opener is gzip.open else "app.log")
    with opener(log, "wb") as file:
        file.writelines(text % n for n in range(10))
    with Endpoint() as endpoint:
        config = {
            "kinesis.endpoint": endpoint.url,
            "awsAccessKeyId": "A",
            "awsSecretAccessKey": "s",
        }
        config = parse({"x": json.dumps(config | {"flows": [flow(tmp_path / "app.log")]})})
        if isinstance(found, int):
            assert replay(config, log, start) == found
        else:
            with pytest.raises(ReplayError, match=found):
                replay(config, log, start)


def test_replay_reads_though_a_look_takes_longer_than_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"1\n2\n")
    poll = Tailer.poll

    def slowly(tailer: Tailer, now: float) -> None:
        poll(tailer, now)
        while time.monotonic() < now + 0.03:
            pass

    monkeypatch.setattr(Tailer, "poll", slowly)
    with Endpoint() as endpoint:
        config = {
            "kinesis.endpoint": endpoint.url,
            "awsAccessKeyId": "A",
            "awsSecretAccessKey": "s",
            "flows": [flow(log)],
        }
        assert replay(parse({"x": json.dumps(config)}), log, "0") == 2


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
        tried = agent.state_dir.stat().st_mtime_ns
        wait_for(lambda: agent.state_dir.stat().st_mtime_ns != tried)
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

    assert "No such file or directory: '/nowhere/" in error(checkpointFile="/nowhere/positions")
    with AgentProcess(tmp_path, [flow(tmp_path / "app.log")]) as agent:
        agent.wait_until_ready()
        assert error() == f"ERROR another agent runs with {agent.state_dir}\n"


def test_two_agents_do_not_keep_their_positions_in_one_file(tmp_path: Path) -> None:
    positions = tmp_path / "positions"
    agents = [tmp_path / "1", tmp_path / "2"]
    for folder in agents:
        folder.mkdir()
    with AgentProcess(
        agents[0], [flow(tmp_path / "a.log")], checkpointFile=str(positions)
    ) as first:
        first.positions = positions
        first.wait_until_ready()
        second = AgentProcess(agents[1], [flow(tmp_path / "b.log")], checkpointFile=str(positions))
        found = second.ask("run", "--config", second.config)
        assert found.returncode == 1
        assert found.stderr == f"ERROR another agent runs with {positions}\n"
        assert first.stop() == 0
        second.positions = tmp_path / "positions.lock"
        with second:
            wait_for(lambda: "ships" in second.log.read_text())


@pytest.mark.parametrize("when", ["at the start", "at a reload"])
def test_a_metrics_port_that_is_taken_stops_no_shipping(tmp_path: Path, when: str) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"1\n")
    with socket.create_server(("127.0.0.1", 0)) as taken, Endpoint() as endpoint:
        port = taken.getsockname()[1]
        settings = {"kinesis.endpoint": endpoint.url}
        if when == "at the start":
            settings["prometheus.port"] = port
        with AgentProcess(tmp_path, [flow(log)], **settings) as agent:
            assert endpoint.wait_for(lambda: b"1\n" in endpoint.records)
            if when == "at a reload":
                config = json.loads(agent.config.read_text()) | {"prometheus.port": port}
                agent.config.write_text(json.dumps(config))
                agent.process.send_signal(signal.SIGHUP)
            problem = f"prometheus.port {port}: Address already in use"
            wait_for(lambda: problem in agent.problems())
            append(log, b"2\n")
            assert endpoint.wait_for(lambda: b"2\n" in endpoint.records)
            assert agent.log.read_text().count(problem) == 1
            taken.close()
            wait_for(lambda: not agent.problems())
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()


def test_after_a_reload_that_cannot_be_the_configuration_before_is_in_force(
    tmp_path: Path,
) -> None:
    log, other = tmp_path / "app.log", tmp_path / "other.log"
    log.write_bytes(b"1\n")
    other.write_bytes(b"x\n")
    with (
        Endpoint() as endpoint,
        AgentProcess(tmp_path, [flow(log)], **{"kinesis.endpoint": endpoint.url}) as agent,
    ):
        assert endpoint.wait_for(lambda: b"1\n" in endpoint.records)
        config = json.loads(agent.config.read_text())
        config["flows"].append(flow(other))
        not_ours = tmp_path / "not-ours"
        not_ours.write_text("?")
        for n, bad in enumerate(("/nowhere/positions", str(not_ours)), 2):
            agent.config.write_text(json.dumps(config | {"checkpointFile": bad}))
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda n=n: agent.log.read_text().count("not reloaded") == n - 1)
            append(log, b"%d\n" % n)
            assert endpoint.wait_for(lambda line=b"%d\n" % n: line in endpoint.records)
        assert b"x\n" not in endpoint.records
        agent.config.write_text(json.dumps(config))
        agent.process.send_signal(signal.SIGHUP)
        assert endpoint.wait_for(lambda: b"x\n" in endpoint.records)
        assert set(endpoint.records.values()) == {1}
        assert agent.stop() == 0


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    plain, odd = tmp_path / "in" / "plain.log", tmp_path / "in" / os.fsdecode(b"caf\xe9.log")
    plain.write_bytes(b"1\n")
    odd.write_bytes(b"2\n")
    with (
        Endpoint() as endpoint,
        AgentProcess(
            tmp_path, [flow(tmp_path / "in" / "*.log")], **{"kinesis.endpoint": endpoint.url}
        ) as agent,
    ):
        for line in (b"3\n", b"4\n"):
            append(odd, line)
            assert endpoint.wait_for(lambda line=line: line in endpoint.records)
            wait_for(lambda: agent.has_shipped(plain, odd))
            assert agent.stop() == 0
            agent.start()
        command = [COMMAND, "shipped", "--state-dir", agent.state_dir, odd]
        assert subprocess.run(command, capture_output=True).stdout == os.fsencode(odd) + b"\n"
        command = [COMMAND, "status", "--state-dir", agent.state_dir]
        assert os.fsencode(odd) + b": at 6" in subprocess.run(command, capture_output=True).stdout
        found = json.loads(subprocess.run([*command, "--json"], capture_output=True).stdout)
        assert str(odd) in {file["path"] for file in found["flows"][0]["files"]}
        assert set(endpoint.records.values()) == {1}


CLOCK = """
import time
began, now = time.time(), time.monotonic
time.time = lambda started=now(): began - 60 * (now() - started)
"""


def test_a_wall_clock_that_goes_back_holds_nothing_up(tmp_path: Path) -> None:
    """It does so all the time, a minute in each second."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    log, other = tmp_path / "app.log", tmp_path / "other.log"
    log.write_bytes(b"start 1\n")
    other.write_bytes(b"1\n")
    flows = [flow(log, multiLineStartPattern="^start"), flow(other)]
    with Endpoint() as endpoint:
        agent = AgentProcess(tmp_path, flows, **{"kinesis.endpoint": endpoint.url})
        agent.environment |= {"PYTHONPATH": str(tmp_path)}
        with agent:
            wait_for(lambda: agent.has_shipped(log, other))
            append(log, b"start 2\n more\n")
            append(other, b"2\n")
            wait_for(lambda: agent.has_shipped(log, other))
            assert agent.stop() == 0
        assert endpoint.records == {b"start 1\n": 1, b"start 2\n more\n": 1, b"1\n": 1, b"2\n": 1}


def test_rotated_credentials_are_read_again(tmp_path: Path) -> None:
    log, secrets = tmp_path / "app.log", tmp_path / "credentials"
    log.write_bytes(b"1\n")
    text = "[default]\naws_access_key_id = %s\naws_secret_access_key = secret\n"
    secrets.write_text(text % "OLD")
    with Endpoint() as endpoint:
        settings = {"kinesis.endpoint": endpoint.url}
        agent = AgentProcess(tmp_path, [flow(log, retryMaxBackoffMillis=200)], **settings)
        del agent.environment["AWS_ACCESS_KEY_ID"], agent.environment["AWS_SECRET_ACCESS_KEY"]
        agent.environment["AWS_SHARED_CREDENTIALS_FILE"] = str(secrets)
        with agent:
            assert endpoint.wait_for(lambda: b"1\n" in endpoint.records)
            endpoint.faults = Faults(error=(400, "ExpiredTokenException"))
            append(log, b"2\n")
            wait_for(lambda: "ExpiredToken" in agent.problems())
            secrets.write_text(text % "NEW")
            before = endpoint.failures
            wait_for(lambda: endpoint.failures > before + 1)
            endpoint.faults = Faults()
            assert endpoint.wait_for(lambda: b"2\n" in endpoint.records)
        assert endpoint.access_keys == {"OLD", "NEW"}


def test_what_a_pattern_does_not_find_is_told(tmp_path: Path) -> None:
    pipe, folder, none = tmp_path / "pipe.log", tmp_path / "folder", tmp_path / "none-*.log"
    os.mkfifo(pipe)
    folder.mkdir()
    flows = [flow(pipe, "p"), flow(folder, "f"), flow(none, "n")]
    with (
        Endpoint() as endpoint,
        AgentProcess(tmp_path, flows, **{"kinesis.endpoint": endpoint.url}) as agent,
    ):
        wait_for(lambda: "no regular file" in agent.problems())
        assert f"{folder} is a directory" in agent.problems()
        assert f"{none} -> KinesisStream:n: 0 records sent" in agent.ask("status").stdout
        assert agent.ask("status").stdout.count("no file matches") == 3
        assert f"no file matches {none}" in agent.log.read_text()
        command = [COMMAND, "check", "--config", agent.config]
        found = subprocess.run(command, capture_output=True, text=True)
        assert found.returncode == 1
        assert f"{folder} is a directory" in found.stderr


def test_a_start_pattern_that_never_matches_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    lines = b"".join(b"%08d %s\n" % (n, b"x" * 90) for n in range(30_000))
    log.write_bytes(lines)
    with (
        Endpoint() as endpoint,
        AgentProcess(
            tmp_path,
            [flow(log, multiLineStartPattern="NEVER")],
            **{"kinesis.endpoint": endpoint.url},
        ) as agent,
    ):
        wait_for(lambda: agent.has_shipped(log))
        assert b"".join(sorted(endpoint.records)) == lines
        assert agent.log.read_text().count("'NEVER'") == 1
        assert not (agent.state_dir / "oversize").exists()


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
