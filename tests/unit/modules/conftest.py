"""Run a module in this process, against the local region."""

import json
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args


@pytest.fixture
def run(region, monkeypatch, capsys):
    """Run a module with arguments; answer with its result."""
    for name, value in region.environment.items():
        monkeypatch.setenv(name, value)

    def run_module(module: ModuleType, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        arguments |= {"_ansible_check_mode": check, "_ansible_diff": True}
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module
