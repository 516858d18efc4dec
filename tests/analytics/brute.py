"""The surge rule by brute force: what the engines must say. It shares no code with them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Put(NamedTuple):
    """A record: put on a shard at one time, about an order line of another (ms since the epoch)."""

    shard: int
    put_ms: int
    time_ms: int
    invoice: str
    line: int
    address: str = "192.0.2.1"


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


def _known(address: str) -> str:
    try:
        return ip_address(address) and address
    except ValueError:
        return "unknown"


class Line(NamedTuple):
    """Counts from tick `effective` on; in hindsight from `own` on."""

    own: int
    effective: int
    scope: str


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


class Brute:
    """Order lines counted at every tick, as the design says it, for one rule."""

    def __init__(self, rule, threshold, window_s, quiet_s, reminder_s, grouped=False):
        self.rule, self.threshold, self.grouped = rule, threshold, grouped
        self.window, self.quiet, self.reminder = window_s * 10, quiet_s * 10, reminder_s * 10

    def alarms(self, puts, end_ms):
        """All alarms until a time, sorted by incident. `puts`: each shard's in its order."""
        lines = self._lines(puts)
        end = end_ms // 100
        self.said = []
        known = []
        for scope in sorted({line.scope for line in lines}):
            known += self._live(scope, [line for line in lines if line.scope == scope], end)
        self._late(lines, known, end)
        return sorted(self.said)

    def _lines(self, puts):
        """Each line once, as its earliest copy counts."""
        arrival = defaultdict(int)
        best = {}
        for put in puts:
            arrival[put.shard] = at = max(arrival[put.shard], put.put_ms)
            time_ms = at if put.time_ms > at + 5000 else put.time_ms
            own = time_ms // 100 + 1
            effective = max(own, -((500 - at) // 100))
            if effective - own <= 15 * 60 * 10:
                line = Line(own, effective, _known(put.address) if self.grouped else "")
                key = (put.invoice, put.line)
                best[key] = min(best.get(key, line), line, key=lambda line: line.effective)
        return list(best.values())

    def _counts(self, lines, end, live):
        """The count at every tick."""
        change = defaultdict(int)
        for line in lines:
            first = line.effective if live else line.own
            if first < line.own + self.window:
                change[first] += 1
                change[line.own + self.window] -= 1
        counts, count = {}, 0
        for tick in range(min(change, default=end), end + 1):
            count += change[tick]
            counts[tick] = count
        return counts

    def _incidents(self, scope, counts):
        found = []
        for tick, count in counts.items():
            if count >= self.threshold:
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
                line.effective <= hot[-1]
                and line.own + self.window > max(line.effective, incident.opened)
                for line in lines
            )
            return max(counts[tick] for tick in hot), total, until

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
                incident.opened - self.window < line.own <= incident.last
                for incident in incidents
                for line in lines
            )
            peak = max(counts[t] for incident in incidents for t in incident.hot)
            return peak, total, max(incident.closed for incident in incidents)

        for incident in list(mine):
            if incident.closed > tick:
                until = max(t for t in incident.hot if t <= tick)
                if first - until <= self.quiet and incident.opened - last <= self.quiet:
                    incident.late = cover(incident.late, waiting)
                continue
            same = [other for other in again if self._meet(incident, other)]
            now = told(same)
            if now != incident.told:
                incident.told = now
                incident.last = now[2] - self.quiet
                peak = min(t for i in same for t in i.hot if counts[t] == now[0])
                self._say("CORRECTION", incident, peak, now[0], now)
        for new in again:
            if new.closed <= tick and not any(self._meet(new, other) for other in mine):
                new.told = told([new])
                self._say("OPEN", new, new.opened, counts[new.opened], late=True)
                self._say("CLOSE", new, new.closed, counts[new.closed], new.told, late=True)
                known.append(new)

    def _meet(self, one, other):
        return one.opened - other.last <= self.quiet and other.opened - one.last <= self.quiet

    def _say(self, kind, incident, tick, count, told=None, late=False):
        opened = rfc3339(incident.opened)
        name = sha256(f"{self.rule}|{incident.scope}|{opened}".encode()).hexdigest()[:32]
        peak, total, closed = told or (None, None, None)
        duration = None if closed is None else (closed - incident.opened) / 10
        numbers = (count, late, peak, total, duration)
        self.said.append(Said(name, incident.sequence, kind, rfc3339(tick), *numbers))
        incident.sequence += 1


def cover(one, other):
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))


def rfc3339(tick):
    moment = EPOCH + timedelta(milliseconds=100 * tick)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
