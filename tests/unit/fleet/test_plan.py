"""Who is to own which slices: equal shares, few moves, one owner, whatever was interrupted."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_generator import ownership, replay, slices
from log_generator.ownership import Change, Ownership

from plugins.filter import fleet


class Tagged(str):
    """What Ansible hands to a filter: it remembers where a text came from."""


NAMES = [f"host-{number}" for number in range(6)]
HOSTS = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)


@st.composite
def fleets(draw):
    """Slices shared anyhow, by numbers that repeat rarely enough to be quick: blocks of eight."""
    hosts = draw(HOSTS)
    owner_of = [draw(st.sampled_from([*hosts, None])) for _ in range(slices.COUNT // 32)]
    owned = {host: frozenset() for host in hosts}
    for block, host in enumerate(owner_of):
        if host:
            owned[host] |= frozenset(range(block * 32, block * 32 + 32))
    return owned


@given(fleets(), HOSTS)
def test_shares_are_equal_and_no_slice_moves_that_need_not(owned, staying):
    free = frozenset(range(slices.COUNT)) - frozenset().union(*owned.values())
    wanted = fleet.assign(owned, free, staying)
    assert sorted(n for numbers in wanted.values() for n in numbers) == list(range(slices.COUNT))
    sizes = sorted(len(wanted[host]) for host in staying)
    assert sizes[-1] - sizes[0] <= 1
    assert all(not wanted[host] for host in owned if host not in staying)
    # The fewest moves: of each host what is over the share, the largest shares at the largest.
    before = sorted((len(owned.get(host, ())) for host in staying), reverse=True)
    stay = sum(map(min, before, reversed(sizes)))
    assert sum(len(wanted[host] & owned.get(host, frozenset())) for host in staying) == stay
    assert fleet.assign(wanted, frozenset(), staying) == wanted


class Fleet:
    """Hosts as `log-generator slices --json` tells of them."""

    def __init__(self):
        self.hosts = {}
        self.written = dict.fromkeys(range(slices.COUNT), 0)

    def answers(self, hosts=None):
        return {
            name: msgspec.json.decode(
                msgspec.json.encode(ownership.describe(self.hosts[name], "data", 0.0))
            )
            for name in hosts or self.hosts
        }

    def write(self):
        """Every host writes a line of each of its slices: the one that was not written yet."""
        for name, held in self.hosts.items():
            for number in held.owned:
                _, row = held.positions[number]
                assert row == self.written[number], "a line is repeated or skipped"
                self.written[number] += 1
            positions = held.positions | {
                n: (held.positions[n][0], held.positions[n][1] + 1) for n in held.owned
            }
            self.hosts[name] = Ownership(held.owned, positions)

    def change(self, name, change):
        self.hosts[name] = ownership.apply(self.hosts[name], change, "data")
        return ownership.describe(self.hosts[name], "data", 0.0)

    def play(self, staying, steps, away=()):
        """Share the slices as the play does, but end after so many steps."""
        for name in staying:
            self.hosts.setdefault(name, Ownership(frozenset(), {}))
        seen = [name for name in self.hosts if name not in away]
        texts = {name: json.dumps(answer) for name, answer in self.answers(seen).items()}
        asked = fleet.slice_answers(texts)
        assert asked["refused"] == {}
        answers = asked["answers"]
        plan = fleet.slice_plan(answers, staying, complete=not away)
        # What slice_positions finds in the table.
        found = {n: (1, self.written[n]) for n in replay.unpack(plan["unowned"])}
        released = [{"dataset": "data", "elapsed": 0.0, "positions": replay.pack(found)}]
        taken = []
        for name, numbers in plan["release"].items():
            if not (steps := steps - 1):
                return False
            answer = self.change(name, Change(release=numbers))
            released.append({"dataset": "data", "elapsed": 0.0, "positions": answer.released})
        for name, numbers in plan["take"].items():
            if not (steps := steps - 1):
                return False
            orders = fleet.slice_orders(numbers, released)
            self.change(name, Change(take=orders["positions"], dataset=orders["dataset"]))
            taken.append(numbers)
            self.write()
        for name in seen:
            if not (steps := steps - 1):
                return False
            forgotten = fleet.slice_union([plan["forget"].get(name, ""), *taken])
            self.change(name, Change(forget=forgotten))
        return True


@settings(max_examples=60)
@given(st.lists(st.tuples(HOSTS, st.integers(1, 20), st.booleans()), min_size=1, max_size=6))
def test_whatever_is_interrupted_no_line_is_repeated_or_skipped(plays):
    hosts = Fleet()
    for staying, steps, whole in plays:
        hosts.play(staying, 10_000 if whole else steps)
        hosts.write()
        for first, second in pairwise(sorted(hosts.hosts)):
            assert not hosts.hosts[first].owned & hosts.hosts[second].owned
    last = plays[-1][0]
    assert hosts.play(last, 10_000)
    owned = {name: len(held.owned) for name, held in hosts.hosts.items()}
    assert sum(owned.values()) == slices.COUNT
    assert all(owned[name] == 0 for name in owned if name not in last)
    again = fleet.slice_plan(hosts.answers(), last, complete=True)
    assert again == {"release": {}, "take": {}, "forget": {}, "unowned": {}}


def test_while_a_host_does_not_answer_its_slices_stay_its_own():
    hosts = Fleet()
    hosts.play(["a", "b", "c"], 10_000)
    before = hosts.hosts["b"].owned
    hosts.play(["a", "b", "c", "d"], 10_000, away=["b"])
    shares = sorted(len(hosts.hosts[name].owned) for name in "acd")
    assert shares[-1] - shares[0] <= 1
    assert hosts.hosts["b"].owned == before
    hosts.write()
    assert hosts.play(["a", "b", "c", "d"], 10_000)
    assert {len(held.owned) for held in hosts.hosts.values()} == {256}


def test_the_slices_of_a_host_that_is_gone_go_to_the_others():
    hosts = Fleet()
    hosts.play(["a", "b", "c"], 10_000)
    hosts.write()
    gone = hosts.hosts.pop("b").owned
    plan = fleet.slice_plan(hosts.answers(), ["a", "c"], complete=True)
    assert frozenset(replay.unpack(plan["unowned"])) == gone
    assert plan["release"] == {}
    assert slices.parse(fleet.slice_union(plan["take"].values())) == gone


def test_a_host_that_comes_back_gives_way_to_who_went_on():
    hosts = Fleet()
    hosts.play(["a", "b"], 10_000)
    hosts.write()
    away = hosts.hosts.pop("b")
    hosts.play(["a"], 10_000)
    hosts.write()
    hosts.hosts["b"] = away
    plan = fleet.slice_plan(hosts.answers(), ["a", "b"], complete=True)
    assert plan["unowned"] == {}
    assert hosts.play(["a", "b"], 10_000)
    assert not hosts.hosts["a"].owned & hosts.hosts["b"].owned
    hosts.write()


def test_positions_of_different_data_sets_are_not_mixed():
    released = [
        {"dataset": name, "elapsed": 1.0, "positions": {"0": (1, 1)}} for name in ("one", "two")
    ]
    with pytest.raises(Exception, match="different data sets"):
        fleet.slice_orders("0", released)


def test_a_release_is_named_after_its_content(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "__pycache__").mkdir(parents=True)
        (tmp_path / name / "pyproject.toml").write_text(f'[project]\nversion = "0.{len(name)}"\n')
    folders = [str(tmp_path / name) for name in ("one", "two")]
    first = fleet.release_name(folders)
    (tmp_path / "one" / "__pycache__" / "x.pyc").write_text("made")
    assert fleet.release_name(folders) == first
    (tmp_path / "two" / "code.py").write_text("changed")
    assert fleet.release_name(folders) != first


def test_a_slice_that_was_released_and_not_taken_goes_on_no_earlier_than_there():
    hosts = Fleet()
    hosts.play(["a"], 10_000)
    hosts.write()
    hosts.change("a", Change(release="7"))
    plan = fleet.slice_plan(hosts.answers(), ["a"], complete=True)
    assert plan["unowned"] == {"7": (1, 2)}
    assert plan["take"] == {"a": "7"}


ALL = "0-1023"


def said(owned="", at=(1, 0), released=None, **more):
    """A host's answer: where it stands with the slices that it owns, and with others."""
    positions = {owned: at} if owned else {}
    answer = {"slices": owned, "positions": positions, "released": released or {}}
    return Tagged(json.dumps(answer | {"dataset": "data", "elapsed": 1.0} | more))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        said("0-1024"),
        said("x"),
        said("0-7", (0, 1)),
        said("0-7", (1, -1)),
        said("0-7", (1.5, 1)),
        said("0-7", (1, 2, 3)),
        said("0-7", "ab"),
        said(released={"7": None}),
        said(elapsed="long"),
        said(dataset=7),
        said()[:-1] + ', "x": ' + "[" * 100_000,
    ],
)
def test_an_answer_that_is_none_counts_as_none(text):
    asked = fleet.slice_answers({"a": said("0-511", (1, 9)), "b": said("512-1023"), "c": text})
    assert list(asked["answers"]) == ["a", "b"]
    assert "does not say" in asked["refused"]["c"]
    released = {"a": '{"dataset": "d", "elapsed": 1, "positions": {}}', "c": text}
    given = fleet.slice_releases(released, {})
    assert list(given["answers"]) == ["a"]


@pytest.mark.parametrize(
    "lie",
    [
        said(ALL, (9, 0)),
        said("0-7", (1, 10**7)),
        said("0-7", (10**9, 0)),
        said(released={"1023": (9, 0)}),
    ],
)
def test_a_host_that_claims_to_be_further_on_takes_nothing_from_others(lie):
    texts = {"a": said("0-511", (2, 50)), "b": said("512-1022", (2, 60)), "c": lie}
    asked = fleet.slice_answers(texts)
    assert "pass" in asked["refused"]["c"]
    plan = fleet.slice_plan(asked["answers"], ["a", "b", "c"], complete=False)
    assert plan == {"release": {}, "take": {}, "forget": {}, "unowned": {}}


def test_a_host_that_others_went_on_without_is_believed():
    texts = {"a": said(ALL, (50, 7)), "b": said(at=(50, 7)), "c": said("0-7", (3, 1))}
    texts["d"] = said("8-9", (50, 1))
    asked = fleet.slice_answers(texts)
    assert asked["refused"] == {}
    assert fleet.slice_plan(asked["answers"], list(texts), True)["release"]["c"] == "0-7"


def test_a_host_alone_is_believed_wherever_it_stands():
    assert fleet.slice_answers({"a": said(ALL, (99, 7))})["refused"] == {}
    texts = {"a": said("0-511", (99, 7)), "b": said("512-1023", (1, 0))}
    assert fleet.slice_answers(texts)["refused"] == {}


def test_slices_are_released_where_they_stood():
    answers = fleet.slice_answers({"a": said("0-511", (2, 50)), "b": said("512-1023", (2, 60))})
    released = {
        name: json.dumps({"dataset": "data", "elapsed": 1.0, "positions": {"7": at}})
        for name, at in (("a", (2, 70)), ("b", (4, 0)))
    }
    given = fleet.slice_releases(released, answers["answers"])
    assert list(given["answers"]) == ["a"]
    assert "beyond all others" in given["refused"]["b"]
