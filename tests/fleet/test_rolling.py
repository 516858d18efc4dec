"""A change goes to a canary first, and no further than it works; a release can be gone back to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from console.stack import ROOT
from tests.fleet.conftest import Fleet

GENERATORS = "playbooks/generators.yml"
INSTALL = "Unpack it"
SWITCH = "Make it the current release"


@contextmanager
def another_release() -> Iterator[None]:
    """The project with one file more."""
    path = ROOT / "files" / "log_generator" / "log_generator" / "made_by_a_test.py"
    path.write_text('"""Makes another release of the package."""\n')
    try:
        yield
    finally:
        path.unlink()


def test_a_canary_that_fails_leaves_the_others_as_they_were(three: Fleet) -> None:
    canary, *others = three.generators
    before = {host: (three.pids(host), agent_json(three, host)) for host in others}
    nowhere = {"kinesis.endpoint": f"http://{three.stack['hosts_subnet']}.10:1"}
    play = three.run(GENERATORS, kinesis_agent_settings=nowhere, fleet_gate_seconds=10)
    assert play.code != 0
    failed = {found.host for _, found in play.results if found.outcome == "failed"}
    assert failed == {canary}
    (gate,) = [found for task, found in play.results if found.outcome == "failed"]
    assert "kinesis-agent" in gate.details["msg"]
    assert any("surgewatch-kinesis-agent" in line for line in gate.details["journal"])
    assert {host: (three.pids(host), agent_json(three, host)) for host in others} == before

    play = three.run(GENERATORS)
    assert play.code == 0
    assert "Write the configuration" in play.changed(canary)
    assert {host: (three.pids(host), agent_json(three, host)) for host in others} == before
    assert three.count() > 0


def test_a_release_is_rolled_out_behind_the_gate_and_gone_back_to(three: Fleet) -> None:
    first = {host: three.current(host) for host in three.generators}
    name = rolled_out(three)
    with another_release():
        play = three.run(GENERATORS)
        assert play.code == 0
        second = {host: three.current(host) for host in three.generators}
        assert all(
            second[host]["log_generator"] != first[host]["log_generator"]
            and second[host]["kinesis_agent"] == first[host]["kinesis_agent"]
            for host in three.generators
        )
        steps = [
            (task, found.host)
            for task, found in play.results
            if task == "See that the host works" or (task, found.outcome) == (SWITCH, "changed")
        ]
        canary = three.generators[0]
        assert steps[:2] == [(SWITCH, canary), ("See that the host works", canary)]

        play = three.run(GENERATORS, surgewatch_release=name)
        assert play.code == 0
        assert {host: three.current(host) for host in three.generators} == first
        assert all(INSTALL not in play.changed(host) for host in three.generators)
    play = three.run(GENERATORS)
    assert [play.changed(host) for host in three.generators] == [[], [], []]
    assert three.count() > 0


def test_a_release_that_a_host_does_not_have_is_refused_by_name(three: Fleet) -> None:
    play = three.run(GENERATORS, surgewatch_release="0.0.1-nowhere")
    assert play.code != 0
    for host in three.generators:
        (message,) = play.messages(host)
        assert "does not have the release 0.0.1-nowhere" in message
        assert rolled_out(three) in message
        assert play.changed(host) == []


def agent_json(fleet: Fleet, host: str) -> str:
    return fleet.on(host, "cat", "/etc/aws-kinesis/agent.json")


def rolled_out(fleet: Fleet) -> str:
    """The name of the release that the first host has."""
    return json.loads(fleet.on(fleet.generators[0], "cat", "/opt/surgewatch/rolled-out.json"))[
        "release"
    ]
