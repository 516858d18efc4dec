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
