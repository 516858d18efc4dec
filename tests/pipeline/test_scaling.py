"""A host comes and goes, and every order line was written once. The scenario fleet has the rest."""

from collections.abc import Iterator

import pytest

from tests.fleet.conftest import Fleet, kept_number, wait_for_lines

PACE = {"log_generator_lines_per_second": 100, "log_generator_surges": []}


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with kept_number():
        yield Fleet()


def test_two_hosts_become_three_and_two_again(fleet: Fleet) -> None:
    for hosts in (3, 2):
        fleet.scale(hosts, **PACE)
        assert sorted(map(len, fleet.owned().values()))[0] == 1024 // hosts
        wait_for_lines(fleet, 100)
    fleet.count()
