"""The number of hosts lasts."""

import json
import subprocess
from pathlib import Path

import pytest

from console import cli, playbook, progress
from console.commands import scale
from console.playbook import End
from console.stack import ROOT


@pytest.mark.parametrize("name", ["local", "aws"])
def test_the_number_counts_more_than_that_of_the_inventory(name, tmp_path):
    inventory = tmp_path / "inventory"
    folder = inventory / "group_vars" / "all"
    folder.mkdir(parents=True)
    (inventory / "hosts.yml").write_text("all: {hosts: {localhost: }}\n")
    for path in Path(ROOT, "inventory", name, "group_vars", "all").glob("*.yml"):
        if "generator_hosts:" in path.read_text():
            (folder / path.name).write_text("generator_hosts: 2\n")
    scale.keep(inventory, 7)
    run = ["ansible-inventory", "--inventory", str(inventory), "--host", "localhost"]
    found = subprocess.run(run, check=True, capture_output=True, cwd=ROOT)
    assert json.loads(found.stdout)["generator_hosts"] == 7


def test_the_hosts_are_made_before_they_get_slices(tmp_path, monkeypatch):
    ran = []
    (tmp_path / "group_vars" / "all").mkdir(parents=True)
    monkeypatch.setattr(playbook, "run", lambda name, more: [ran.extend([name, *more]), End(3)][1:])
    monkeypatch.setattr(progress, "follow", lambda events, log: list(events)[-1])
    assert cli.main(["scale", "-i", str(tmp_path), "5"]) == 3
    assert ran == ["playbooks/hosts.yml", "playbooks/generators.yml"]


@pytest.mark.parametrize("number", ["0", "-1", "many", "101"])
def test_it_takes_numbers_of_hosts_alone(number):
    with pytest.raises(SystemExit):
        cli.main(["scale", number])


def test_an_inventory_that_is_no_folder_is_refused(tmp_path, capsys):
    assert cli.main(["scale", "-i", str(tmp_path / "hosts.yml"), "3"]) == 1
