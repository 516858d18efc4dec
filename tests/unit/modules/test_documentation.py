"""What the modules document is what they take."""

import importlib
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

NAMES = sorted(path.stem for path in Path(__file__).parents[3].glob("plugins/modules/*.py"))


def documentation(module):
    """A module's documentation, with what it takes from this project's fragments."""
    found = yaml.safe_load(module.DOCUMENTATION)
    for name in found.get("extends_documentation_fragment", []):
        if name.startswith("amazon.aws."):
            continue
        file, _, part = name.partition(".")
        fragment = importlib.import_module(f"plugins.doc_fragments.{file}").ModuleDocFragment
        text = getattr(fragment, part.upper() or "DOCUMENTATION")
        for key, value in yaml.safe_load(text).items():
            found[key] = value | found.get(key, {}) if isinstance(value, dict) else value
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_documented_options_are_those_of_the_module(name, monkeypatch):
    module = importlib.import_module(f"plugins.modules.{name}")
    taken = {}

    class Stop(Exception):
        pass

    def keep(self, argument_spec, **_):
        taken.update(argument_spec)
        raise Stop

    owner = getattr(module, "AnsibleAWSModule", AnsibleModule)
    monkeypatch.setattr(owner, "__init__", keep)
    with pytest.raises(Stop):
        module.main()
    documented = documentation(module)
    options = documented["options"]
    assert options.keys() == taken.keys()
    for option, spec in taken.items():
        for key, preset in (("type", "str"), ("default", None), ("choices", None)):
            assert options[option].get(key, preset) == spec.get(key, preset), option
        assert options[option].get("required", False) == spec.get("required", False), option
        assert options[option].get("elements") == spec.get("elements"), option
    assert {"check_mode"} <= documented["attributes"].keys()
    assert documented["author"]
    assert all(yaml.safe_load(text) for text in (module.EXAMPLES, module.RETURN))


def test_the_decisions_say_why_there_is_each_module():
    decisions = (Path(__file__).parents[3] / "docs/decisions.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in decisions] == []
