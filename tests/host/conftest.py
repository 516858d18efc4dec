"""The hosts of the stack under test, as the inventory lists them, and a way into their units."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import botocore.session
import pytest
import testinfra
from botocore.config import Config
from testinfra.host import Host

ROOT = Path(__file__).parent.parent.parent


def inventory() -> dict:
    where = os.environ.get("ANSIBLE_INVENTORY", "inventory/local")
    run = ["ansible-inventory", "--inventory", where, "--list"]
    return json.loads(subprocess.run(run, cwd=ROOT, check=True, capture_output=True).stdout)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `generator` or `region` once on each host of that group."""
    for fixture, group in (("generator", "generators"), ("region_host", "regions")):
        if fixture in metafunc.fixturenames:
            hosts = inventory()[group]["hosts"]
            assert hosts, f"no hosts in the group {group}"
            metafunc.parametrize(fixture, hosts, indirect=True, scope="session")


@pytest.fixture(scope="session")
def generator(request: pytest.FixtureRequest) -> Host:
    return testinfra.get_host(f"podman://{request.param}")


@pytest.fixture(scope="session")
def region_host(request: pytest.FixtureRequest) -> Host:
    return testinfra.get_host(f"podman://{request.param}")


@pytest.fixture
def address(region_host: Host) -> str:
    return region_host.check_output("hostname --all-ip-addresses").split()[0]


@pytest.fixture
def client(address: str):
    """Make a client that waits for a part that is being restarted."""

    def make(service: str):
        return botocore.session.Session().create_client(
            service,
            endpoint_url=f"http://{address}:4566",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"mode": "standard", "total_max_attempts": 8}),
        )

    return make


def run_as_unit(host: Host, unit: str, command: str) -> bool:
    """Run a command under the very restrictions of a unit, and say whether it could."""
    probe = f"probe-{unit}"
    lines = host.check_output(f"systemctl cat {unit}").splitlines()
    dropped = ("ExecStart", "ExecReload", "ExecStop", "Type=", "Restart", "WatchdogSec", "Notify")
    dropped += ("RuntimeDirectory",)  # of both it is one, and goes when the first one stops
    kept = [line for line in lines if not line.startswith(dropped)]
    service = kept.index("[Service]") + 1
    start = f"ExecStart=/bin/sh -c {shlex.quote(command)}"
    kept[service:service] = ["Type=oneshot", start]
    path = f"/run/systemd/system/{probe}.service"
    text = shlex.quote("\n".join(kept))
    host.check_output(f"printf '%s\\n' {text} > {path} && systemctl daemon-reload")
    try:
        return host.run(f"systemctl start {probe}").succeeded
    finally:
        host.check_output(
            f"rm {path}; systemctl daemon-reload; systemctl reset-failed {probe} 2>&1 || :"
        )
