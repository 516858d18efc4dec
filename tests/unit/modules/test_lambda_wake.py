"""lambda_wake: functions that were idle for weeks, of which no setting can be changed before."""

import importlib

import boto3
import pytest
from botocore.waiter import Waiter

from plugins.modules import lambda_wake as module

# Its name is a word of Python's.
lambda_module = importlib.import_module("ansible_collections.amazon.aws.plugins.modules.lambda")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No second between two looks, also of the collection's module, which looks 300 times."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.1)
    wait = Waiter.wait

    def quickly(waiter, **arguments):
        waiter.config.delay, waiter.config.max_attempts = 0.01, 3
        return wait(waiter, **arguments)

    monkeypatch.setattr(Waiter, "wait", quickly)


def state(name):
    return boto3.client("lambda").get_function_configuration(FunctionName=name)["State"]


def test_one_that_is_idle_is_awake_afterwards(run_strictly, idle_function):
    woken = run_strictly(module, names=[idle_function, "no-such-function"])
    assert (woken["woken"], woken["changed"]) == ([idle_function], False)
    assert state(idle_function) == "Active"
    assert run_strictly(module, names=[idle_function])["woken"] == []


def test_a_setting_of_an_idle_function_can_be_changed_then(run_strictly, idle_function):
    made = boto3.client("lambda").get_function_configuration(FunctionName=idle_function)
    setting = {
        "name": idle_function,
        "state": "present",
        "runtime": made["Runtime"],
        "handler": made["Handler"],
        "role": made["Role"],
        "memory_size": 512,
    }
    before = run_strictly(lambda_module, **setting)
    assert "Timeout while waiting" in before["msg"]
    run_strictly(module, names=[idle_function])
    assert run_strictly(lambda_module, **setting)["changed"]


def test_in_check_mode_none_is_called(run_strictly, idle_function):
    assert run_strictly(module, check=True, names=[idle_function])["woken"] == [idle_function]
    assert state(idle_function) == "Inactive"


def test_one_that_does_not_wake_is_told(run_strictly, idle_function):
    failed = run_strictly(module, names=[idle_function], wait_timeout=-1)
    assert "stays Inactive" in failed["msg"]
