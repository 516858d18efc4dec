"""On a stack that is there: a setting changes its own resource, and nothing else.

With SURGEWATCH_FULL alone: all of a playbook at once, then each alone, and back.
"""

import json
import os

import pytest
import yaml

from console import playbook, stack

HOSTS, REGION, RESOURCES = (f"playbooks/{name}.yml" for name in ("hosts", "region", "resources"))
STACK = yaml.safe_load((stack.ROOT / "inventory/stack.yml").read_text())
STREAMS, FUNCTIONS = STACK["surgewatch_streams"], STACK["surgewatch_functions"]
STREAMS["orders"]["shards"] = 3
FUNCTIONS[0]["batch_size"] = 100

# The playbook, the setting, and the tasks that it must change.
SETTINGS = [
    (HOSTS, {"instances_types": {"generators": "t4g.medium", "analytics": "t4g.small"}},
     {"instances : Make a launch template for each kind of host"}),
    (HOSTS, {"instances_agent_namespace": "Other"},
     {"iam_role : Give it its rights"}),
    (HOSTS, {"generator_hosts": 3}, {"instances : Start those that do not run"}),
    (REGION, {"database_max_capacity": 4}, {"database : Make the cluster"}),
    (REGION, {"database_instances": 2}, {"database : Make its instances"}),
    (REGION, {"database_log_days": 14}, {"database : Make the group of its error log"}),
    (RESOURCES, {"surgewatch_streams": STREAMS}, {"resources : Make the streams"}),
    (RESOURCES, {"resources_table_kept": False},
     {"resources : Protect it, and let its items expire"}),
    (RESOURCES, {"functions_memory_mb": 512}, {"functions : Make the functions"}),
    (RESOURCES, {"functions_log_days": 14}, {"functions : Make a log group for each function"}),
    (RESOURCES, {"surgewatch_functions": FUNCTIONS},
     {"functions : Feed the functions from the streams"}),
    (RESOURCES, {"surgewatch_emails": ["someone@example.com"]},
     {"resources : Subscribe who is to hear of alarms",
      "monitoring : Subscribe who is to hear of operations"}),
    (RESOURCES, {"monitoring_quiet_minutes": 10}, {"monitoring : Keep the alarms"}),
    (RESOURCES, {"monitoring_orders_table": "Other"}, {"monitoring : Make the dashboard"}),
]  # fmt: skip
IRREVERSIBLE = ("generator_hosts", "database_instances", "surgewatch_emails")


def changed(name, *settings):
    """Run a playbook with settings; answer with the tasks that changed anything."""
    arguments = [part for one in settings for part in ("-e", json.dumps(one))]
    task, found = None, set()
    for event in playbook.run(name, [*arguments, "--diff"]):
        if isinstance(event, playbook.Task):
            task = event.name
        elif isinstance(event, playbook.Result):
            assert event.outcome not in ("failed", "unreachable"), (task, event.details)
            if event.outcome == "changed":
                found.add(task)
        elif isinstance(event, playbook.End):
            assert event.code == 0
    return found


def expected(settings):
    return set().union(*(tasks for _, _, tasks in settings))


pytestmark = pytest.mark.skipif("SURGEWATCH_FULL" not in os.environ, reason="the long form")


@pytest.mark.parametrize("name", [HOSTS, REGION, RESOURCES])
def test_the_settings_of_a_playbook_change_what_is_theirs(name):
    settings = [one for one in SETTINGS if one[0] == name]
    assert changed(name, *(setting for _, setting, _ in settings)) == expected(settings)
    back = [one for one in settings if not set(one[1]) & set(IRREVERSIBLE)]
    assert changed(name) == expected(back)


@pytest.mark.parametrize(("name", "setting", "tasks"), SETTINGS)
def test_one_setting_changes_alone(name, setting, tasks):
    first = changed(name, setting)
    # What cannot be taken back is there already, from the test before.
    assert first == (set() if set(setting) & set(IRREVERSIBLE) else tasks)
    assert changed(name) == first
