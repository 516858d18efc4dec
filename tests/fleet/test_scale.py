"""The fleet grows and shrinks, and no order line is repeated or skipped."""

import subprocess

from tests.fleet.conftest import Fleet, wait_for_lines


def balanced(fleet: Fleet, hosts: int) -> bool:
    owned = fleet.owned()
    sizes = sorted(map(len, owned.values()))
    return len(sizes) == hosts and sum(sizes) == 1024 and sizes[-1] - sizes[0] <= 1


def test_two_hosts_become_five_and_the_old_ones_give_slices_alone(fleet: Fleet) -> None:
    old = list(fleet.generators)
    before = {host: fleet.pids(host) for host in old}
    play = fleet.scale(5)
    assert balanced(fleet, 5)
    for host in old:
        assert play.changed(host) == ["Release slices", "Forget slices that others have now"]
        assert fleet.pids(host) == before[host]
    for host in set(fleet.generators) - set(old):
        placed = {path for path in play.places(host) if not path.endswith(".tar.gz")}
        assert len(placed) > 10
        assert placed <= fleet.recorded(host).keys()
    wait_for_lines(fleet, 300)


def test_a_play_that_is_killed_is_finished_by_the_next(fleet: Fleet) -> None:
    fleet.scale_and_kill(3, "Take slices")
    assert len(fleet.generators) == 5
    between = sum(map(len, fleet.owned().values()))
    assert between < 1024
    fleet.scale(3)
    assert balanced(fleet, 3)
    wait_for_lines(fleet, 300)


def test_three_become_one_and_four_and_every_line_was_written_once(fleet: Fleet) -> None:
    for hosts in (1, 4):
        fleet.scale(hosts)
        assert balanced(fleet, hosts)
        wait_for_lines(fleet, 300)
    assert fleet.count() > 1500


def test_the_slices_of_a_host_that_died_go_on_where_its_lines_end_in_the_table(
    fleet: Fleet,
) -> None:
    died = fleet.generators[-1]
    numbers = len(fleet.owned()[died])
    subprocess.run(["podman", "rm", "--force", "--time=0", died], check=True, capture_output=True)
    for volume in ("state", "log"):
        subprocess.run(["podman", "volume", "rm", f"{died}-{volume}"], check=True)
    play = fleet.scale(3)
    assert balanced(fleet, 3)
    said = play.said("Name the order lines after which they go on")
    assert "slices had an owner that is gone" in said
    named = said.rpartition("go on: ")[2].split(", ")
    assert 100 < len(named) <= numbers  # a slice without a row has no last line
    assert all(" line " in line for line in named)
    wait_for_lines(fleet, 300)
    assert fleet.count() > 1500
