"""The rules that a host's engine gets: what is left of the project's."""

import pytest
from analytics_engine.rules.files import HOME, load

from tests.unit.roles.rendering import Role

NAMES = [rule.name for rule in load(HOME / "rules.yml").rules]


@pytest.mark.parametrize("elsewhere", [[], NAMES[:2], NAMES])
def test_those_that_flink_has_are_left_out_be_it_all(tmp_path, elsewhere):
    role = Role("analytics", analytics_rules_elsewhere=elsewhere, ansible_managed="")
    rules = tmp_path / "rules.yml"
    rules.write_text(role.render("lookup('ansible.builtin.template', 'rules.yml.j2')"))
    left = load(rules, references=HOME / "reference").rules
    assert [rule.name for rule in left] == [name for name in NAMES if name not in elsewhere]
