"""What a host is like, whether it is as it was recorded, and its releases."""

import json
import os
import subprocess
import time

import pytest
from ansible.module_utils import host_state
from ansible.module_utils.testing import patch_module_args

from plugins.modules import fleet_host
from plugins.modules.fleet_host import Releases


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def install(home, package, release):
    (home / package / release / "bin").mkdir(parents=True, exist_ok=True)
    current = home / package / "current"
    current.unlink(missing_ok=True)
    current.symlink_to(release)


@pytest.fixture
def run(home, capsys):
    def run_module(check=False, **arguments):
        arguments |= {"home": str(home), "paths": [str(home)], "_ansible_check_mode": check}
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            fleet_host.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def test_a_bare_host_is_looked_at(run, home):
    before = time.time()
    found = run(asked_at=12.5)
    assert before <= found["clock"] <= time.time()
    assert found["asked_at"] == 12.5
    assert found["free_mb"][str(home)] > 0
    assert (found["installed"], found["record"], found["releases"]) == (False, {}, {})
    assert not home.exists()


def test_what_was_rolled_out_is_recorded_once(run, home):
    install(home, "log_generator", "1-a")
    install(home, "kinesis_agent", "1-b")
    wanted = {"release": "one", "settings": "s"}
    assert run(check=True, **wanted)["changed"]
    assert run()["record"] == {}
    assert run(**wanted)["changed"]
    found = run(**wanted)
    assert not found["changed"]
    assert found["record"] == wanted
    assert found["releases"] == {"one": {"log_generator": "1-a", "kinesis_agent": "1-b"}}


def test_a_run_that_did_not_end_leaves_no_record_that_can_be_read(run, home):
    install(home, "log_generator", "1-a")
    (home / "rolled-out.json").write_text('{"release": "on')
    found = run()
    assert found["installed"]
    assert found["record"] == {}


def test_old_releases_go_and_what_is_needed_stays(run, home):
    for number in range(5):
        install(home, "log_generator", f"{number}")
        (home / "log_generator" / f"{number}.tar.gz").touch()  # of a run that did not end
        if number in (0, 3):
            install(home, "kinesis_agent", f"{number}")
        run(release=f"r{number}", settings="s", keep=3)
        os.utime(home / "releases" / f"r{number}.json", (number, number))
    assert sorted(run()["releases"]) == ["r2", "r3", "r4"]
    left = {path.name for path in (home / "log_generator").iterdir()}
    assert left == {"2", "3", "4", "current"}
    assert {path.name for path in (home / "kinesis_agent").iterdir()} == {"0", "3", "current"}


def test_a_release_of_which_a_package_is_gone_is_none(home):
    install(home, "log_generator", "1")
    releases = Releases(home)
    releases.record("one")
    assert releases.named()
    install(home, "log_generator", "2")
    (home / "log_generator" / "1" / "bin").rmdir()
    (home / "log_generator" / "1").rmdir()
    assert releases.named() == {}


def test_packages_that_dpkg_was_interrupted_with_are_named(run, tmp_path, monkeypatch):
    audit = """The following packages are only half configured, probably due to problems
configuring them the first time.  The configuration should be retried:
 logrotate            Log rotation utility
"""
    command = tmp_path / "dpkg"
    command.write_text(f"#!/bin/sh\ncat <<'EOF'\n{audit}EOF\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert subprocess.run(["dpkg", "--audit"], capture_output=True).stdout.decode() == audit
    assert run()["unpacked"] == ["logrotate"]


def test_what_is_current_stays_whether_it_was_recorded_or_not(home):
    install(home, "log_generator", "1")
    releases = Releases(home)
    releases.record("one")
    install(home, "log_generator", "2")
    assert releases.remove_old(1) == []


@pytest.fixture
def recorded(run, home, tmp_path):
    """A host that was recorded, and how to look at it again."""
    etc = tmp_path / "etc"
    (etc / "wants").mkdir(parents=True)
    (etc / "agent.json").write_text("{}")
    (etc / "wants/agent.service").symlink_to("../agent.service")
    install(home, "kinesis_agent", "1")
    (home / "kinesis_agent/1/bin/agent").write_text("#!/bin/sh")
    log = tmp_path / "log"
    log.mkdir()
    watched = {"trees": [str(etc), str(home)], "folders": [str(log)]}
    looked = run(record=True, inputs="i", release="one", settings="s", **watched)
    assert looked["changed"]

    def look(inputs="i", **arguments):
        found = run(inputs=inputs, **watched, **arguments)
        return found["as_recorded"], [line.replace(str(tmp_path), "") for line in found["differs"]]

    return look


def test_a_host_is_as_it_was_recorded_until_something_differs(recorded, home, tmp_path):
    assert recorded() == (True, [])
    assert recorded(inputs="others") == (False, [])
    assert recorded() == (True, [])
    # What runs there writes logs, and Python keeps what it compiled.
    (tmp_path / "log/orders.log").write_text("a line")
    (home / "kinesis_agent/1/__pycache__").mkdir()
    # Nothing reads a release that is not the current one.
    (home / "kinesis_agent/0").mkdir()
    assert recorded() == (True, [])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("echo >> etc/agent.json", "file /etc/agent.json"),
        ("chmod 600 etc/agent.json", "file /etc/agent.json"),
        ("chown 1:1 etc/agent.json", "file /etc/agent.json"),
        ("rm etc/agent.json", "file /etc/agent.json"),
        ("touch etc/agent.conf", "file /etc/agent.conf"),
        ("ln -sfn ../other.service etc/wants/agent.service", "file /etc/wants/agent.service"),
        ("rm etc/wants/agent.service; touch etc/wants/agent.service", "file /etc/wants/agent"),
        ("chmod 700 log", "file /log"),
        ("echo >> home/kinesis_agent/1/bin/agent", "file /home/kinesis_agent/1/bin/agent"),
        ("ln -sfn 0 home/kinesis_agent/current", "file /home/kinesis_agent/"),
    ],
)
def test_a_change_by_hand_is_named(recorded, tmp_path, change, name):
    subprocess.run(change, shell=True, check=True, cwd=tmp_path)
    as_recorded, differs = recorded()
    assert not as_recorded
    assert differs
    assert all(line.startswith(name) for line in differs)
    assert all(": was " in line and ", is " in line for line in differs)


def test_a_look_and_check_mode_record_nothing(run, home, tmp_path):
    run(inputs="i")
    run(inputs="i", record=True, check=True)
    assert not home.exists()


SAID = {
    "systemctl": """Id=a.service
ActiveState=active
UnitFileState=enabled
TriggeredBy=

Id=a-rotate.service
ActiveState=inactive
UnitFileState=static
TriggeredBy=a-rotate.timer

Id=other.service
ActiveState=inactive
UnitFileState=
TriggeredBy=
""",
    "rpm": "b.noarch 2-1\na.x86_64 1:1-1\n",
}
STANZAS = """Package: logrotate
Status: install ok installed
Architecture: amd64
Version: 3.21
Conffiles:
 /etc/logrotate.conf 0

Package: nginx
Status: deinstall ok config-files
Architecture: all
Version: 1.22

"""


def read_state(monkeypatch, dpkg):
    monkeypatch.setattr(host_state, "DPKG", dpkg)
    return host_state.read([], [], ["*"], lambda command, *_: SAID[command])


def test_units_packages_and_accounts_are_part_of_it(monkeypatch, tmp_path):
    dpkg = tmp_path / "status"
    dpkg.write_text(STANZAS)
    state = read_state(monkeypatch, dpkg)
    assert state["unit"] == {
        "a.service": "active, enabled",
        "other.service": "inactive, no file",
    }
    assert state["package"] == {
        "logrotate:amd64": "3.21",
        "nginx:all": "1.22, deinstall ok config-files",
    }
    assert state["account"]["user root"].startswith("0:0 /root")
    assert state["account"]["group root"] == "0"
    assert set(state["system"]) == {"os", "python", "machine"}
    state = read_state(monkeypatch, tmp_path / "nowhere")
    assert state["package"] == {"a.x86_64": "1:1-1", "b.noarch": "2-1"}


def test_a_service_that_was_stopped_is_named():
    before = {"unit": {"a.service": "active, enabled"}, "package": {"a:all": "1"}}
    now = {"unit": {"a.service": "failed, enabled"}, "package": {}}
    assert host_state.differences(before, now) == [
        "package a:all: was 1, is not there",
        "unit a.service: was active, enabled, is failed, enabled",
    ]
    assert host_state.differences(now, now) == []
