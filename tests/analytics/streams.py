"""Random streams of order lines and of requests, and an engine that is fed with them in any
interleaving."""

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.records import kind
from analytics_engine.records.kind import Source
from analytics_engine.rules.files import HOME, Definitions
from analytics_engine.rules.reference import References
from analytics_engine.rules.rule import Rule
from analytics_engine.service.store import Store

from tests.analytics.brute import Put, Said, rfc3339

START = 1_769_860_800_000
"""2026-01-31T12:00:00Z."""
ADDRESSES = (*["192.0.2.1"] * 3, "2001:db8::2", "0.0.0.0/0", "\x1b[31m" * 9, "")
"""Of which the last three are none."""
KINDS = kind.load(HOME / "records")
ORDERS, REQUESTS = Source(KINDS["order"], 500), Source(KINDS["access"], 500)


def over_orders(rules: Sequence[Rule], references: References | None = None) -> Definitions:
    """Rules over the order stream."""
    return Definitions({"orders": ORDERS}, list(rules), references or {})


class Record(msgspec.Struct):
    data: bytes
    arrival: float
    sequence: str


class Asked(NamedTuple):
    """A record of a request, as a Put is one of an order line."""

    shard: int
    put_ms: int
    time_ms: int
    request: str
    line: dict[str, Any]

    @property
    def identity(self) -> str:
        return self.request


def event_time(put: Put | Asked) -> str:
    return rfc3339(put.time_ms // 100)[:-3] + f"{put.time_ms % 100:02}Z"


def line_of(put: Put | Asked) -> dict[str, Any]:
    """What stands in a record."""
    if isinstance(put, Asked):
        return {"EventTime": event_time(put), "RequestId": put.request, **put.line}
    return {
        "InvoiceNo": put.invoice,
        "StockCode": f"S{put.line % 7}",
        "Country": "France",
        "ClientIP": put.address,
        "LineNo": str(put.line),
        "EventTime": event_time(put),
    }


def record(put: Put | Asked, number: int) -> Record:
    """A put as it is read from Kinesis."""
    return Record(msgspec.json.encode(line_of(put)) + b"\n", put.put_ms / 1000, str(number))


def random_stream(seed: int, late: bool, seconds: int = 90, shards: int = 3) -> list[Put]:
    """Bursts, gaps, ties, repeats, disorder; with `late`, hosts cut off and clocks that are wrong.

    The puts of each shard stand in their order.
    """
    rng = random.Random(seed)
    puts: list[Put] = []
    now = START
    invoice = 0
    while now < START + seconds * 1000:
        burst = rng.random() < 0.3
        for _ in range(rng.randrange(1, 60 if burst else 12)):
            now += rng.choice((0, 0, 1, 7, 40, 100) if burst else (0, 100, 250, 700, 1500))
            if rng.random() < 0.3:
                now -= now % 100  # on the very border of a tick
            invoice += rng.random() < 0.2
            delay = rng.randrange(0, 450)
            time = now
            if late and rng.random() < 0.05:
                delay = rng.choice((450, 500, 550, 599, 600, 601, 1_000, 5_000, 20_000, 40_000))
            if late and rng.random() < 0.01:
                time += rng.choice((4_000, 5_000, 6_000, 60_000))
            put = Put(
                rng.randrange(shards),
                now + delay,
                time,
                f"I{invoice}",
                len(puts) + 1,
                rng.choice(ADDRESSES),
            )
            puts.append(put)
            while rng.random() < 0.1:
                again = rng.choice((0, 100, 2_000) if late else (0, 20, 40))
                puts.append(put._replace(shard=rng.randrange(shards), put_ms=put.put_ms + again))
        now += rng.choice((0, 0, 500, 3_000, 9_000, 25_000))
    if late:
        # A host is cut off: what it wrote in this time is put at its end, in order.
        begin, end = START + 20_000, START + 50_000
        puts = [
            put._replace(put_ms=max(put.put_ms, end))
            if begin <= put.time_ms < end and put.line % 3 == 0
            else put
            for put in puts
        ]
    return sorted(puts, key=lambda put: put.put_ms)


def requests(seed: int, late: bool, leap_ms: int = 0, seconds: int = 90) -> list[Asked]:
    """The same moments as those of order lines, of requests to three services.

    Each in turn is well, sick or slow; bots and checks ask too, visitors leave (499), attempts are
    listed, and some lines lack what others have. After a gap time leaps by up to `leap_ms`.
    """
    rng = random.Random(f"requests {seed}")
    puts: list[Asked] = []
    known: dict[tuple[str, int], tuple[int, dict[str, Any]]] = {}
    health, leap, last = dict.fromkeys(SERVICES, 0.0), 0, 0
    for put in sorted(random_stream(seed, late, seconds), key=lambda put: put.line):
        if put.time_ms > last + 8_000:
            leap += rng.randrange(leap_ms) if leap_ms else 0
        last = max(last, put.time_ms)
        if rng.random() < 0.04:
            health[rng.choice(SERVICES)] = rng.choice((0, 0, 0.05, 0.5, 1))
        shift, line = known.setdefault(put.identity, (leap, _request(rng, health, put.address)))
        puts.append(
            Asked(put.shard, put.put_ms + shift, put.time_ms + shift, f"{put.line:032x}", line)
        )
    return sorted(puts, key=lambda put: put.put_ms)


SERVICES = ("shop", "stock", "payment")
ROUTES = ("order", "home", "other")
VISITORS = (*["user"] * 6, "bot", "probe", "health")
ASKING = (
    *(f"203.0.113.{n}" for n in range(5)),
    "198.51.100.1",
    *(f"2001:db8::{n}" for n in range(3)),
    "2001:db8:0:1::9",
    "::ffff:203.0.113.9",
    "unix:",
)


def _request(rng: random.Random, health: dict[str, float], address: str) -> dict[str, Any]:
    service = rng.choice(SERVICES)
    is_sick = rng.random() < health[service]
    status = rng.choice((500, 502, 503, 504) if is_sick else (200, 200, 201, 404, 499, 0))
    seconds = rng.choice((0.8, 0.801, 1.5, 3) if is_sick else (0.001, 0.1, 0.799))
    attempts = rng.randrange(1, 3)
    line = {
        "Service": service,
        "Direction": rng.choice(("in", "in", "in", "out")),
        "Route": rng.choice(ROUTES),
        "Visitor": rng.choice(VISITORS),
        "Status": rng.choice((status, status, str(status))),
        "Seconds": rng.choice((*[seconds] * 8, str(seconds), "-")),
        "ClientIP": rng.choice((*ASKING, address)),
        "Upstream": ", ".join(["unix:/run/shop"] * attempts),
        "UpstreamStatus": ", ".join([*["502"] * (attempts - 1), str(status)]),
        "UpstreamSeconds": ", ".join(["-"] * attempts),
    }
    if rng.random() < 0.05:
        del line[rng.choice(("Seconds", "Route", "Visitor", "ClientIP"))]
    return line


class Drive:
    """Feeds an engine: from a store, in batches of random size, shards in random order."""

    def __init__(
        self,
        rules: Sequence[Rule],
        puts: Sequence[Put] | Sequence[Asked],
        seed: int,
        path: str = ":memory:",
        source: Source = ORDERS,
    ) -> None:
        self.rng = random.Random(seed)
        self.shards: dict[str, list[tuple[Record, Put | Asked]]] = defaultdict(list)
        self.source = source
        for number, put in enumerate(puts, 1):
            self.shards[str(put.shard)].append((record(put, number), put))
        self.rules = rules
        self.path = path
        self.alarms: list[Alarm] = []
        self.open()

    def open(self) -> None:
        """Begin, or begin again where the store says."""
        self.store = Store(self.path)
        self.engine = self.store.engine("stream", self.source)
        self.engine.change(self.source, self.rules, {})
        if not self.engine.shards:
            for name in self.shards:
                self.engine.open_shard(name)

    def crash(self) -> None:
        """Lose all that was not saved."""
        self.store.close()
        self.open()

    def run(self, end_ms: int, crashes: float = 0.0) -> list[Said]:
        """Read all, then let time go on until it ends."""
        while self.step():
            if self.rng.random() < crashes:
                self.crash()
        for name in self.engine.shards:
            self.engine.idle(name, end_ms + 750)
        self._advance()
        self.store.save({"stream": self.engine})
        return sorted({said(alarm) for alarm in self.alarms})

    def backlog(self, end_ms: int) -> list[Said]:
        """Read each shard whole, one after the other; only then time goes on."""
        for name, records in self.shards.items():
            batch = [record for record, _ in records]
            self.engine.read(name, batch[-1].sequence, batch)
        return self.run(end_ms)

    def step(self) -> bool:
        """Read something of one shard; False where all has been read."""
        left = {}
        for name, records in self.shards.items():
            last = int(self.engine.shards[name].last or 0)
            rest = [one for one in records if int(one[0].sequence) > last]
            if rest:
                left[name] = rest
        if not left:
            return False
        name = self.rng.choice(list(left))
        size = self.rng.choice((1, 3, 20, 200))
        batch = [record for record, _ in left[name][:size]]
        self.engine.read(name, batch[-1].sequence, batch)
        for other in self.shards.keys() - left.keys():
            # Read to its end: it is idle until the others get there.
            self.engine.idle(other, min(rest[0][1].put_ms for rest in left.values()))
        self._advance()
        if self.rng.random() < 0.3:
            self.store.save({"stream": self.engine})
        return True

    def _advance(self) -> None:
        self.alarms += self.engine.advance()


def said(alarm: Alarm) -> Said:
    return Said(
        alarm.incident_id,
        alarm.sequence,
        alarm.kind,
        alarm.event_time,
        alarm.order_count,
        alarm.late,
        alarm.peak,
        alarm.total,
        alarm.duration_seconds,
        alarm.value,
    )
