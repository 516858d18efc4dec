"""Filters of playbooks/generators.yml: who is to own which slices, and what a release is called."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from ansible.errors import AnsibleFilterError
from log_generator import ownership, replay, slices
from log_generator.cli import Released
from log_generator.replay import Position

Answer = Mapping[str, Any]
"""What `log-generator slices --json` says."""


MOST_ROWS = 1_000_000
"""No host is so many rows of a pass further on than all others."""


def slice_answers(texts: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Which of the hosts' answers are to be believed: `answers`, and `refused` with the reason.

    A host may be broken or worse. One that would take slices from others, or say where slices go on
    that nobody has, is not believed where it stands more than a pass beyond all others.
    """
    found, refused = {}, {}
    for host, text in texts.items():
        try:
            found[host] = _checked(text, ownership.Answer)
        except (ValueError, RecursionError) as error:
            refused[host] = f"does not say which slices it owns: {error}"
    owned = {host: slices.parse(answer["slices"]) for host, answer in found.items()}
    places = {host: _unpack(answer["positions"]) for host, answer in found.items()}
    for host, answer in found.items():
        others = [other for other in found if other != host]
        furthest = max((max(places[o].values(), default=(1, 0)) for o in others), default=None)
        theirs = frozenset().union(*(owned[other] for other in others))
        claimed = {n: at for n, at in places[host].items() if n in theirs}
        claimed |= {n: at for n, at in _unpack(answer["released"]).items() if n not in theirs}
        if furthest and (far := [n for n, at in claimed.items() if _is_far(at, furthest)]):
            refused[host] = (
                f"stands at pass {max(claimed[n] for n in far)[0]} of the slices "
                f"{slices.render(far)}, the others at pass {furthest[0]} at most; if it is right, "
                "remove the others that own them from the fleet"
            )
    return {"answers": {h: a for h, a in found.items() if h not in refused}, "refused": refused}


def slice_releases(
    texts: Mapping[str, str], answers: Mapping[str, Answer]
) -> dict[str, dict[str, Any]]:
    """Likewise, what hosts say as they release slices; `answers` are what was believed before."""
    places = [at for answer in answers.values() for at in _unpack(answer["positions"]).values()]
    furthest = max(places, default=(1, 0))
    found, refused = {}, {}
    for host, text in texts.items():
        try:
            released = _checked(text, Released)
        except (ValueError, RecursionError) as error:
            refused[host] = f"does not say where the slices stand that it released: {error}"
            continue
        if any(_is_far(at, furthest) for at in _unpack(released["positions"]).values()):
            refused[host] = "says of slices that they stand more than a pass beyond all others"
        else:
            found[host] = released
    return {"answers": found, "refused": refused}


def _checked(text: str, form: type[msgspec.Struct]) -> dict[str, Any]:
    """An answer of this form as JSON has it; ValueError says what is wrong with it."""
    answer = msgspec.to_builtins(msgspec.json.decode(text.encode(), type=form))
    slices.parse(answer.get("slices", ""))
    for name in ("positions", "released"):
        for number, (turn, row) in _unpack(answer.get(name, {})).items():
            if turn < 1 or row < 0:
                raise ValueError(f"slice {number} is at pass {turn}, row {row}")
    return answer


def _is_far(position: Position, furthest: Position) -> bool:
    return position > (furthest[0] + 1, furthest[1]) or position[1] > furthest[1] + MOST_ROWS


def assign(
    owned: Mapping[str, frozenset[int]], free: frozenset[int], staying: Iterable[str]
) -> dict[str, frozenset[int]]:
    """Share all slices among the hosts that stay, equally but for one, moving as few as can be."""
    hosts = sorted(staying)
    if not hosts:
        return dict(owned)
    mine = {host: sorted(owned.get(host, ())) for host in hosts}
    pool = sorted(free.union(*(owned[host] for host in owned.keys() - set(hosts))))
    least, more = divmod(len(pool) + sum(map(len, mine.values())), len(hosts))
    # Those who own most keep one more, where there are such.
    quota = dict.fromkeys(hosts, least)
    for host in sorted(hosts, key=lambda host: -len(mine[host]))[:more]:
        quota[host] += 1
    for host in hosts:
        pool += mine[host][quota[host] :]
        del mine[host][quota[host] :]
    pool.sort()
    for host in hosts:
        wanted = quota[host] - len(mine[host])
        mine[host] += pool[:wanted]
        del pool[:wanted]
    return {host: frozenset() for host in owned} | {h: frozenset(n) for h, n in mine.items()}


def slice_plan(answers: Mapping[str, Answer], staying: Sequence[str], complete: bool) -> dict:
    """What each host is to release, take and forget, as slices are written.

    `answers` are those of the hosts that could be asked, `complete` says whether these were all.
    If not, a slice without an owner may be another's: it stays as it is.

    `unowned` are the slices to take that nobody has, and where they were released last, if ever.
    """
    places = {host: _unpack(answer["positions"]) for host, answer in answers.items()}
    kept = {host: _unpack(answer["released"]) for host, answer in answers.items()}
    owned = {host: slices.parse(answer["slices"]) for host, answer in answers.items()}
    # A host that was away for so long that others were given its slices gives way to them.
    stale = {
        host: frozenset(
            number
            for number in numbers
            for other in owned
            if number in owned[other]
            and (places[other].get(number, (1, 0)), other)
            > (places[host].get(number, (1, 0)), host)
        )
        for host, numbers in owned.items()
    }
    real = {host: numbers - stale[host] for host, numbers in owned.items()}
    everybodys = frozenset().union(*real.values())
    free = frozenset(range(slices.COUNT)) - everybodys if complete else frozenset()
    wanted = assign(real, free, [host for host in staying if host in answers])

    last: dict[int, Position] = {
        number: max([(1, 0), *(held[number] for held in kept.values() if number in held)])
        for number in free
    }
    plan = {
        "release": {host: owned[host] - wanted[host] | stale[host] for host in owned},
        "take": {host: wanted[host] - real[host] for host in owned},
        # What another host was seen to own needs no keeping.
        "forget": {host: everybodys & (kept[host].keys() | stale[host]) for host in owned},
    }
    found: dict[str, Any] = {
        step: {host: slices.render(numbers) for host, numbers in sorted(hosts.items()) if numbers}
        for step, hosts in plan.items()
    }
    found["unowned"] = replay.pack(last)
    return found


def slice_orders(text: str, released: Sequence[Mapping[str, Any]]) -> dict:
    """What `log-generator take` reads: those of the slices that were released, with positions."""
    wanted = slices.parse(text)
    if len({answer["dataset"] for answer in released if answer["dataset"]}) > 1:
        raise AnsibleFilterError("the hosts replay different data sets")
    positions: dict[int, Position] = {}
    for answer in released:
        for number, position in _unpack(answer["positions"]).items():
            if number in wanted:
                positions[number] = max(position, positions.get(number, (1, 0)))
    return {
        "dataset": next((answer["dataset"] for answer in released if answer["dataset"]), ""),
        "elapsed": max((answer["elapsed"] for answer in released), default=0.0),
        "positions": replay.pack(positions),
    }


def _unpack(stored: Mapping[str, Sequence[int]]) -> dict[int, Position]:
    """Positions out of JSON, where they are lists."""
    return replay.unpack({text: (int(turn), int(row)) for text, (turn, row) in stored.items()})


def slice_union(texts: Iterable[str]) -> str:
    """All of these slices."""
    return slices.render(frozenset().union(*map(slices.parse, texts)))


def content_digest(places: Iterable[str]) -> str:
    """Identify what is in folders, or files, whatever the times of these."""
    found = hashlib.sha256()
    for place in map(Path, places):
        for path in sorted([place, *place.rglob("*")]):
            made = any(p == "__pycache__" or p.endswith(".egg-info") for p in path.parts)
            if path.is_file() and not made:
                inner = path.relative_to(place)
                found.update(f"{place.name}\0{inner}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def release_name(folders: Sequence[str]) -> str:
    """One name for the packages in these folders, and what they share, as they are now."""
    projects = [tomllib.loads(Path(folder, "pyproject.toml").read_text()) for folder in folders]
    version = max(project["project"]["version"] for project in projects)
    shared = {
        str(Path(folder, source["path"]).resolve())
        for folder, project in zip(folders, projects, strict=True)
        for source in project.get("tool", {}).get("uv", {}).get("sources", {}).values()
    }
    return f"{version}-{content_digest([*folders, *sorted(shared)])}"


class FilterModule:
    """Ansible asks this for the filters."""

    def filters(self) -> dict[str, Any]:
        return {
            "slice_answers": slice_answers,
            "slice_releases": slice_releases,
            "slice_plan": slice_plan,
            "slice_orders": slice_orders,
            "slice_union": slice_union,
            "content_digest": content_digest,
            "release_name": release_name,
        }
