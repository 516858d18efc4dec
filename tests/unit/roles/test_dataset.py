"""The role that puts the data set on hosts, on this machine."""

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from log_generator import dataset

from tests.unit.roles.rendering import ROOT

PLAY = """
- hosts: localhost
  gather_facts: false
  roles: [dataset]
"""
HEADER = "Invoice;StockCode;Description;Quantity;InvoiceDate;Price;Customer ID;Country\n"


@pytest.fixture
def play(tmp_path):
    """Run the role with this source; answer with code and output, on one line."""

    def run(source, **settings):
        (tmp_path / "play.yml").write_text(PLAY)
        given = {"dataset_source": str(source), "dataset_path": str(tmp_path / "host/orders")}
        command = [Path(sys.executable).with_name("ansible-playbook"), tmp_path / "play.yml"]
        command += ["-i", "localhost,", "-c", "local", "-e", json.dumps(given | settings)]
        own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True
        )
        return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)

    return run


def test_hosts_get_what_they_read_and_the_reading_is_said(play, tmp_path):
    source = tmp_path / "orders.csv"
    own = uuid.uuid4().hex  # else an earlier run has read it
    source.write_text(HEADER + f"1;A;{own};6;31.12.2010 08:26;2,55;17850,0;UK\n")
    code, output = play(source)
    assert code == 0, output
    assert "dates are day/month/year" in output
    row = ["1", "A", own, "6", "12/31/2010 8:26", "2.55", "17850", "UK"]
    assert list(dataset.read(tmp_path / "host/orders")) == [row]
    assert "changed=0" in play(source)[1]


def test_a_line_that_is_wrong_stops_the_play(play, tmp_path):
    (tmp_path / "orders.csv").write_text(HEADER + "1;A;B;6;soon;2,55;17850;UK\n")
    code, output = play(tmp_path / "orders.csv")
    assert code != 0
    assert re.search("line 2: '+soon'+ is no date", output), output
    assert not (tmp_path / "host/orders").exists()


def test_what_anyone_could_change_on_the_way_needs_a_checksum(play):
    code, output = play("HTTP://127.0.0.1:9/orders.csv")
    assert code != 0
    assert "is not read over https: give an https:// address, or say in dataset_sha256" in output
