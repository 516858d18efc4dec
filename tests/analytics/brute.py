"""Rules by brute force: what the engines must say. It shares no code with them."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Put(NamedTuple):
    """A record: put on a shard at one time, about an order line of another (ms since the epoch)."""

    shard: int
    put_ms: int
    time_ms: int
    invoice: str
    line: int
    address: str = "192.0.2.1"

    @property
    def identity(self):
        return self.invoice, self.line


class Said(NamedTuple):
    incident_id: str
    sequence: int
    kind: str
    event_time: str
    order_count: int
    late: bool = False
    peak: int | None = None
    total: int | None = None
    duration: float | None = None
    value: float | None = None


def known(address: str) -> str:
    try:
        return ip_address(address) and address
    except ValueError:
        return "unknown"


class Line(NamedTuple):
    """Counts, if it is `counted`, from tick `effective` on; in hindsight from `own` on."""

    own: int
    effective: int
    scope: str
    counted: bool
    put: Any


class Now(NamedTuple):
    """What is measured at a tick."""

    lines: int = 0
    value: float = 0
    hot: bool = False


@dataclass(eq=False)
class Incident:
    scope: str
    opened: int
    last: int
    closed: int
    told: tuple[int, int, int] = (0, 0, 0)
    """Peak, total and closing tick as said last."""
    sequence: int = 0
    late: tuple[int, int] | None = None
    hot: list[int] = field(default_factory=list)


def by_address(put):
    return known(put.address)


class Brute:
    """Lines measured at every tick, as the design says it, for one rule.

    `scope` names a put's group; `counted` says whether it counts; `value` is what is measured of
    the puts in the window, and `hot` whether they are too many.
    """

    def __init__(
        self,
        rule,
        threshold,
        window_s,
        quiet_s,
        reminder_s,
        scope=lambda put: "",
        counted=lambda put: True,
        value=len,
        hot=None,
    ):
        self.rule, self.scope, self.counted, self.value = rule, scope, counted, value
        self.hot = hot or (lambda puts: value(puts) >= threshold)
        self.window, self.quiet, self.reminder = window_s * 10, quiet_s * 10, reminder_s * 10

    def alarms(self, puts, end_ms):
        """All alarms until a time, sorted by incident. `puts`: each shard's in its order."""
        lines = lines_of(puts, self.scope, self.counted)
        end = end_ms // 100
        self.said = []
        known = []
        for scope in sorted({line.scope for line in lines}):
            known += self._live(scope, [line for line in lines if line.scope == scope], end)
        self._late(lines, known, end)
        return sorted(self.said)

    def _counts(self, lines, end, live):
        """What is measured at every tick."""
        come, go = defaultdict(list), defaultdict(list)
        for line in lines:
            first = line.effective if live else line.own
            if line.counted and first < line.own + self.window:
                come[first].append(line.put)
                go[line.own + self.window].append(line.put)
        counts, inside = defaultdict(Now), []
        now = Now()
        for tick in range(min(come, default=end), end + 1):
            if tick in come or tick in go:
                for put in go[tick]:
                    inside.remove(put)
                inside += come[tick]
                hot = bool(inside) and self.hot(inside)
                now = Now(len(inside), self.value(inside) if inside else 0, hot)
            counts[tick] = now
        return counts

    def _incidents(self, scope, counts):
        found = []
        for tick, now in counts.items():
            if now.hot:
                if not found or tick > found[-1].last + self.quiet:
                    found.append(Incident(scope, tick, tick, 0))
                found[-1].last = tick
                found[-1].hot.append(tick)
        for incident in found:
            incident.closed = incident.last + self.quiet
        return found

    def _live(self, scope, lines, end):
        """What is said as it happens."""
        counts = self._counts(lines, end, live=True)

        def told(incident, until):
            hot = [tick for tick in incident.hot if tick <= until]
            total = sum(
                line.counted
                and line.effective <= hot[-1]
                and line.own + self.window > max(line.effective, incident.opened)
                for line in lines
            )
            return max(counts[tick].value for tick in hot), total, until

        known = self._incidents(scope, counts)
        for incident in known:
            self._say("OPEN", incident, incident.opened, counts[incident.opened])
            for tick in incident.hot[1:]:
                if (tick - incident.opened) % self.reminder == 0:
                    self._say("REMINDER", incident, tick, counts[tick], told(incident, tick))
            if incident.closed <= end:
                incident.told = told(incident, incident.closed)
                closed = incident.closed
                self._say("CLOSE", incident, closed, counts[closed], incident.told)
        return known

    def _late(self, lines, known, end):
        """What is said of late lines, once no more have come for the quiet time."""
        waiting = None
        late = [line for line in lines if line.own < line.effective]
        folded = {line.effective for line in late}
        for tick in range(min(folded, default=end), end + 1):
            for incident in known:
                if incident.closed == tick and incident.late:
                    waiting = cover(waiting, incident.late)
                    incident.late = None
            if tick in folded:
                waiting = cover(waiting, (tick, tick))
            if waiting and tick >= min(waiting[1] + self.quiet, waiting[0] + 5 * 60 * 10):
                some = [line for line in late if waiting[0] <= line.effective <= waiting[1]]
                for scope in sorted({line.scope for line in some}):
                    mine = [line for line in some if line.scope == scope]
                    all_ = [x for x in lines if x.scope == scope and x.effective <= tick]
                    self._reckon(tick, scope, mine, all_, known, waiting)
                waiting = None

    def _reckon(self, tick, scope, late, lines, known, waiting):
        first = min(line.own for line in late)
        last = max(min(line.effective, line.own + self.window) - 1 for line in late)
        counts = self._counts(lines, tick, live=False)
        again = self._incidents(scope, counts)
        mine = [i for i in known if i.scope == scope and i.opened <= tick]

        def told(incidents):
            total = sum(
                line.counted and incident.opened - self.window < line.own <= incident.last
                for incident in incidents
                for line in lines
            )
            peak = max(counts[t].value for incident in incidents for t in incident.hot)
            return peak, total, max(incident.closed for incident in incidents)

        for incident in list(mine):
            if incident.closed > tick:
                until = max(t for t in incident.hot if t <= tick)
                if first - until <= self.quiet and incident.opened - last <= self.quiet:
                    incident.late = cover(incident.late, waiting)
                continue
            same = [other for other in again if self._meet(incident, other)]
            peak = incident.opened
            if same:
                now = told(same)
                peak = min(t for i in same for t in i.hot if counts[t].value == now[0])
            else:  # it would never have been
                now = counts[peak].value, counts[peak].lines, peak
            if now != incident.told:
                incident.told = now
                incident.last = max(now[2] - self.quiet, incident.opened)
                self._say("CORRECTION", incident, peak, counts[peak], now)
        for new in again:
            if new.closed <= tick and not any(self._meet(new, other) for other in mine):
                new.told = told([new])
                self._say("OPEN", new, new.opened, counts[new.opened], late=True)
                self._say("CLOSE", new, new.closed, counts[new.closed], new.told, late=True)
                known.append(new)

    def _meet(self, one, other):
        return one.opened - other.last <= self.quiet and other.opened - one.last <= self.quiet

    def _say(self, kind, incident, tick, now, told=None, late=False):
        opened = rfc3339(incident.opened)
        name = sha256(f"{self.rule}|{incident.scope}|{opened}".encode()).hexdigest()[:32]
        peak, total, closed = told or (None, None, None)
        duration = None if closed is None else (closed - incident.opened) / 10
        numbers = (now.lines, late, peak, total, duration, now.value)
        self.said.append(Said(name, incident.sequence, kind, rfc3339(tick), *numbers))
        incident.sequence += 1


PAIRS = (
    ("14.4", 3_600, 300, 10, "critical"),
    ("6", 21_600, 1_800, 60, "critical"),
    ("3", 86_400, 7_200, 60, "warning"),
    ("1", 259_200, 21_600, 60, "warning"),
)
"""Factor, long and short window, how often it is judged (in seconds), severity: as the SRE workbook
has them."""
CELL = 100
"""Ticks, at whose ends verdicts may change."""


class BruteBurn:
    """A burn rate of one group, whose windows are counted anew at the end of every cell.

    Lines are (own tick, the one from which it is known, whether it is bad).
    """

    def __init__(self, lines, objective, minimum_bad):
        lines = sorted(lines)
        self.owns = [[own for own, _, _ in lines], [own for own, _, bad in lines if bad]]
        late = [line for line in lines if line[0] < line[1]]
        self.late = [late, [line for line in late if line[2]]]
        self.budget = 1 - Fraction(str(objective))
        self.minimum_bad = minimum_bad

    def count(self, bad, until, seconds):
        """Lines, or bad ones, of a window as they are known at its end."""
        begin, owns = until - 10 * seconds, self.owns[bad]
        unknown = sum(begin < own <= until < known for own, known, _ in self.late[bad])
        return bisect_right(owns, until) - bisect_right(owns, begin) - unknown

    def is_hot(self, pair, until):
        factor, long, short, _, _ = pair
        if self.count(True, until, long) < self.minimum_bad:
            return False
        return all(
            (lines := self.count(False, until, seconds)) > 0
            and Fraction(self.count(True, until, seconds), lines) >= Fraction(factor) * self.budget
            for seconds in (long, short)
        )

    def said(self, quiet, reminder, end):
        """Kind, tick, factor, window, severity, lines and rate of all until a tick."""
        found = []
        verdicts, counted = [False] * len(PAIRS), [(0, 0)] * len(PAIRS)
        opened = last_hot = fastest = 0
        is_open = False
        for now in range(min(self.owns[0]) // CELL * CELL, end + 1, CELL):
            for number, pair in enumerate(PAIRS):
                if now % (10 * pair[3]) == 0:
                    verdicts[number] = self.is_hot(pair, now)
                    counted[number] = [self.count(bad, now, pair[1]) for bad in (True, False)]
            hot = next((number for number, verdict in enumerate(verdicts) if verdict), None)

            def say(kind, tick, number, at):
                bad, lines = counted[at]
                rate = float(Fraction(bad, lines) / self.budget) if lines else 0.0
                factor, long, _, _, severity = PAIRS[number]
                found.append((kind, tick, float(factor), long, severity, lines, rate))

            if hot is not None:
                for tick in range(now, min(now + CELL, end + 1)):
                    if not is_open:
                        opened, fastest, is_open = tick, hot, True
                        say("OPEN", tick, hot, hot)
                    elif hot < fastest or (
                        reminder and tick > opened and (tick - opened) % reminder == 0
                    ):
                        fastest = min(fastest, hot)
                        say("REMINDER", tick, hot, hot)
                last_hot = now + CELL - 1  # nothing changes until the next cell ends
            elif is_open and now + CELL > last_hot + quiet <= end:
                say("CLOSE", last_hot + quiet, fastest, 0)
                is_open = False
        return found


def lines_of(puts, scope, counted):
    """Each line once, as its earliest copy counts."""
    arrival = defaultdict(int)
    best = {}
    for put in puts:
        arrival[put.shard] = at = max(arrival[put.shard], put.put_ms)
        time_ms = at if put.time_ms > at + 5000 else put.time_ms
        own = time_ms // 100 + 1
        effective = max(own, -((500 - at) // 100))
        if effective - own <= 15 * 60 * 10:
            line = Line(own, effective, scope(put), counted(put), put)
            earlier = best.get(put.identity, line)
            best[put.identity] = min(earlier, line, key=lambda line: line.effective)
    return list(best.values())


def cover(one, other):
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))


def rfc3339(tick):
    moment = EPOCH + timedelta(milliseconds=100 * tick)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
