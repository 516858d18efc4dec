"""What the console learns from an inventory, and how it reaches the hosts that are in it."""

import pytest

from console import hosts
from console import stack as stacks
from console.commands import lock, logs
from console.errors import ConsoleError

INVENTORY = """
all:
  vars:
    prefix: shop
    bucket: "{{ prefix }}-bucket"
    where: "{{ inventory_hostname }} of {{ groups['generators'] | length }}"
  children:
    generators:
      hosts:
        web-1: {ansible_connection: podman_pipelined, ansible_podman_executable: /x/podman}
        web-2: {ansible_host: 192.0.2.7, ansible_user: admin}
        web-3: {ansible_connection: community.aws.aws_ssm}
"""


@pytest.fixture
def stack(tmp_path, monkeypatch):
    path = tmp_path / "hosts.yml"
    path.write_text(INVENTORY)
    monkeypatch.setattr("ansible.constants.DEFAULT_HOST_LIST", [str(path)])
    return stacks.load()


def test_variables_are_rendered_as_a_play_sees_them(stack):
    assert stack["bucket"] == "shop-bucket"
    assert stack.hosts == ["web-1", "web-2", "web-3"]
    assert stack.variables["web-2"]["where"] == "web-2 of 3"


def test_what_the_inventory_lacks_is_said(stack, monkeypatch):
    with pytest.raises(ConsoleError, match="surgewatch_bucket"):
        stack["surgewatch_bucket"]
    monkeypatch.setattr("ansible.constants.DEFAULT_HOST_LIST", ["/no/such/inventory"])
    monkeypatch.setattr("ansible.constants.INVENTORY_ANY_UNPARSED_IS_FAILED", True)
    with pytest.raises(ConsoleError, match="/no/such/inventory"):
        stacks.load()


def test_a_host_is_reached_as_ansible_reaches_it(stack):
    command = ["journalctl", "--unit=a b"]
    assert hosts.command_on(stack, "web-1", command) == [
        "/x/podman",
        "exec",
        "--interactive",
        "web-1",
        *command,
    ]
    assert hosts.command_on(stack, "web-2", command) == [
        "ssh",
        "admin@192.0.2.7",
        "sudo journalctl '--unit=a b'",
    ]
    with pytest.raises(ConsoleError, match="aws_ssm"):
        hosts.command_on(stack, "web-3", command)


def test_a_unit_may_be_named_without_its_prefix():
    assert "--unit=surgewatch-kinesis-agent" in logs.journal_command("kinesis-agent", False)
    assert "--unit=surgewatch-*" in logs.journal_command(None, False)
    assert "--follow" in logs.journal_command(None, True)


def test_journals_of_several_hosts_are_one_by_time():
    one = ["2026-11-24T07:52:25.100000+0000 one z", "2026-11-24T07:52:25.100000+0000 one a"]
    two = ["2026-11-24T07:52:24.999999+0000 two b"]
    assert logs.by_time([*one, *two]) == [*two, *one]


def test_every_lock_file_has_its_source():
    """A lock that `lock` does not know would never be renewed."""
    known = {target for _, target, _ in lock.locks(stacks.ROOT)}
    found = {
        *stacks.ROOT.glob("requirements/*.txt"),
        *stacks.ROOT.glob("files/*/requirements.txt"),
        *stacks.ROOT.glob("analytics/*/requirements.txt"),
        *stacks.ROOT.glob("roles/*/files/requirements.txt"),
        *stacks.ROOT.glob("lambdas/**/requirements.txt"),
    }
    assert found == known
