"""The record of a host knows all that its roles put there, and what they are given."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.roles.rendering import ROOT, Role

FLEET = Role("fleet")
VARS = yaml.safe_load((ROOT / "roles/fleet/vars/main.yml").read_text())
GIVEN = re.search(r"'(\^\(.*\)_)'", VARS["__fleet_names"])[1]
ROLES = sorted(set(GIVEN[2:-2].split("|")) - {"surge", "surgewatch"})
PLAYBOOKS = ["generators", "region", "analytics"]
PUTS = re.compile(
    r"(copy|template|file|unarchive|get_url|lineinfile|blockinfile|replace|ini_file)$"
)
ON_THE_CONTROL_NODE = {"instances_hosts"}
# What only a play knows.
SETTINGS = {
    "log_file_path": "/var/log/surgewatch/any.log",
    "log_file_service": "any",
    "python_service_name": "any",
    "python_service_release": "1",
    "__analytics_package": {"package": "/build/flink.zip"},
}


def tasks(entries: list) -> Iterator[dict]:
    """The tasks of a file, with those of its blocks."""
    for entry in entries or []:
        yield entry
        for part in ("block", "rescue", "always"):
            yield from tasks(entry.get(part))


def load(path: Path) -> list[dict]:
    return list(tasks(yaml.safe_load(path.read_text())))


def places(name: str) -> Iterator[tuple[str, str]]:
    """Where each task of a role puts something on its host, with the task's name."""
    for path in sorted((ROOT / "roles" / name / "tasks").glob("*.yml")):
        for task in load(path):
            for module, arguments in task.items():
                if not PUTS.search(module) or task.get("delegate_to") == "localhost":
                    continue
                if arguments.get("state") == "absent":
                    continue
                place = arguments.get("dest") or arguments["path"]
                role = Role(name, **SETTINGS | task.get("vars", {}))
                loop = task.get("loop", [None])
                items = role.render(loop.strip("{} ")) if isinstance(loop, str) else loop
                for item in items:
                    given = SETTINGS | task.get("vars", {}) | {"item": item, "place": place}
                    yield task["name"], Role(name, **given).render("place")


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_puts_is_in_the_record(role: str) -> None:
    trees = [Path(tree) for tree in FLEET.render("__fleet_trees")]
    folders = [Path(folder) for folder in FLEET.render("__fleet_kept_folders")]
    forgotten = [
        (task, place)
        for task, place in places(role)
        if Path(place) not in folders and not any(Path(place).is_relative_to(t) for t in trees)
    ]
    assert forgotten == []


def test_there_is_a_role_of_which_places_are_known() -> None:
    assert ("Write the configuration", "/etc/aws-kinesis/agent.json") in places("kinesis_agent")
    assert ("Write the unit", "/etc/systemd/system/surgewatch-any.service") in places(
        "python_service"
    )


def test_every_role_of_a_host_is_one_of_them() -> None:
    plays = [play for name in PLAYBOOKS for play in load(ROOT / f"playbooks/{name}.yml")]
    found = {
        role
        for play in plays
        if play["hosts"] not in ("localhost", "aws_account")
        for role in play.get("roles", [])
    }
    for play in plays:
        if play["hosts"] in ("localhost", "aws_account"):
            continue
        for task in tasks(play.get("tasks")):
            found.add(task.get("ansible.builtin.include_role", {}).get("name"))
    included = {
        task["ansible.builtin.include_role"]["name"]
        for role in found & set(ROLES)
        for path in (ROOT / "roles" / role / "tasks").glob("*.yml")
        for task in load(path)
        if "ansible.builtin.include_role" in task
    }
    assert (found | included) - {None, "fleet"} <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_is_given_makes_it_run(role: str) -> None:
    """Every variable that it reads, and that others than itself can set, is among the inputs."""
    known = set()
    inventories = ROOT.glob("inventory/*/group_vars/**/*.yml")
    for path in [*inventories, *ROOT.glob("roles/*/defaults/main.yml")]:
        known |= set(re.findall(r"^([a-z]\w*):", path.read_text(), re.MULTILINE))
    files = [
        path
        for path in (ROOT / "roles" / role).rglob("*")
        if path.suffix in (".yml", ".j2") and path.parent.name != "meta"
    ]
    read = {word for path in files for word in re.findall(r"\b[a-z]\w*", path.read_text())}
    read &= known - ON_THE_CONTROL_NODE
    assert [name for name in sorted(read) if not re.match(GIVEN, name)] == []


def test_what_is_noted_after_the_roles_is_what_is_looked_at_before() -> None:
    """Then their defaults are among the variables; and groups come in any order."""
    after = Role("fleet", after=tuple(ROLES))
    for name in ("__fleet_trees", "__fleet_kept_folders", "__fleet_units"):
        assert after.render(name) == FLEET.render(name)
    groups = ["regions", "others", "generators", "event_source", "analytics"]
    found = Role("fleet", group_names=groups).render("__fleet_groups")
    assert found == sorted(set(groups) - {"others"})


def test_what_is_in_a_file_of_ones_own_makes_roles_run(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    given = {"__fleet_names": ["analytics_rules_file"], "analytics_rules_file": str(rules)}
    host = Role("fleet", **given, __fleet_project={"whole": "1"}, group_names=["analytics"])
    rules.write_text("rules: []\n")
    before = host.render("__fleet_inputs")
    assert host.render("__fleet_inputs") == before
    rules.write_text("rules: [{}]\n")
    assert host.render("__fleet_inputs") != before
