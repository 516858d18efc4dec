"""Which base image the containers of the local stack are made of."""

import shutil
import subprocess
from datetime import datetime, timedelta

import pytest
import yaml

from tests.unit.roles.rendering import ROOT, Role

TODAY = datetime.now().strftime("%Y%m%d")
FACTS = {"distribution_release": "bookworm"}


@pytest.fixture(scope="module")
def stem():
    return Role("hosts", ansible_facts=FACTS).render("__hosts_image_stem")


def chosen(found, renewed=False):
    """The image that the role's own expression takes of those that are there."""
    tasks = yaml.safe_load((ROOT / "roles/hosts/tasks/image.yml").read_text())
    (text,) = [
        task["ansible.builtin.set_fact"]["__hosts_image"]
        for task in tasks
        if "ansible.builtin.set_fact" in task
    ]
    role = Role(
        "hosts",
        ansible_facts=FACTS,
        hosts_image_renewed=renewed,
        __hosts_images={"stdout_lines": found},
    )
    return role.render(text.removeprefix("{{").removesuffix("}}"))


def test_the_newest_image_is_taken_and_its_name_knows_its_day(stem):
    assert chosen([]) == f"{stem}{TODAY}"
    others = ["localhost/other:1", stem.removesuffix("-"), "<none>:<none>"]
    assert chosen([*others, f"{stem}20260201", f"{stem}20251130"]) == f"{stem}20260201"


def test_an_image_is_renewed_where_that_is_said(stem):
    assert chosen([f"{stem}20260201"], renewed=True) == f"{stem}{TODAY}"


@pytest.mark.parametrize(("days", "old"), [(0, False), (30, False), (31, True), (400, True)])
def test_an_image_is_old_after_a_month(stem, days, old):
    made = (datetime.now() - timedelta(days)).strftime("%Y%m%d")
    role = Role("hosts", ansible_facts=FACTS, __hosts_image=f"{stem}{made}")
    assert role.render("__hosts_image_days | int > __hosts_image_old_days") is old


@pytest.fixture
def systemd(tmp_path):
    """A process of that name."""
    with subprocess.Popen([shutil.copy("/bin/sleep", tmp_path / "systemd"), "60"]) as process:
        yield process.pid
        process.kill()


def test_only_a_container_that_runs_as_it_is_to_is_left_alone(stem, systemd):
    names = ["one", "two", "three", "four", "five"]
    settings = {
        "ansible_facts": FACTS,
        "hosts_containers": [{"name": name, "group": "g", "address": "a"} for name in names],
        "hosts_network": "n",
        "hosts_stack": "s",
        "__hosts_image": f"{stem}{TODAY}",
    }
    wanted = Role("hosts", **settings).render("__hosts_settings")
    assert sorted(wanted) == sorted(names)
    assert len(set(wanted.values())) == len(names)

    def found(name, label, status="running", pid=systemd):
        labels = {"surgewatch-settings": label} if label else {}
        state = {"Status": status, "Pid": pid}
        return {"Name": name, "Config": {"Labels": labels}, "State": state}

    containers = [
        found("one", wanted["one"]),
        found("two", wanted["one"]),
        found("three", wanted["three"], status="exited"),
        found("four", wanted["four"], pid=2**22 + 1),  # there is no such process
        found("five", ""),
        found("six", wanted["one"]),
    ]
    settings["__hosts_found"] = {"containers": containers}
    assert Role("hosts", **settings).render("__hosts_fine") == ["one"]
    assert Role("hosts", **settings, hosts_base_image="own").render("__hosts_fine") == []
