"""Hosts that are not as they should be are named, each with what is wrong; the others go on."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.fleet.conftest import Fleet

GENERATORS = "playbooks/generators.yml"
HALF = """
rm -f /opt/surgewatch/rolled-out.json /etc/surgewatch/log_generator.json
ln -sfn nowhere /opt/surgewatch/kinesis_agent/current
"""
OFFICIAL = """
unit=/run/systemd/system/aws-kinesis-agent.service
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > $unit
systemctl daemon-reload
systemctl start aws-kinesis-agent
"""
NOT_OFFICIAL = """
systemctl stop aws-kinesis-agent
rm /run/systemd/system/aws-kinesis-agent.service
systemctl daemon-reload
"""
BY_HAND = """
echo '{}' > /etc/aws-kinesis/agent.json
chmod 666 /etc/surgewatch/log_generator.json
rm /etc/systemd/system/multi-user.target.wants/surgewatch-log-generator.service
systemctl stop surgewatch-log-generator-rotate.timer
echo broken > /opt/surgewatch/kinesis_agent/current/bin/kinesis-agent
"""
WRONG_CLOCK = """
apt-get install --yes --no-install-recommends libfaketime >&2
echo -1h > /etc/faketimerc
find /usr/lib -name 'libfaketime.so.1' > /etc/ld.so.preload
"""


def sh(fleet: Fleet, host: str, script: str) -> str:
    return fleet.on(host, "sh", "-euc", script)


@contextmanager
def done(fleet: Fleet, host: str, script: str, undo: str) -> Iterator[None]:
    sh(fleet, host, script)
    try:
        yield
    finally:
        sh(fleet, host, undo)


@contextmanager
def paused(host: str) -> Iterator[None]:
    subprocess.run(["podman", "pause", host], check=True)
    try:
        yield
    finally:
        subprocess.run(["podman", "unpause", host], check=True)


def test_each_host_that_is_not_fit_is_named_and_the_others_go_on(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.scale(5)
    half, full, late, official, away = fleet.generators
    owned = fleet.owned()
    # The inventory does not list a container that does not run: as a host of AWS it would.
    listed = tmp_path / "listed.yml"
    connection = {
        "ansible_connection": "podman_pipelined",
        "ansible_podman_executable": os.environ["ANSIBLE_PODMAN_EXECUTABLE"],
    }
    listed.write_text(json.dumps({"generators": {"hosts": {away: connection}}}))
    sh(fleet, half, HALF)
    with ExitStack() as stack:
        for host, script, undo in (
            (full, "mount -t tmpfs -o size=8m tmpfs /opt/surgewatch", "umount /opt/surgewatch"),
            (late, WRONG_CLOCK, "rm /etc/ld.so.preload /etc/faketimerc"),
            (official, OFFICIAL, NOT_OFFICIAL),
        ):
            stack.enter_context(done(fleet, host, script, undo))
        stack.enter_context(paused(away))
        play = fleet.run(GENERATORS, inventories=[listed], log_generator_lines_per_second=90)
        health = fleet.run("playbooks/health.yml", inventories=[listed])
        missed = fleet.run("playbooks/health.yml")
    assert play.code != 0
    for host, said in (
        (full, "less than 300 MB are free in /opt/surgewatch"),
        (late, " s behind the control node"),
        (official, "Amazon's Kinesis Agent runs on it"),
        (away, "container state improper"),
    ):
        assert said in " ".join(play.messages(host)), play.messages(host)
        assert play.changed(host) == []
    assert play.messages(half) == []
    assert f"{half} is half configured" in play.said("Say that a host is half configured")
    assert "Make it the current release" in play.changed(half)

    assert health.code != 0
    assert f"'{half}: well'" in health.said("Show a line a host")
    assert f"'{away}: cannot be reached'" in health.said("Show a line a host")
    assert missed.code != 0
    assert f"'{away}: not running'" in missed.said("Show a line a host")

    play = fleet.run(GENERATORS)
    assert play.code == 0, [play.messages(host) for host in fleet.generators]
    assert fleet.owned() == owned
    assert fleet.count() > 0


def test_what_was_changed_by_hand_is_found_and_mended_and_others_cost_a_look(fleet: Fleet) -> None:
    assert fleet.run(GENERATORS).code == 0
    changed, *others = fleet.generators
    before = {host: (fleet.recorded(host), fleet.pids(host)) for host in fleet.generators}
    sh(fleet, changed, BY_HAND)
    play = fleet.run(GENERATORS)
    assert play.code == 0, play.messages(changed)
    said = play.said("Say what is not as it was recorded")
    for name in (
        "file /etc/aws-kinesis/agent.json: was -rw-r--r-- 0:0 ",
        "file /etc/surgewatch/log_generator.json: was -rw-r--r-- 0:0 ",
        "wants/surgewatch-log-generator.service: was lrwxrwxrwx 0:0 to ",
        "unit surgewatch-log-generator-rotate.timer: was active, enabled, is inactive, enabled",
        "/bin/kinesis-agent: was -rwxr-xr-x 0:0 ",
    ):
        assert name in said
    for host in others:
        assert play.changed(host) == []
        assert "Look at the host" in play.tasks(host)
        assert not {"Preflight", "Write the configuration", "Write the unit"} & play.tasks(host)
        assert fleet.pids(host) == before[host][1]
    assert fleet.recorded(changed) == before[changed][0]

    play = fleet.run(GENERATORS)
    assert play.said("Say what is not as it was recorded") == ""
    assert all("Write the unit" not in play.tasks(host) for host in fleet.generators)
    play = fleet.run(GENERATORS, fleet_check="full")
    assert [play.changed(host) for host in fleet.generators] == [[]] * len(fleet.generators)
    assert all("Write the unit" in play.tasks(host) for host in fleet.generators)
    assert fleet.count() > 0
