"""Roles speak to each other through public names, and document what there is."""

import re

import pytest
import yaml

from tests.unit.roles.rendering import ROOT

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def load(role, name):
    path = ROOT / "roles" / role / name
    return (yaml.safe_load(path.read_text()) if path.exists() else None) or {}


def owner(variable):
    """The role whose internal variable it is, if any."""
    found = [role for role in ROLES if variable.startswith(f"__{role}_")]
    return max(found, key=len, default=None)


def strangers(paths, own):
    """Internal variables of other roles than its own that stand in files."""
    found = {
        variable
        for path in paths
        if path.suffix in (".yml", ".j2")
        for variable in re.findall(r"\b__[a-z_]+", path.read_text())
    }
    return sorted(one for one in found if owner(one) not in (None, own))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_no_internal_variable_of_another(role):
    assert strangers((ROOT / "roles" / role).rglob("*"), role) == []


@pytest.mark.parametrize("path", (ROOT / "playbooks").iterdir(), ids=lambda path: path.stem)
def test_a_playbook_reads_none(path):
    assert strangers([path], path.stem) == []


@pytest.mark.parametrize("role", ROLES)
def test_what_is_documented_is_what_there_is(role):
    specs = load(role, "meta/argument_specs.yml")["argument_specs"]
    tasks = {path.stem for path in (ROOT / "roles" / role / "tasks").iterdir()}
    assert specs.keys() <= tasks
    options = {}
    for spec in specs.values():
        options |= spec["options"]
    defaults = load(role, "defaults/main.yml")
    assert defaults.keys() <= options.keys()
    for name, value in defaults.items():
        if "default" in options[name]:
            assert options[name]["default"] == value, name
    assert (ROOT / "roles" / role / "README.md").exists()


def test_templates_are_called_templates():
    files = [path for path in ROOT.glob("roles/*/templates/**/*") if path.is_file()]
    assert [str(path) for path in files if path.suffix != ".j2"] == []
