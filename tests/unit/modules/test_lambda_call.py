"""lambda_call: a function that fell asleep, one that fails, one that is not there."""

import pytest

from plugins.modules import lambda_call as module
from tests.unit.modules.conftest import make_function

FAILS = "def handler(event, context):\n    raise ValueError('no such table')\n"
ANSWERS = "def handler(event, context):\n    return {'was': event}\n"


def test_a_function_answers(run, region):
    name = make_function(region.client("lambda"), ANSWERS)
    assert run(module, name=name, payload={"check": True})["output"] == {"was": {"check": True}}


def test_a_function_that_fails_is_told(run, region):
    failed = run(module, name=make_function(region.client("lambda"), FAILS))
    assert failed["failed"]
    assert "no such table" in failed["msg"]


def test_one_that_is_not_there_is_told(run, region):
    assert "could not be called" in run(module, name="no-such-function")["msg"]


def test_one_that_is_inactive_is_called_until_it_is_awake(run_strictly, idle_function, monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.1)
    answer = run_strictly(module, name=idle_function)
    assert answer.get("output") == {"changed": False, "migrations": [], "users": []}, answer


@pytest.mark.parametrize("code", ["ResourceConflictException", "ResourceNotReadyException"])
def test_it_does_not_try_for_ever(code):
    from botocore.exceptions import ClientError

    class Client:
        def invoke(self, **_):
            raise ClientError({"Error": {"Code": code}}, "Invoke")

    with pytest.raises(ClientError):
        module.call(Client(), "any", {}, 0)
