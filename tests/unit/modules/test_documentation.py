"""What the modules document is what they take."""

import importlib

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

NAMES = [
    "cloudwatch_alarms",
    "cloudwatch_dashboard",
    "cloudwatch_log_stream",
    "database_secrets",
    "dynamodb_table_protection",
    "fleet_host",
    "function_zips",
    "health_gate",
    "kinesis_data_stream",
    "lambda_event_source_mapping",
    "managed_flink_application",
    "rds_serverless_cluster",
    "slice_positions",
    "stack_resources_info",
]


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
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert list(documented) == list(taken)
    for option, spec in taken.items():
        for key, preset in (("type", "str"), ("default", None), ("choices", None)):
            assert documented[option].get(key, preset) == spec.get(key, preset), option
        assert documented[option].get("required", False) == spec.get("required", False), option
        assert documented[option].get("elements") == spec.get("elements"), option
    assert all(yaml.safe_load(text) for text in (module.EXAMPLES, module.RETURN))
