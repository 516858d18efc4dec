"""What modules for an AWS resource share."""

import pytest
from ansible.module_utils.aws_resource import GONE, wait


class Module:
    def __init__(self, timeout):
        self.params = {"wait_timeout": timeout}

    def fail_json(self, msg):
        raise AssertionError(msg)


def waited(*states, settled=("ACTIVE",), timeout=60):
    """Wait for a resource that has these states, one a look; None where it is gone."""
    looks = iter([state and {"Status": state} for state in states])
    return wait(
        Module(timeout),
        "it",
        next(looks),
        lambda: next(looks),
        status="Status",
        settled=settled,
        poll_seconds=0,
    )


def test_it_waits_until_the_status_is_settled():
    assert waited("CREATING", "CREATING", "ACTIVE") == {"Status": "ACTIVE"}
    assert waited("DELETING", None, settled=[GONE]) is None


def test_a_resource_that_is_gone_is_not_waited_for():
    with pytest.raises(AssertionError, match="it is gone"):
        waited("CREATING", None)


def test_it_gives_up():
    with pytest.raises(AssertionError, match="it stays CREATING"):
        waited("CREATING", "CREATING", timeout=-1)


def test_without_a_timeout_it_does_not_wait():
    assert waited("CREATING", timeout=0) == {"Status": "CREATING"}
