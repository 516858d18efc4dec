"""What a host is like, and its releases."""

import json
import os
import subprocess
import time

import pytest
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
