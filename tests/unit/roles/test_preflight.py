"""What the preflights refuse, and the reason that they give."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.roles.rendering import ROOT, STACK

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: {role}
        tasks_from: preflight
      vars:
        ansible_facts: {{distribution: Amazon}}
"""


def streams(**changes):
    """The streams, with other settings of those that agents fill; None leaves one out."""
    given = {}
    for key, stream in STACK["surgewatch_streams"].items():
        changed = stream | changes if "logs" in stream else stream
        given[key] = {name: value for name, value in changed.items() if value is not None}
    return given


@pytest.fixture
def preflight(tmp_path):
    """Run a role's preflight in check mode; answer with code and output, on one line."""

    def run(role, **settings):
        path = tmp_path / "play.yml"
        path.write_text(PLAY.format(role=role))
        command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory/local"]
        command += [path, "--check", "-e", json.dumps(settings)]
        own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        # Nobody answers there: the checks that need no region come first.
        own["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True
        )
        return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)

    return run


OFFICIAL = {"kinesis_agent_flavor": "official", "log_generator_format": "tsv"}


def test_the_official_agent_needs_a_stream_that_waits_for_it(preflight):
    code, output = preflight("kinesis_agent", **OFFICIAL)
    assert code != 0
    assert "surgewatch_streams.orders.lateness_ms must be at least 2500" in output
    assert "It is 500." in output
    code, output = preflight(
        "kinesis_agent", **OFFICIAL, surgewatch_streams=streams(lateness_ms=2500)
    )
    assert code == 0, output


def test_a_flow_of_ones_own_is_held_to_the_stream_that_it_goes_to(preflight):
    flow = {"filePattern": "/var/log/more.log", "kinesisStream": "website-orders"}
    late = {"surgewatch_streams": streams(lateness_ms=2500), "kinesis_agent_flows": [flow]}
    code, output = preflight("kinesis_agent", **OFFICIAL, **late)
    assert code != 0
    assert "must be at least 61500" in output
    assert "/var/log/more.log" in output


def test_this_agent_needs_little(preflight):
    code, output = preflight("kinesis_agent")
    assert code == 0, output
    code, output = preflight("kinesis_agent", surgewatch_streams=streams(lateness_ms=100))
    assert code != 0
    assert "surgewatch_streams.orders.lateness_ms must be at least 500" in output


def test_a_stream_with_a_wrong_key_is_refused(preflight):
    wrong = streams(shards=None, retention_days=7)
    code, output = preflight("resources", surgewatch_streams=wrong)
    assert code != 0
    assert (
        "surgewatch_streams.orders: retention_days is no key of a stream, shards is missing"
        in output
    )


def test_the_shop_believes_its_own_proxies_alone(preflight):
    known = ["10.0.0.0/16", "192.0.2.1", "2001:db8::/32", "::1"]
    code, output = preflight("shop", shop_trusted_proxies=known, shop_listen="127.0.0.1:8080")
    assert code == 0, output
    for wide in ("0.0.0.0/0", "::/0", "example.com"):
        code, output = preflight("shop", shop_trusted_proxies=[wide])
        assert code != 0
        assert f"at the widest, not {wide}" in output
    for wrong in ("8080", "127.0.0.1:80"):
        code, output = preflight("shop", shop_listen=wrong)
        assert code != 0
        assert "shop_listen must be empty or an address with a port" in output
