"""Slices change hands: in the state, at a generator that runs, and over a fleet that is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_generator import cli, dataset, ownership, replay, slices
from log_generator.errors import ControlError
from log_generator.ownership import Change, Ownership

FEW = st.frozensets(st.integers(0, 7))
PLACE = st.tuples(st.integers(1, 3), st.integers(0, 9))
HELD = st.builds(
    lambda positions, numbers: Ownership(numbers & positions.keys(), positions),
    st.dictionaries(st.integers(0, 7), PLACE),
    FEW,
)
CHANGES = st.builds(
    lambda release, take, forget: Change(
        release=slices.render(release), take=replay.pack(take), forget=slices.render(forget)
    ),
    FEW,
    st.dictionaries(st.integers(0, 7), PLACE),
    FEW,
)


@given(HELD, CHANGES)
def test_no_position_of_an_owned_slice_is_lost_or_goes_back(held, change):
    after = ownership.apply(held, change, "data")
    assert after.owned <= after.positions.keys()
    assert ownership.apply(after, change, "data").positions.keys() == after.positions.keys()
    for number in held.positions.keys() & after.positions.keys():
        assert after.positions[number] >= held.positions[number]
    kept = held.owned - slices.parse(change.release)
    assert {n: after.positions[n] for n in kept} == {n: held.positions[n] for n in kept}


def test_the_giver_keeps_the_position_until_it_is_to_forget_it():
    held = Ownership(frozenset({1, 2}), {1: (1, 5), 2: (1, 5)})
    released = ownership.apply(held, Change(release="2"), "data")
    assert ownership.describe(released, "data", 0.0).released == {"2": (1, 5)}
    assert ownership.apply(released, Change(forget="1-2"), "data").positions == {1: (1, 5)}


def test_a_slice_of_another_data_set_begins_a_pass():
    none = Ownership(frozenset(), {})
    after = ownership.apply(none, Change(take={"7": (1, 90)}, dataset="old"), "new")
    assert after.positions == {7: (2, 0)}


def test_a_host_without_slices_writes_nothing_and_one_that_gets_them_goes_on(machine):
    giver = machine("giver", lines_per_second=100)
    taker = machine("taker", lines_per_second=100, slices="")
    at_giver, at_taker = giver.start(), taker.start()
    giver.run(at_giver, 5)
    taker.run(at_taker, 5)
    assert taker.lines() == []
    at_giver.change(Change(release="0-1023"))
    written = len(giver.lines())
    giver.run(at_giver, 5)
    assert len(giver.lines()) == written
    saved = giver.saved()
    answer = {name: saved[name] for name in ("dataset", "elapsed")}
    at_taker.change(Change(take=saved["positions"], **answer))
    assert at_taker.state().elapsed == saved["elapsed"]
    taker.run(at_taker, 5)
    undisturbed = machine("undisturbed", lines_per_second=100)
    undisturbed.run(undisturbed.start(), 20)
    both = giver.lines() + taker.lines()
    assert len(both) == pytest.approx(1000, abs=10)
    assert both == undisturbed.lines()[: len(both)]


def test_where_the_state_cannot_be_saved_the_slices_stay(machine, monkeypatch):
    host = machine(lines_per_second=100)
    generator = host.start()

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("log_generator.state.save", refuse)
    with pytest.raises(ControlError):
        generator.change(Change(release="0-99"))
    assert generator.state().slices == "0-1023"


def start(host):
    return subprocess.Popen(
        [sys.executable, "-m", "log_generator", "run", "--config", host.config_file()],
        stderr=subprocess.DEVNULL,
    )


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def written(host):
    return host.log.stat().st_size if host.log.exists() else 0


def test_slices_move_between_processes_that_are_killed(machine, source, capsys):
    """Whether a generator runs, is starting or was killed: no line comes twice or is left out."""
    hosts = [
        machine(name, slices=owned, lines_per_second=20_000)
        for name, owned in (("a", "0-1023"), ("b", ""), ("c", ""))
    ]
    for host in hosts:
        host.start().stop()
    processes = [start(host) for host in hosts]

    def command(host, *arguments):
        assert cli.main([*map(str, arguments), "--config", str(host.config_file())]) == 0
        return capsys.readouterr().out

    for turn in range(9):
        giver, taker = hosts[turn % 3], hosts[(turn + 1) % 3]
        size = written(giver)
        wait_for(lambda giver=giver, size=size: written(giver) > size + 20_000)
        if turn % 2:  # the giver was killed, and its state is older than its log
            os.kill(processes[turn % 3].pid, signal.SIGKILL)
            processes[turn % 3].wait()
        owned = sorted(slices.parse(json.loads(command(giver, "slices", "--json"))["slices"]))
        some = slices.render(owned[turn % 2 :: 2]) if turn % 3 else slices.render(owned)
        for _ in range(2):  # each step may be repeated
            released = command(giver, "release", some)
        file = taker.state / "released"
        file.write_text(released)
        for _ in range(2):
            command(taker, "take", file)
        command(giver, "forget", some)
        assert json.loads(command(giver, "slices", "--json"))["released"] == {}
        if turn % 2:
            processes[turn % 3] = start(giver)
    for process in processes:
        process.terminate()
        process.wait()

    rows = list(dataset.read(source))
    places = defaultdict(list)
    for host in hosts:
        for body, _ in host.lines():
            invoice, *_, number = body.decode().split(",")
            name, _, turn = invoice.partition(".")
            places[slices.slice_of(name)].append((int(turn or 1), name, int(number)))
    expected = defaultdict(list)
    for turn in range(1, 1 + max(turn for found in places.values() for turn, _, _ in found)):
        numbers = defaultdict(int)
        for row in rows:
            numbers[row[0]] += 1
            expected[slices.slice_of(row[0])].append((turn, row[0], numbers[row[0]]))
    assert len(places) > 100
    for number, found in places.items():
        assert sorted(found) == sorted(expected[number][: len(found)])
