"""Our services on their hosts: who they run as, what they may do, and what listens."""

import re

import pytest
from testinfra.host import Host

from tests.host.conftest import run_as_unit

GENERATOR_UNITS = ["surgewatch-log-generator", "surgewatch-kinesis-agent"]
SHOP_UNITS = [f"surgewatch-shop-{name}" for name in ("nginx", "shop", "stock", "payment")]
REGION_UNITS = ["surgewatch-event-source", "surgewatch-analytics"]


def check_service(host: Host, unit: str) -> None:
    service = host.service(unit)
    assert service.is_running
    assert service.is_enabled
    user = host.user("surgewatch-shop" if unit in SHOP_UNITS[1:] else unit)
    assert user.exists
    assert user.uid != 0
    assert user.shell == "/usr/sbin/nologin"
    pid = service.systemd_properties["MainPID"]
    assert host.process.get(pid=pid).euid == user.uid


def exposure(host: Host, unit: str) -> float:
    said = host.run(f"systemd-analyze security --no-pager {unit}").stdout
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)[1])


@pytest.mark.parametrize("unit", GENERATOR_UNITS + SHOP_UNITS)
def test_generator_services_run_as_users_of_their_own(generator: Host, unit: str) -> None:
    check_service(generator, unit)


@pytest.mark.parametrize("unit", REGION_UNITS)
def test_region_services_run_as_users_of_their_own(region_host: Host, unit: str) -> None:
    check_service(region_host, unit)


@pytest.mark.parametrize("unit", GENERATOR_UNITS + SHOP_UNITS)
def test_generator_units_are_hardened(generator: Host, unit: str) -> None:
    assert exposure(generator, unit) <= 2.5


@pytest.mark.parametrize("unit", REGION_UNITS)
def test_region_units_are_hardened(region_host: Host, unit: str) -> None:
    assert exposure(region_host, unit) <= 2.5


@pytest.mark.parametrize("unit", GENERATOR_UNITS)
def test_a_generator_unit_cannot_do_what_it_must_not(generator: Host, unit: str) -> None:
    (other,) = {*GENERATOR_UNITS} - {unit}
    state = f"/var/lib/surgewatch/{unit.removeprefix('surgewatch-')}"
    others_state = f"/var/lib/surgewatch/{other.removeprefix('surgewatch-')}"
    assert run_as_unit(generator, unit, f"touch {state}/probe && rm {state}/probe")
    for forbidden in (
        "touch /etc/surgewatch/probe",
        "touch /opt/surgewatch/probe",
        f"touch {others_state}/probe",
        "cat /etc/shadow",
        "ls /root",
        "unshare --user true",
        "mount -t tmpfs none /tmp",
        "test -e /proc/1/cmdline",
        "hostname probe",
    ):
        assert not run_as_unit(generator, unit, forbidden), forbidden


WRITERS = {"orders": "surgewatch-log-generator", "access": "surgewatch-shop-nginx"}


@pytest.mark.parametrize("name", WRITERS)
def test_the_agent_reads_a_log_and_only_its_service_writes_it(generator: Host, name: str) -> None:
    log = f"/var/log/surgewatch/{name}.log"
    agent = "surgewatch-kinesis-agent"
    assert run_as_unit(generator, agent, f"head -c 1 {log}")
    for other in {agent, "surgewatch-shop-stock", *WRITERS.values()} - {WRITERS[name]}:
        assert not run_as_unit(generator, other, f"echo >> {log}"), other
        assert not run_as_unit(generator, other, f"rm -f {log}"), other
    for reader in (agent, "surgewatch-shop-stock"):
        assert not run_as_unit(generator, reader, "touch /var/log/surgewatch/probe"), reader


def test_the_shop_is_reached_by_the_generator_alone(generator: Host) -> None:
    ask = "test -S /run/surgewatch-shop-nginx/in.socket"
    assert run_as_unit(generator, "surgewatch-log-generator", ask)
    assert not run_as_unit(generator, "surgewatch-kinesis-agent", ask)


def test_files_have_their_modes(generator: Host) -> None:
    folder = generator.file("/var/log/surgewatch")
    assert (folder.user, folder.group, folder.mode) == ("root", "surgewatch-logs", 0o3770)
    for name, user in WRITERS.items():
        log = generator.file(f"/var/log/surgewatch/{name}.log")
        assert (log.user, log.group, log.mode) == (user, "surgewatch-logs", 0o640)
    for path in ("/etc/surgewatch/log_generator.json", "/etc/aws-kinesis/agent.json"):
        config = generator.file(path)
        assert config.user == "root"
        assert not config.mode & 0o022


def test_a_generator_host_listens_to_nobody(generator: Host) -> None:
    assert generator.check_output("ss --no-header --listening --tcp --udp --numeric") == ""


def test_no_unit_failed(generator: Host) -> None:
    assert generator.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_no_unit_of_the_region_failed(region_host: Host) -> None:
    assert region_host.check_output("systemctl list-units --failed --plain --no-legend") == ""
